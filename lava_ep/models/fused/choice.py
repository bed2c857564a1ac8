"""Which engine runs a network."""

from __future__ import annotations

from lava_ep import kinds
from lava_ep.models.fused.driver import Driver
from lava_ep.models.fused.engines import graded, resistive, spiking  # noqa: F401  (they register)
from lava_ep.models.fused.engines.bits import BitEngine
from lava_ep.models.fused.engines.populations import PopulationEngine
from lava_ep.spec import NetworkSpec


def engine_for(spec: NetworkSpec) -> type[Driver]:
    """Return the fastest engine that can run a network."""
    if spec.bits_suffice:
        return BitEngine
    kind = spec.neuron.kind
    own = kinds.find(kind, "engine") if kinds.has(kind, "engine") else None
    found: type[Driver] = own if own is not None and own.suits(spec) else PopulationEngine
    return found
