"""Which engine runs a network."""

from __future__ import annotations

from lava_ep.models.fused import dense_engine, spiking_engine
from lava_ep.models.fused.dense_engine import DenseEngine
from lava_ep.models.fused.engine import Engine
from lava_ep.models.fused.layered_engine import LayeredEngine
from lava_ep.models.fused.parts_engine import PartsEngine
from lava_ep.models.fused.resistive_engine import ResistiveEngine
from lava_ep.models.fused.spiking_engine import LIFEngine, SigmaDeltaEngine
from lava_ep.spec import LIFNeuronSpec, NetworkSpec


def engine_for(spec: NetworkSpec) -> type[Engine] | type[LayeredEngine] | type[PartsEngine]:
    """Return the fastest engine that can run a network."""
    if spec.resistive:
        return ResistiveEngine
    if spec.noise.sigma:
        return PartsEngine
    if spec.bits_suffice:
        return Engine
    if dense_engine.suits(spec):
        return DenseEngine
    if spiking_engine.suits(spec):
        return LIFEngine if isinstance(spec.neuron, LIFNeuronSpec) else SigmaDeltaEngine
    return PartsEngine
