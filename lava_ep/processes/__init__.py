"""What there is: the Lava Processes of equilibrium propagation, without any arithmetic."""

from lava_ep import _lava

_lava.require()

from lava_ep.processes.network import EPNetwork  # noqa: E402
from lava_ep.processes.neuron import (  # noqa: E402
    BinaryNeuron,
    GradedNeuron,
    LIFNeuron,
    Neuron,
    SigmaDeltaNeuron,
)
from lava_ep.processes.readout import Readout, Target  # noqa: E402
from lava_ep.processes.resistive import ConductanceSynapse, ResistiveNeuron  # noqa: E402
from lava_ep.processes.share import EPNetworkShare  # noqa: E402
from lava_ep.processes.source import EventSource, ImageInjector, ImageSource  # noqa: E402
from lava_ep.processes.synapse import (  # noqa: E402
    BinarySynapse,
    ConvSynapse,
    RealSynapse,
    Synapse,
    WeightedSynapse,
)

# Lava must find the ProcessModels of all Processes; at the end, as they import this package.
_lava.import_models()

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
    "Neuron",
    "Readout",
    "RealSynapse",
    "ResistiveNeuron",
    "SigmaDeltaNeuron",
    "Synapse",
    "Target",
    "WeightedSynapse",
]
