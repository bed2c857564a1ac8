"""Constants of networks of Lava's own ``LIFReset`` neurons, see `lava_ep.models.loihi`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from lava_ep.dynamics.constants import Constants, NeuronConstants, constant
from lava_ep.dynamics.integrate_fire import SpikeTrace


@dataclass(frozen=True)
class StockLayer(Constants):
    """Constants of one layer of ``LIFReset`` and of the synapses into it, in Loihi's integers."""

    du: int = constant(description="decay of the current, in 1/4096", ge=0, le=4095)
    dv: int = constant(description="decay of the membrane potential, in 1/4096", ge=0, le=4095)
    vth: int = constant(description="threshold of the membrane potential", ge=1, le=131_071)
    impulse: int = constant(description="what a spike adds to traces, 127 at most", ge=1, le=127)
    weight_exp: int = constant(0, "weights are integers times 2^weight_exp", ge=-8, le=7)
    feedback_exp: int = constant(
        0,
        "the same of the feedback from this layer to the one below, whose integers start as those "
        "of the weights",
        ge=-8,
        le=7,
    )


@dataclass(frozen=True)
class StockLIF(NeuronConstants):
    """Constants of a network of ``LIFReset`` neurons and plastic synapses, in Loihi's integers."""

    kind: ClassVar[str] = "stock-lif"
    layers: tuple[StockLayer, ...] = constant(description="constants of each layer")
    excitation: int = constant(
        description="current into nudged neurons of the class", ge=1, le=32_767
    )
    inhibition: int = constant(description="current that inhibits all other ones", ge=0, le=32_767)
    trace_tau: int = constant(6, "time constant of the traces of spikes", ge=1, le=127)
    pixel_tau: int = constant(4, "the same of the traces of pixels", ge=1, le=127)
    learning_epoch: Literal[1, 2, 4, 8, 16, 32] = constant(
        1, "time steps after which synapses look at spikes and clock"
    )
    payload: int = constant(240, "graded spike of the brightest pixel", ge=2, le=254)
    feedback: Literal["learned", "fixed", "none"] = constant(
        "learned", "whether feedback weights learn, by the mirrored rule, or exist"
    )

    @property
    def reading(self) -> SpikeTrace:
        """Rates are traces that decay by their time constant."""
        return SpikeTrace(1 - math.exp(-1 / self.trace_tau))

    @property
    def payload_bits(self) -> int:
        """Spikes say only that they happened."""
        return 0

    @property
    def state_words(self) -> tuple[int, int]:
        """Current, voltage, bias, steps to the next reset; tags keep what learns."""
        return 4, 0
