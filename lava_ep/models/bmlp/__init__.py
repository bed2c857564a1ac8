"""Networks that learn from local binary errors, as Processes and in one OS process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_ep._lazy import lazily
from lava_ep.models import published  # noqa: F401

if TYPE_CHECKING:
    from lava_ep.models.bmlp.engine import BMLPEngine
    from lava_ep.models.bmlp.part import BMLPLayerPart

    # The order matters to Lava: asked for SubProcessModels, it wants them first.
    from lava_ep.models.bmlp.message_passing import (  # isort: skip
        PyBinarizerModel,
        PyBMLPLayerModel,
        PyLabelsModel,
        SubBMLPNetworkModel,
    )
    from lava_ep.models.bmlp.fused import PyBMLPNetworkModelFused  # isort: skip
else:
    __getattr__ = lazily(
        __name__,
        {
            "engine": ("BMLPEngine",),
            "part": ("BMLPLayerPart",),
            "message_passing": (
                "PyBinarizerModel",
                "PyBMLPLayerModel",
                "PyLabelsModel",
                "SubBMLPNetworkModel",
            ),
            "fused": ("PyBMLPNetworkModelFused",),
        },
    )

__all__ = [
    "BMLPEngine",
    "BMLPLayerPart",
    "PyBMLPLayerModel",
    "PyBMLPNetworkModelFused",
    "PyBinarizerModel",
    "PyLabelsModel",
    "SubBMLPNetworkModel",
]
