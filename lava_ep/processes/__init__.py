"""What there is: the Lava Processes of equilibrium propagation, without any arithmetic."""

from lava_ep.processes.network import EPNetwork
from lava_ep.processes.neuron import BinaryNeuron, GradedNeuron
from lava_ep.processes.readout import Readout, Target
from lava_ep.processes.resistive import ConductanceSynapse, ResistiveNeuron
from lava_ep.processes.share import EPNetworkShare
from lava_ep.processes.source import EventSource, ImageInjector, ImageSource
from lava_ep.processes.spiking import LIFNeuron, SigmaDeltaNeuron
from lava_ep.processes.synapse import BinarySynapse, ConvSynapse, RealSynapse

__all__ = [
    "BinaryNeuron",
    "BinarySynapse",
    "ConductanceSynapse",
    "ConvSynapse",
    "EPNetwork",
    "EPNetworkShare",
    "EventSource",
    "GradedNeuron",
    "ImageInjector",
    "ImageSource",
    "LIFNeuron",
    "Readout",
    "RealSynapse",
    "ResistiveNeuron",
    "SigmaDeltaNeuron",
    "Target",
]
