"""Binary synapses: integer sums of events, and their conversion to synaptic currents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._integrate import SAMPLES, integrate_signs, integrate_values, make_room
from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.events import (
    SIGN_BITS,
    VALUE_BITS,
    check_values,
    count_events,
    event_lists,
)
from lava_ep.dynamics.signs import SignMatrix
from lava_ep.errors import InputError

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]


def integrate_events(
    events: Int8 | Int32, signs: SignMatrix, total: Int32, *, backward: bool = False
) -> int:
    r"""Add the events of one time step to the running integer sums of their targets, in place.

    .. math:: S_{rm} \leftarrow S_{rm} + \sum_n e_{rn}\, w_{nm}

    Parameters
    ----------
    events
        Changes of the sources, (batch, n): int8 from neurons, int32 from pixels.
    signs
        Signs of the weights.
    total
        Sums :math:`S` of the m targets, (batch, m); updated.
    backward
        Whether the events come from the post-synaptic side.

    Returns
    -------
    int
        Number of events.

    Raises
    ------
    InputError
        If int8 events are other than -1, 0 and +1, or int32 events too large for sums of 32 bits.
    """
    count = count_events(events)
    if count == 0:
        return 0
    of_neurons = events.dtype == np.int8
    if of_neurons and (wrong := events[(events < -1) | (events > 1)]).size:
        raise InputError(
            f"received the event {wrong[0]} as int8: expected -1, 0 or +1 from neurons; send "
            "values of pixels as int32"
        )
    if not of_neurons:
        check_values(events)
    integrate: Callable[..., None] = integrate_signs if of_neurons else integrate_values
    integrate(
        events,
        (signs.backward if backward else signs.forward).reshape(-1),
        *event_lists(SAMPLES, events.shape[1], SIGN_BITS if of_neurons else VALUE_BITS),
        total,
        make_room(SAMPLES),
    )
    return count


@kernel("void(i4[::1], f4, f4[::1])")
def current_row(total: Int32, gain: np.float32, current: Float32) -> None:
    """Convert the sums of one sample to currents; see `current`."""
    for m in range(total.size):
        current[m] = gain * np.float32(total[m])


@kernel("void(i4[::1], f4, i4[::1], f4, f4[::1])")
def current_sum_row(
    below: Int32, gain_below: np.float32, above: Int32, gain_above: np.float32, current: Float32
) -> None:
    """Convert the sums from both sides of one sample to their currents' sum; see `current`."""
    for m in range(current.size):
        current[m] = gain_below * np.float32(below[m]) + gain_above * np.float32(above[m])


@kernel("void(i4[:,::1], f4, f4[:,::1])")
def _current_batch(total: Int32, gain: np.float32, current: Float32) -> None:
    for row in range(total.shape[0]):
        current_row(total[row], gain, current[row])


def current_gain(alpha: float, levels: int) -> np.float32:
    """Return the factor between integer sums and currents; see `current`."""
    return np.float32(alpha / levels)


def current(total: Int32, alpha: float, levels: int, out: Float32 | None = None) -> Float32:
    r"""Convert integer sums to synaptic currents.

    .. math:: I = \mathrm{float32}(\alpha / L) \cdot S

    Parameters
    ----------
    total
        Integer sums :math:`S` of `integrate_events`, (batch, m).
    alpha
        Scaling factor :math:`\alpha` of the binary weights :math:`\pm\alpha`.
    levels
        Source value :math:`L` that means 1.0: 1 for binary neurons, e.g. 255 for pixels.
    out
        Array for the result, (batch, m).

    Returns
    -------
    ndarray
        Currents :math:`I`, (batch, m).
    """
    if out is None:
        out = np.empty(total.shape, np.float32)
    _current_batch(total, current_gain(alpha, levels), out)
    return out


def initial_weights(shape: tuple[int, ...], rng: np.random.Generator) -> Int8:
    """Draw the signs of weights, -1 or +1 with equal probability."""
    return rng.integers(0, 2, size=shape, dtype=np.int8) * np.int8(2) - np.int8(1)


def scaling_factor(fan_in: int, scale: float) -> float:
    r"""Return the initial scaling factor :math:`\alpha = c / \sqrt{\mathrm{fan\,in}}`.

    ``scale`` :math:`c = 0.5` is the mean absolute value of the uniform initialization
    :math:`U(-1/\sqrt{n}, 1/\sqrt{n})` that Laydevant et al. (2021) start from.
    """
    if fan_in < 1:
        raise InputError(f"fan_in={fan_in}: expected at least 1 source")
    return float(scale / np.sqrt(fan_in))
