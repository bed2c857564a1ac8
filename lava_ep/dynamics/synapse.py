r"""Binary synapses: integer sums of events, and their conversion to synaptic currents.

A source value :math:`v` adds :math:`v\,w = v\,(2b - 1)` to the sum of a target, where :math:`b` is
the bit that stands for the sign :math:`w`. So the sum over all events is twice a count of bits,
minus the sum of the values. Counting needs no arithmetic on single synapses: 256 counters at a time
lie across words, bit p of each in word p, and a full adder made of five bitwise operations adds
three rows of bits at once (Harley and Seal's population count). A value is the sum of its bits, a
negative one counts the bits that are not set. All of it is exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import VECTOR_BITS, VECTOR_WORDS, add_where, load, spread, store
from lava_ep.dynamics.events import (
    GROUP,
    SIGN_BITS,
    VALUE_BITS,
    count_events,
    event_lists,
    list_events,
    list_signs,
)
from lava_ep.dynamics.signs import SignMatrix, Words
from lava_ep.errors import InputError

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@kernel("int64(u8[::1], int64, i4[::1], int64, uint64, u8[::1], int64, int64)")
def _count_rows(
    packed: Words,
    stride: int,
    rows: Int32,
    count: int,
    flip: np.uint64,
    planes: Words,
    weight: int,
    reached: int,
) -> int:
    """Add 2**weight times the bits of some rows to 256 counters.

    ``planes`` holds bit p of the counters in its vector p. ``reached`` bounds the counters, in
    units of 2**weight, from above; the new bound is returned. ``flip`` counts the other bits.
    """
    base = VECTOR_WORDS * weight
    one = load(planes, base)
    two = load(planes, base + VECTOR_WORDS)
    four = load(planes, base + 2 * VECTOR_WORDS)
    mask = spread(flip)
    top = 3
    while (1 << top) <= reached:
        top += 1
    for k in range(0, count, GROUP):
        reached += GROUP
        if (1 << top) <= reached:
            top += 1
        # Each full adder takes three values of one weight and gives sum and carry.
        a = load(packed, np.int64(rows[k]) * stride) ^ mask
        b = load(packed, np.int64(rows[k + 1]) * stride) ^ mask
        either = one ^ a
        two_a = (one & a) | (either & b)
        one = either ^ b
        a = load(packed, np.int64(rows[k + 2]) * stride) ^ mask
        b = load(packed, np.int64(rows[k + 3]) * stride) ^ mask
        either = one ^ a
        two_b = (one & a) | (either & b)
        one = either ^ b
        either = two ^ two_a
        four_a = (two & two_a) | (either & two_b)
        two = either ^ two_b
        a = load(packed, np.int64(rows[k + 4]) * stride) ^ mask
        b = load(packed, np.int64(rows[k + 5]) * stride) ^ mask
        either = one ^ a
        two_a = (one & a) | (either & b)
        one = either ^ b
        a = load(packed, np.int64(rows[k + 6]) * stride) ^ mask
        b = load(packed, np.int64(rows[k + 7]) * stride) ^ mask
        either = one ^ a
        two_b = (one & a) | (either & b)
        one = either ^ b
        either = two ^ two_a
        four_b = (two & two_a) | (either & two_b)
        two = either ^ two_b
        either = four ^ four_a
        carry = (four & four_a) | (either & four_b)
        four = either ^ four_b
        for plane in range(3, top):
            place = base + VECTOR_WORDS * plane
            old = load(planes, place)
            store(planes, place, old ^ carry)
            carry = old & carry
    store(planes, base, one)
    store(planes, base + VECTOR_WORDS, two)
    store(planes, base + 2 * VECTOR_WORDS, four)
    return reached


PLANES = 40
"""Bits of a counter, those that are never reached included."""


@kernel("void(u8[::1], int64, i4[::1], i4[:,:,::1], i8[:,::1], i4[::1])")
def integrate_row(
    packed: Words, stride: int, sums: Int32, sources: Int32, counts: Int64, total: Int32
) -> None:
    r"""Add the listed events of one sample to the integer sums of their targets, in place.

    .. math:: S_m \leftarrow S_m + \sum_n v_n\, w_{nm}

    Parameters
    ----------
    packed
        Signs with the targets of a source in a row (see `SignMatrix`), flat.
    stride
        Words in a row.
    sums
        (m,): sums of all rows, which is all that is needed where every source has the same
        event, as when a sample is loaded; or empty.
    sources, counts
        See `list_events`.
    total
        Sums :math:`S`, (m,); updated.
    """
    if sums.size and counts.sum() == counts[0].max() == sources.shape[2] - GROUP:
        sign = np.int32(1) if counts[0, 0] else np.int32(-1)
        for m in range(total.size):
            total[m] += sign * sums[m]
        return
    planes = np.empty(VECTOR_WORDS * PLANES, np.uint64)
    sums_here = np.empty(VECTOR_BITS, np.int32)
    columns = -(-total.size // VECTOR_BITS) * VECTOR_WORDS
    for column in range(0, columns, VECTOR_WORDS):
        planes[:] = 0
        largest = np.int64(0)
        offset = np.int64(0)
        for bit in range(counts.shape[0]):
            for sign in range(2):
                count = counts[bit, sign]
                if count == 0:
                    continue
                flip = ~np.uint64(0) if sign else np.uint64(0)
                reached = _count_rows(
                    packed[column:],
                    stride,
                    sources[bit, sign],
                    count,
                    flip,
                    planes,
                    bit,
                    largest >> bit,
                )
                largest = ((reached + 1) << bit) - 1
                # The row that fills up a group has no bit set, so flipped it counts everywhere.
                fillers = -count % GROUP if sign else 0
                offset -= (count + 2 * fillers) << bit
        top = 0
        while (np.int64(1) << top) <= largest:
            top += 1
        sums_here[:] = np.int32(offset)
        for plane in range(top):
            value = np.int32(2 << plane)
            for word in range(VECTOR_WORDS):
                bits = planes[VECTOR_WORDS * plane + word]
                add_where(sums_here, 64 * word, np.uint32(bits), value)
                add_where(sums_here, 64 * word + 32, np.uint32(bits >> np.uint64(32)), value)
        first = 64 * column
        for m in range(first, min(first + VECTOR_BITS, total.size)):
            total[m] += sums_here[m - first]


_BATCH = "u8[::1], int64, i4[::1], i4[:,:,::1], i8[:,::1], i4[:,::1]"


@kernel(f"int64(i1[:,::1], {_BATCH})")
def _integrate_signs(
    values: Int8,
    packed: Words,
    stride: int,
    sums: Int32,
    sources: Int32,
    counts: Int64,
    total: Int32,
) -> int:
    events = 0
    for row in range(values.shape[0]):
        found = list_signs(values[row], sources, counts)
        if found:
            integrate_row(packed, stride, sums, sources, counts, total[row])
        events += found
    return events


@kernel(f"int64(i4[:,::1], {_BATCH})")
def _integrate_values(
    values: Int32,
    packed: Words,
    stride: int,
    sums: Int32,
    sources: Int32,
    counts: Int64,
    total: Int32,
) -> int:
    events = 0
    for row in range(values.shape[0]):
        found = list_events(values[row], sources, counts)
        if found:
            integrate_row(packed, stride, sums, sources, counts, total[row])
        events += found
    return events


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
        If int8 events are other than -1, 0 and +1.
    """
    count = count_events(events)
    if count == 0:
        return 0
    packed = signs.backward if backward else signs.forward
    of_neurons = events.dtype == np.int8
    integrate = _integrate_signs if of_neurons else _integrate_values
    listed = integrate(
        events,
        packed.reshape(-1),
        packed.shape[1],
        signs.sums(backward=backward),
        *event_lists(events.shape[1], SIGN_BITS if of_neurons else VALUE_BITS),
        total,
    )
    if listed != count:
        wrong = events[np.abs(events) > 1].flat[0]
        raise InputError(f"received the event {wrong} as int8: expected -1, 0 or +1 from neurons")
    return count


@kernel("void(i4[::1], f4, f4[::1])")
def current_row(total: Int32, gain: np.float32, current: Float32) -> None:
    """Convert the sums of one sample to currents; see `current`."""
    for m in range(total.size):
        current[m] = gain * np.float32(total[m])


@kernel("void(i4[::1], f4, f4[::1])")
def add_current_row(total: Int32, gain: np.float32, current: Float32) -> None:
    """Add the currents of one sample to those of other synapses; see `current`."""
    for m in range(total.size):
        current[m] += gain * np.float32(total[m])


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


def initial_weights(shape: tuple[int, int], rng: np.random.Generator) -> Int8:
    """Draw the signs of the weights, -1 or +1 with equal probability, (n_post, n_pre)."""
    return rng.integers(0, 2, size=shape, dtype=np.int8) * np.int8(2) - np.int8(1)


def scaling_factor(fan_in: int, scale: float) -> float:
    r"""Return the initial scaling factor :math:`\alpha = c / \sqrt{\mathrm{fan\,in}}`.

    ``scale`` :math:`c = 0.5` is the mean absolute value of the uniform initialization
    :math:`U(-1/\sqrt{n}, 1/\sqrt{n})` that Laydevant et al. (2021) start from.
    """
    if fan_in < 1:
        raise InputError(f"fan_in={fan_in}: expected at least 1 source")
    return float(scale / np.sqrt(fan_in))
