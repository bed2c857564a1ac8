"""What a layer does in one time step, without ports, so that every backend can use it."""

from lava_ep.populations.bits import BitSynapsePopulation
from lava_ep.populations.clock import Clock
from lava_ep.populations.measurement import measured
from lava_ep.populations.neuron import (
    BinaryPopulation,
    GradedPopulation,
    LIFPopulation,
    NeuronPopulation,
    SigmaDeltaPopulation,
)
from lava_ep.populations.receiver import (
    Receiver,
    SpikeReceiver,
    StepReceiver,
    levels_of,
    normalized,
    receiver,
)
from lava_ep.populations.resistive import (
    ConductancePopulation,
    Conductances,
    MirroredReceiver,
    ResistivePopulation,
)
from lava_ep.populations.synapse import SynapsePopulation
from lava_ep.populations.weights import Contrast, Weights, read_only

__all__ = [
    "BinaryPopulation",
    "BitSynapsePopulation",
    "Clock",
    "ConductancePopulation",
    "Conductances",
    "Contrast",
    "GradedPopulation",
    "LIFPopulation",
    "MirroredReceiver",
    "NeuronPopulation",
    "Receiver",
    "ResistivePopulation",
    "SigmaDeltaPopulation",
    "SpikeReceiver",
    "StepReceiver",
    "SynapsePopulation",
    "Weights",
    "levels_of",
    "measured",
    "normalized",
    "read_only",
    "receiver",
]
