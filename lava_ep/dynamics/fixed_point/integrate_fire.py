"""Leaky integrate-and-fire neurons in integers, bit for bit those of Lava's bit-accurate model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics.fixed_point.arithmetic import Factor, decayed
from lava_ep.dynamics.fixed_point.neuron import NO_NUDGE, aligned, pull
from lava_ep.dynamics.integrate_fire import Reset
from lava_ep.loihi2.formats import DECAY, STATE, THRESHOLD_SHIFT

Array = NDArray[Any]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]


@dataclass(frozen=True)
class IntegerLIF:
    r"""Constants of integer LIF neurons, see `lif_step`.

    Parameters
    ----------
    du, dv
        Decays of current and voltage, of 12 bits. As on Loihi the decay of the current is
        :math:`du + 1` parts in 4096.
    threshold
        :math:`\theta` of 17 bits.
    reset
        What becomes of the voltage at a spike.
    refractory
        Time steps after a spike in which the voltage stays as it is.
    lowest
        The voltage goes no lower; by default that is -8388607, as in Lava.
    """

    du: int
    dv: int
    threshold: int
    reset: Reset = Reset.ZERO
    refractory: int = 0
    lowest: int = -STATE.highest


def decay_current(current: Int32, accumulated: Array, du: int) -> None:
    r"""Let synaptic currents decay and add what comes in, in place.

    .. math::
        u \leftarrow \mathrm{wrap}_{24}(\lfloor u\,(2^{12} - du - 1)\,2^{-12} \rfloor
            + 2^6\,\mathrm{wrap}_{16}(I))

    rounding towards zero. The word that means :math:`-2^{23}` in two's complement is
    :math:`+2^{23}`, as in Lava's model.
    """
    found = decayed(current, du + 1) + aligned(accumulated)
    current[...] = STATE.wrapped(found - 1) + 1


def lif_step(
    voltage: Int32,
    current: Int32,
    trace: Int32,
    waiting: Int32,
    accumulated: Array,
    bias: Int32,
    spikes: Int8,
    *,
    neuron: IntegerLIF,
    trace_rate: int = 0,
    one: int = 1,
    target: Int8 | None = None,
    nudge: Factor = NO_NUDGE,
) -> int:
    r"""Advance a layer of leaky integrate-and-fire neurons by one time step, in place.

    The integer form of `lava_ep.dynamics.lif_step`: u as `decay_current` has it, then

    .. math::
        v &\leftarrow \mathrm{sat}_{24}(\lfloor v\,(2^{12} - dv)\,2^{-12} \rfloor + u
            + \mathrm{bias} + \lfloor \beta\,(y\,S - r) \rfloor) \\
        e &= [v > 2^6\,\theta], \quad v \leftarrow v - 2^6\,\theta\,e \ \text{or}\ (1 - e)\,v \\
        r &\leftarrow \lfloor r\,(2^{12} - \kappa)\,2^{-12} \rfloor
            + \lfloor S\,\kappa\,2^{-12} \rfloor\,e

    with roundings towards zero. Without nudge, refractory time and lower limit, and with reset to
    zero, these are the equations of ``PyLifModelBitAcc`` of lava-nc 0.10.

    Parameters
    ----------
    voltage, current, trace
        :math:`v`, :math:`u` and :math:`r`, (batch, n) of 24 bits; updated.
    waiting
        Time steps left of the refractory time, (batch, n); updated.
    accumulated
        Accumulated input :math:`I`, (batch, n).
    bias
        (n,), in units of states.
    spikes
        Receives :math:`e`, (batch, n), 0 or 1.
    neuron
        The constants.
    trace_rate
        :math:`\kappa`, 0 to 4096.
    one
        :math:`S`, what means 1.0.
    target, nudge
        See `binary_step`.

    Returns
    -------
    int
        Number of spikes.

    Raises
    ------
    InputError
        If there is a nudge, but no target of the traces' shape.
    """
    decay_current(current, accumulated, neuron.du)
    updated = decayed(voltage, neuron.dv) + current + bias + pull(trace, one, target, nudge)
    free = waiting == 0
    np.copyto(
        voltage, np.clip(updated, neuron.lowest, STATE.highest), where=free, casting="same_kind"
    )
    threshold = neuron.threshold << THRESHOLD_SHIFT
    fired = (voltage > threshold) & free
    if neuron.reset is Reset.ZERO:
        voltage[fired] = 0
    else:
        voltage -= threshold * fired
    np.maximum(waiting - 1, 0, out=waiting)
    waiting[fired] = neuron.refractory
    spikes[...] = fired
    impulse = (one * trace_rate) >> DECAY.bits
    trace[...] = decayed(trace, trace_rate) + impulse * fired
    return int(np.count_nonzero(fired))
