"""Backend ``fused``: one compiled, event-driven, multi-threaded engine for a whole network."""

from lava_ep.models.fused.network import PyEPNetworkModelFused, PyEPNetworkModelFusedStepwise
from lava_ep.models.fused.readout import PyReadoutModelFused
from lava_ep.models.fused.source import (
    PyEventSourceModelFused,
    PyImageInjectorModelFused,
    PyImageSourceModelFused,
)

__all__ = [
    "PyEPNetworkModelFused",
    "PyEPNetworkModelFusedStepwise",
    "PyEventSourceModelFused",
    "PyImageInjectorModelFused",
    "PyImageSourceModelFused",
    "PyReadoutModelFused",
]
