"""Synapses in integers: what their memory holds, the input they make, and their traces."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics.fixed_point.arithmetic import Factor, shifted
from lava_ep.loihi2.formats import ACTIVATION, TRACE, WEIGHT_BITS

Array = NDArray[Any]


class SignMode(str, Enum):
    """Signs that the weights of a synapse population have."""

    MIXED = "mixed"
    """Both: one of the bits is the sign."""
    EXCITATORY = "excitatory"
    """None below 0."""
    INHIBITORY = "inhibitory"
    """None above 0."""


def weight_step(mode: SignMode = SignMode.MIXED, bits: int = WEIGHT_BITS) -> int:
    """Return the distance of the weights that the memory can hold."""
    return 1 << (WEIGHT_BITS - bits + (mode is SignMode.MIXED))


def weight_limits(mode: SignMode = SignMode.MIXED, bits: int = WEIGHT_BITS) -> tuple[int, int]:
    """Return the smallest and the largest weight that the memory can hold."""
    most = (1 << WEIGHT_BITS) - weight_step(mode, bits)
    if mode is SignMode.MIXED:
        return -(1 << WEIGHT_BITS), most
    return (0, most) if mode is SignMode.EXCITATORY else (-most, 0)


def stored_weights(
    weights: Array, mode: SignMode = SignMode.MIXED, bits: int = WEIGHT_BITS
) -> Array:
    """Return what becomes of integer weights in the memory.

    They are clipped to 8 bits and a sign, and lose their lowest bits: of both signs, 8 bits hold
    the even numbers from -256 to 254. Magnitudes of inhibitory weights are truncated, numbers of
    mixed ones rounded down. (As ``clip_weights`` and ``truncate_weights`` of lava-nc 0.10.)

    Parameters
    ----------
    weights
        Integers.
    mode
        Signs that there are.
    bits
        Bits that the memory has for a weight, 1 to 8.
    """
    step, inhibitory = weight_step(mode, bits), mode is SignMode.INHIBITORY
    magnitudes = -weights if inhibitory else weights
    lowest = -(1 << WEIGHT_BITS) if mode is SignMode.MIXED else 0
    kept = np.clip(magnitudes, lowest, (1 << WEIGHT_BITS) - 1) & -step
    return -kept if inhibitory else kept


def accumulated(sums: Array, factor: int, exponent: int) -> NDArray[np.int32]:
    r"""Return the input that synapses make: :math:`\mathrm{wrap}_{16}(2^x f \sum w a)`.

    Parameters
    ----------
    sums
        :math:`\sum w a` with whole numbers, of any type.
    factor
        :math:`f`: the magnitude of binary weights; 1 where the sums have whole weights.
    exponent
        :math:`x`; negative ones round down, after the sum, as Lava's ``Dense`` does.
    """
    found = shifted(sums.astype(np.int64) * factor, exponent)
    return ACTIVATION.wrapped(found).astype(np.int32)


def follow_spikes(
    trace: Array, spikes: Array, *, impulse: int, decay: Factor, rng: np.random.Generator
) -> None:
    r"""Let traces of 7 bits decay and follow spikes, in place.

    .. math:: x \leftarrow \min(x - \{\kappa x\} + i\,e, 127)

    where the braces round at random. (Davies et al. 2018: traces decay exponentially, with
    stochastic rounding.)

    Parameters
    ----------
    trace
        :math:`x`, whole numbers of any type; updated.
    spikes
        :math:`e`, 0 or 1.
    impulse
        :math:`i`.
    decay
        :math:`\kappa`.
    rng
        Source of random bits.
    """
    trace -= decay.times_at_random(trace, rng).astype(trace.dtype)
    trace += spikes * trace.dtype.type(impulse)
    np.minimum(trace, TRACE.highest, out=trace)
