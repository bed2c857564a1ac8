"""Binary and sigma-delta neurons in integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics.fixed_point.arithmetic import Factor, decayed, share
from lava_ep.dynamics.readout import checked_target
from lava_ep.loihi2.formats import ACTIVATION, ACTIVATION_SHIFT, STATE, THRESHOLD_SHIFT

Array = NDArray[Any]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

NO_NUDGE = Factor(0, 0)


def aligned(current: Array) -> Array:
    """Return what neurons make of the input that they accumulate: of 16 bits, in units of states.

    More than 16 bits wrap.
    """
    return ACTIVATION.wrapped(current) << ACTIVATION_SHIFT


def pull(values: Array, one: int, target: Int8 | None, nudge: Factor) -> Array | int:
    r"""Return the nudge :math:`\beta (y - x)`, 0 where nobody is nudged.

    Parameters
    ----------
    values
        :math:`x`, (batch, n).
    one
        What means 1.0 in them.
    target
        :math:`y`, (batch, n), 0 or 1; needed where ``nudge`` is not 0.
    nudge
        :math:`\beta`.

    Raises
    ------
    InputError
        If there is a nudge, but no target of this shape.
    """
    found = checked_target(target, nudge.mantissa, values.shape)
    return nudge.times(found * np.int32(one) - values) if nudge.mantissa else 0


def _filter(
    state: Int32,
    current: Array,
    bias: Int32,
    *,
    filter_rate: int,
    one: int,
    target: Int8 | None,
    nudge: Factor,
) -> None:
    """Filter the states of a layer, in place; see `binary_step`."""
    drive = STATE.saturated(aligned(current) + bias + pull(state, one, target, nudge))
    np.clip(decayed(state, filter_rate) + share(drive, filter_rate), 0, one, out=state)


def binary_step(
    state: Int32,
    activation: Int8,
    current: Array,
    bias: Int32,
    events: Int8,
    *,
    filter_rate: int,
    threshold: int,
    one: int,
    target: Int8 | None = None,
    nudge: Factor = NO_NUDGE,
) -> int:
    r"""Advance a layer of binary neurons by one time step, in place.

    The integer form of `lava_ep.dynamics.binary_step`:

    .. math::
        D &= \mathrm{sat}_{24}(2^6\,\mathrm{wrap}_{16}(I) + \mathrm{bias}
            + \lfloor \beta\,(y\,S - s) \rfloor) \\
        s &\leftarrow \mathrm{clip}(\lfloor s\,(2^{12} - \gamma)\,2^{-12} \rfloor
            + \lfloor D\,\gamma\,2^{-12} \rfloor, 0, S) \\
        b' &= [s \ge 2^6\,\theta], \quad e = b' - b, \quad b \leftarrow b'

    with :math:`S` for 1.0, and roundings towards zero.

    Parameters
    ----------
    state
        :math:`s`, (batch, n) of 24 bits; updated.
    activation
        :math:`b`, (batch, n), 0 or 1; updated.
    current
        Accumulated input :math:`I`, (batch, n).
    bias
        (n,), in units of states.
    events
        Receives :math:`e`, (batch, n), -1, 0 or +1.
    filter_rate
        :math:`\gamma`, 1 to 4096.
    threshold
        :math:`\theta` of 17 bits.
    one
        :math:`S`.
    target
        :math:`y`, (batch, n), 0 or 1; needed where ``nudge`` is not 0.
    nudge
        :math:`\beta`.

    Returns
    -------
    int
        Number of events.

    Raises
    ------
    InputError
        If there is a nudge, but no target of the states' shape.
    """
    options = {"filter_rate": filter_rate, "one": one}
    _filter(state, current, bias, target=target, nudge=nudge, **options)
    active = state >= (threshold << THRESHOLD_SHIFT)
    np.subtract(active, activation, out=events, dtype=np.int8)
    activation[...] = active
    return int(np.count_nonzero(events))


def sigma_delta_step(
    state: Int32,
    level: Array,
    current: Array,
    bias: Int32,
    spikes: Int8,
    *,
    filter_rate: int,
    step: int,
    levels: int,
    multiple: Int32,
    target: Int8 | None = None,
    nudge: Factor = NO_NUDGE,
) -> int:
    r"""Advance a layer of sigma-delta neurons by one time step, in place.

    The integer form of `lava_ep.dynamics.sigma_delta_step`: s as in `binary_step` with
    :math:`S = L h`, and

    .. math::
        \theta = 2^6 \lfloor m h\,2^{-7} \rfloor, \quad
        e = [s - k h > \theta] - [s - k h < -\theta], \quad k \leftarrow k + m\,e

    Parameters
    ----------
    state
        :math:`s`, (batch, n) of 24 bits; updated.
    level
        :math:`k`, (batch, n), 0 to :math:`L` but for the last step; updated.
    current, bias, filter_rate, target, nudge
        See `binary_step`.
    spikes
        Receives :math:`e`, (batch, n), -1, 0 or +1.
    step
        :math:`h`, the smallest step in units of states.
    levels
        :math:`L`, the number of smallest steps from 0 to 1.0.
    multiple
        :math:`m`, the steps of this moment in smallest ones, (batch, n).

    Returns
    -------
    int
        Number of spikes.

    Raises
    ------
    InputError
        If there is a nudge, but no target of the states' shape.
    """
    options = {"filter_rate": filter_rate, "one": step * levels}
    _filter(state, current, bias, target=target, nudge=nudge, **options)
    error = state - level * np.int32(step)
    threshold = (multiple * np.int32(step) >> (THRESHOLD_SHIFT + 1)) << THRESHOLD_SHIFT
    np.subtract(error > threshold, error < -threshold, out=spikes, dtype=np.int8)
    level += (multiple * spikes).astype(level.dtype)
    return int(np.count_nonzero(spikes))
