"""What there is: the Lava Processes of equilibrium propagation, without any arithmetic."""

from lava_ep.processes.network import EPNetwork
from lava_ep.processes.neuron import BinaryNeuron
from lava_ep.processes.readout import Readout, Target
from lava_ep.processes.source import ImageInjector, ImageSource
from lava_ep.processes.synapse import BinarySynapse

__all__ = [
    "BinaryNeuron",
    "BinarySynapse",
    "EPNetwork",
    "ImageInjector",
    "ImageSource",
    "Readout",
    "Target",
]
