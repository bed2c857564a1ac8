"""Backend ``message-passing``: one OS process a Process, exchanging events over Lava's channels."""

import lava_ep.processes  # noqa: F401  (first, and with it whatever Lava must find)
from lava_ep.models.message_passing.network import SubEPNetworkModel
from lava_ep.models.message_passing.neuron import (
    NeuronModel,
    PyBinaryNeuronModelFloat,
    PyGradedNeuronModelFloat,
    PyLIFNeuronModelFloat,
    PySigmaDeltaNeuronModelFloat,
)
from lava_ep.models.message_passing.readout import PyReadoutModel, PyTargetModel
from lava_ep.models.message_passing.resistive import (
    PyConductanceSynapseModelFloat,
    PyResistiveNeuronModelFloat,
)
from lava_ep.models.message_passing.source import (
    PyEventSourceModel,
    PyImageInjectorModel,
    PyImageSourceModel,
)
from lava_ep.models.message_passing.synapse import (
    PyBinarySynapseModelFloat,
    PyConvSynapseModelFloat,
    PyRealSynapseModelFloat,
)

__all__ = [
    "NeuronModel",
    "PyBinaryNeuronModelFloat",
    "PyBinarySynapseModelFloat",
    "PyConductanceSynapseModelFloat",
    "PyConvSynapseModelFloat",
    "PyEventSourceModel",
    "PyGradedNeuronModelFloat",
    "PyImageInjectorModel",
    "PyImageSourceModel",
    "PyLIFNeuronModelFloat",
    "PyReadoutModel",
    "PyRealSynapseModelFloat",
    "PyResistiveNeuronModelFloat",
    "PySigmaDeltaNeuronModelFloat",
    "PyTargetModel",
    "SubEPNetworkModel",
]
