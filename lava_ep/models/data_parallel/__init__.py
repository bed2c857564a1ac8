"""Learning from batches that are spread over several ranks, in the same bits for any number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_ep._lazy import lazily
from lava_ep.models import published  # noqa: F401

if TYPE_CHECKING:
    from lava_ep.models.data_parallel.engine import Exchange, RankEngine, check_covered
    from lava_ep.models.data_parallel.frames import Frames
    from lava_ep.models.data_parallel.network import PortExchange, PyEPNetworkShareModelFused
else:
    __getattr__ = lazily(
        __name__,
        {
            "engine": ("Exchange", "RankEngine", "check_covered"),
            "frames": ("Frames",),
            "network": ("PortExchange", "PyEPNetworkShareModelFused"),
        },
    )

__all__ = [
    "Exchange",
    "Frames",
    "PortExchange",
    "PyEPNetworkShareModelFused",
    "RankEngine",
    "check_covered",
]
