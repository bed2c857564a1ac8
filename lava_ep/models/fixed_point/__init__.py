"""Backends ``fixed_point`` and ``fixed_point-message-passing``: integers of Loihi 2's widths."""

from lava_ep.models.fixed_point.convert import (
    Clipped,
    Conversion,
    Entry,
    InputRange,
    check_covered,
    convert,
)
from lava_ep.models.fixed_point.format import (
    Direction,
    LayerFormat,
    NeuronFormat,
    SynapseFormat,
    TraceFormat,
)
from lava_ep.models.fixed_point.message_passing import (
    PyBinaryNeuronModelFixed,
    PyBinarySynapseModelFixed,
    PyConvSynapseModelFixed,
    PyLIFNeuronModelFixed,
    PyRealSynapseModelFixed,
    PySigmaDeltaNeuronModelFixed,
    SubEPNetworkModelFixed,
)
from lava_ep.models.fixed_point.network import PyEPNetworkModelFixed, PyEPNetworkModelFixedStepwise

__all__ = [
    "Clipped",
    "Conversion",
    "Direction",
    "Entry",
    "InputRange",
    "LayerFormat",
    "NeuronFormat",
    "PyBinaryNeuronModelFixed",
    "PyBinarySynapseModelFixed",
    "PyConvSynapseModelFixed",
    "PyEPNetworkModelFixed",
    "PyEPNetworkModelFixedStepwise",
    "PyLIFNeuronModelFixed",
    "PyRealSynapseModelFixed",
    "PySigmaDeltaNeuronModelFixed",
    "SubEPNetworkModelFixed",
    "SynapseFormat",
    "TraceFormat",
    "check_covered",
    "convert",
]
