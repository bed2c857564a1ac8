"""What neurons and synapses do in a time step, without ports, so that every backend can use it."""

from lava_ep.models.parts.bits import BitSynapsePart
from lava_ep.models.parts.clock import Clock
from lava_ep.models.parts.neuron import BinaryPart, GradedPart, NeuronPart
from lava_ep.models.parts.synapse import SynapsePart, normalized
from lava_ep.models.parts.weights import Contrast, Weights, read_only

__all__ = [
    "BinaryPart",
    "BitSynapsePart",
    "Clock",
    "Contrast",
    "GradedPart",
    "NeuronPart",
    "SynapsePart",
    "Weights",
    "normalized",
    "read_only",
]
