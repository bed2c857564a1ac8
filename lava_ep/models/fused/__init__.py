"""Backend ``fused``: one compiled, event-driven, multi-threaded engine for a whole network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_ep._lazy import lazily
from lava_ep.models import published  # noqa: F401

if TYPE_CHECKING:
    from lava_ep.models.fused.network import PyEPNetworkModelFused, PyEPNetworkModelFusedStepwise
    from lava_ep.models.fused.readout import PyReadoutModelFused
    from lava_ep.models.fused.source import (
        PyEventSourceModelFused,
        PyImageInjectorModelFused,
        PyImageSourceModelFused,
    )
else:
    __getattr__ = lazily(
        __name__,
        {
            "network": ("PyEPNetworkModelFused", "PyEPNetworkModelFusedStepwise"),
            "readout": ("PyReadoutModelFused",),
            "source": (
                "PyEventSourceModelFused",
                "PyImageInjectorModelFused",
                "PyImageSourceModelFused",
            ),
        },
    )

__all__ = [
    "PyEPNetworkModelFused",
    "PyEPNetworkModelFusedStepwise",
    "PyEventSourceModelFused",
    "PyImageInjectorModelFused",
    "PyImageSourceModelFused",
    "PyReadoutModelFused",
]
