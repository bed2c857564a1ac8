"""How the numbers of a network are represented by integers, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from lava_ep.dynamics.fixed_point import Factor


class Rounding(IntEnum):
    """What random bits are for; the number after the layer's in the address of their stream."""

    WEIGHTS = 0
    BIASES = 1
    PRE_TRACES = 2
    POST_TRACES = 3


@dataclass(frozen=True)
class NeuronFormat:
    """Integers of a layer of neurons.

    Parameters
    ----------
    index
        Number of the layer, from 0; it selects the random bits.
    one
        State that means 1.0.
    bias_exponent
        Biases are mantissas times two to the power of it.
    """

    index: int
    one: int
    bias_exponent: int = 7


@dataclass(frozen=True)
class Direction:
    """What becomes of the sums of a synapse population on their way to one of its ends.

    They are multiplied by the factor times two to the power of the exponent; see
    `lava_ep.dynamics.fixed_point.accumulated`.

    Parameters
    ----------
    factor
        Magnitude of binary weights; 1 of others.
    exponent
        Shared by all weights.
    """

    factor: int
    exponent: int


@dataclass(frozen=True)
class TraceFormat:
    """How traces follow spikes; see `lava_ep.dynamics.fixed_point.follow_spikes`.

    Parameters
    ----------
    impulse
        What a spike adds.
    decay
        Share that a trace loses in a time step.
    """

    impulse: int
    decay: Factor


@dataclass(frozen=True)
class SynapseFormat:
    """Integers of the synapses that enter a layer.

    Parameters
    ----------
    index
        Number of the layer, from 0; it selects the random bits.
    unit
        Weight that 1 means; of binary weights their magnitude.
    forward, backward
        Currents to the targets and back to the sources; nobody listens to those back to pixels.
    pre_one, post_one
        Traces that mean 1.0.
    pixel_shift
        Bits that pixels lose when they become a trace.
    trace
        Of the spikes of integrate-and-fire neurons, else ``None``.
    """

    index: int
    unit: float
    forward: Direction
    backward: Direction
    pre_one: float
    post_one: float
    pixel_shift: int = 0
    trace: TraceFormat | None = None


@dataclass(frozen=True)
class LayerFormat:
    """A layer of neurons and the synapses that enter it."""

    neurons: NeuronFormat
    synapses: SynapseFormat
