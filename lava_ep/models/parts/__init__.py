"""What neurons and synapses do in a time step, without ports, so that every backend can use it."""

from lava_ep.models.parts.bits import BitSynapsePart
from lava_ep.models.parts.clock import Clock
from lava_ep.models.parts.measurement import measured
from lava_ep.models.parts.neuron import (
    BinaryPart,
    GradedPart,
    LIFPart,
    NeuronPart,
    SigmaDeltaPart,
)
from lava_ep.models.parts.receiver import (
    Receiver,
    SpikeReceiver,
    StepReceiver,
    levels_of,
    normalized,
    receiver,
)
from lava_ep.models.parts.resistive import (
    ConductancePart,
    Conductances,
    MirroredReceiver,
    ResistivePart,
)
from lava_ep.models.parts.synapse import SynapsePart
from lava_ep.models.parts.weights import Contrast, Weights, read_only

__all__ = [
    "BinaryPart",
    "BitSynapsePart",
    "Clock",
    "ConductancePart",
    "Conductances",
    "Contrast",
    "GradedPart",
    "LIFPart",
    "MirroredReceiver",
    "NeuronPart",
    "Receiver",
    "ResistivePart",
    "SigmaDeltaPart",
    "SpikeReceiver",
    "StepReceiver",
    "SynapsePart",
    "Weights",
    "levels_of",
    "measured",
    "normalized",
    "read_only",
    "receiver",
]
