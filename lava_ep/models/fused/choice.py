"""Which engine runs a network."""

from __future__ import annotations

from lava_ep.models.fused.driver import Driver
from lava_ep.models.fused.engines import graded, spiking
from lava_ep.models.fused.engines.bits import BitEngine
from lava_ep.models.fused.engines.graded import GradedEngine
from lava_ep.models.fused.engines.populations import PopulationEngine
from lava_ep.models.fused.engines.resistive import ResistiveEngine
from lava_ep.models.fused.engines.spiking import LIFEngine, SigmaDeltaEngine
from lava_ep.spec import LIFNeuronSpec, NetworkSpec


def engine_for(spec: NetworkSpec) -> type[Driver]:
    """Return the fastest engine that can run a network."""
    if spec.resistive:
        return ResistiveEngine
    if spec.noise.sigma:
        return PopulationEngine
    if spec.bits_suffice:
        return BitEngine
    if graded.suits(spec):
        return GradedEngine
    if spiking.suits(spec):
        return LIFEngine if isinstance(spec.neuron, LIFNeuronSpec) else SigmaDeltaEngine
    return PopulationEngine
