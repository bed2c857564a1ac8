"""Networks that learn from local binary errors, as Processes and in one OS process."""

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

__all__ = [
    "BMLPEngine",
    "BMLPLayerPart",
    "PyBMLPLayerModel",
    "PyBMLPNetworkModelFused",
    "PyBinarizerModel",
    "PyLabelsModel",
    "SubBMLPNetworkModel",
]
