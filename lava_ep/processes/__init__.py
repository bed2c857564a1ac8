"""What there is: the Lava Processes of all families of networks, without any arithmetic."""

from lava_ep.processes.bmlp import Binarizer, BMLPLayer, BMLPNetwork, Labels
from lava_ep.processes.network import EPNetwork
from lava_ep.processes.neuron import BinaryNeuron, GradedNeuron
from lava_ep.processes.readout import Readout, Target
from lava_ep.processes.source import EventSource, ImageInjector, ImageSource
from lava_ep.processes.spiking import LIFNeuron, SigmaDeltaNeuron
from lava_ep.processes.synapse import BinarySynapse, ConvSynapse, RealSynapse

__all__ = [
    "BMLPLayer",
    "BMLPNetwork",
    "Binarizer",
    "BinaryNeuron",
    "BinarySynapse",
    "ConvSynapse",
    "EPNetwork",
    "EventSource",
    "GradedNeuron",
    "ImageInjector",
    "ImageSource",
    "LIFNeuron",
    "Labels",
    "Readout",
    "RealSynapse",
    "SigmaDeltaNeuron",
    "Target",
]
