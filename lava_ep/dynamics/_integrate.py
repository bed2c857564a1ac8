r"""Kernels of binary synapses: integer sums of events.

A source value :math:`v` adds :math:`v\,w = v\,(2b - 1)` to the sum of a target, where :math:`b` is
the bit that stands for the sign :math:`w`. So the sum over all events is twice a count of bits,
minus the sum of the values. Counting needs no arithmetic on single synapses: 256 counters at a time
lie across words, bit p of each in word p, and a full adder made of five bitwise operations adds
three rows of bits at once (Harley and Seal's population count). A value is the sum of its bits, a
negative one counts the bits that are not set. All of it is exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import (
    VECTOR_BITS,
    VECTOR_WORDS,
    add_bytes,
    add_widened,
    bytes_where,
    load,
    spread,
    store,
)
from lava_ep.dynamics.events import (
    GROUP,
    list_events,
    list_signs,
)
from lava_ep.dynamics.signs import Words

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@kernel("int64(u8[::1], int64, i4[::1], int64, int64, uint64, u8[::1], int64, int64, int64)")
def _count_rows(
    words: Words,
    strip: int,
    sources: Int32,
    first: int,
    last: int,
    flip: np.uint64,
    planes: Words,
    weight: int,
    reached: int,
    top: int,
) -> int:
    """Add 2**weight times the bits of some rows of a strip to 256 counters.

    Parameters
    ----------
    words, strip
        Signs, flat, and where the strip begins.
    sources, first, last
        The rows: ``sources[first:last]``, a multiple of GROUP.
    flip
        All ones to count the bits that are not set, or 0.
    planes
        Bit p of the counters in vector p; updated.
    weight
        See above.
    reached
        Bound of the counters, in units of 2**weight.
    top
        Number of bits that the counters will ever need.

    Returns
    -------
    int
        The new bound.
    """
    base = VECTOR_WORDS * weight
    one = load(planes, base)
    two = load(planes, base + VECTOR_WORDS)
    four = load(planes, base + 2 * VECTOR_WORDS)
    mask = spread(flip)
    used = 3
    # Unsigned, an index needs no check whether it counts from the end.
    for k in range(np.uint64(first), np.uint64(last), np.uint64(GROUP)):
        reached += GROUP
        while (1 << used) <= reached and weight + used < top:
            used += 1
        # Each full adder takes three values of one weight and gives sum and carry.
        a = load(words, strip + VECTOR_WORDS * np.int64(sources[k])) ^ mask
        b = load(words, strip + VECTOR_WORDS * np.int64(sources[k + np.uint64(1)])) ^ mask
        either = one ^ a
        two_a = (one & a) | (either & b)
        one = either ^ b
        a = load(words, strip + VECTOR_WORDS * np.int64(sources[k + np.uint64(2)])) ^ mask
        b = load(words, strip + VECTOR_WORDS * np.int64(sources[k + np.uint64(3)])) ^ mask
        either = one ^ a
        two_b = (one & a) | (either & b)
        one = either ^ b
        either = two ^ two_a
        four_a = (two & two_a) | (either & two_b)
        two = either ^ two_b
        a = load(words, strip + VECTOR_WORDS * np.int64(sources[k + np.uint64(4)])) ^ mask
        b = load(words, strip + VECTOR_WORDS * np.int64(sources[k + np.uint64(5)])) ^ mask
        either = one ^ a
        two_a = (one & a) | (either & b)
        one = either ^ b
        a = load(words, strip + VECTOR_WORDS * np.int64(sources[k + np.uint64(6)])) ^ mask
        b = load(words, strip + VECTOR_WORDS * np.int64(sources[k + np.uint64(7)])) ^ mask
        either = one ^ a
        two_b = (one & a) | (either & b)
        one = either ^ b
        either = two ^ two_a
        four_b = (two & two_a) | (either & two_b)
        two = either ^ two_b
        either = four ^ four_a
        carry = (four & four_a) | (either & four_b)
        four = either ^ four_b
        for plane in range(3, used):
            place = base + VECTOR_WORDS * plane
            old = load(planes, place)
            store(planes, place, old ^ carry)
            carry = old & carry
    store(planes, base, one)
    store(planes, base + VECTOR_WORDS, two)
    store(planes, base + 2 * VECTOR_WORDS, four)
    return reached


PLANES = 48
"""Bits of a counter: more than sums of 32 bits need."""


FEW = 7
"""Vectors of bits that are added up as bytes, which are signed."""


REPEATED = np.uint64(0x0101010101010101)
"""A byte times this is eight such bytes."""


class Room(NamedTuple):
    """Scratch arrays of `integrate_lists`, made once because making them costs more than a step."""

    planes: Words
    places: Int64
    values: Words
    spare: Int32
    waiting: Int64
    weights: Int64


def make_room(samples: int) -> Room:
    """Return room to integrate the events of so many samples together."""
    return Room(
        planes=np.empty(VECTOR_WORDS * PLANES, np.uint64),
        places=np.empty(FEW, np.int64),
        values=np.empty(FEW, np.uint64),
        spare=np.empty(VECTOR_BITS, np.int32),
        waiting=np.empty(samples, np.int64),
        weights=np.empty(samples, np.int64),
    )


def _examples() -> tuple[Room]:
    return (make_room(1),)


@kernel("void(i4[::1], int64, int64, u8[::1], Room, int64, int64)", examples=_examples, inline=True)
def _add_rows(
    total: Int32, first: int, base: int, words: Words, room: Room, count: int, shift: int
) -> None:
    """Add ``base`` and the values of the bits of up to FEW vectors to 256 sums.

    ``room.places`` tells where in ``words`` they are, and ``room.values`` what a bit is worth, as
    repeated bytes and in units of 2**shift.
    """
    for number in range(2 * VECTOR_WORDS):
        sums = spread(np.uint64(0))
        for k in range(count):
            hit = bytes_where(words, room.places[k], number)
            sums = add_bytes(sums, hit & spread(room.values[k]))
        add_widened(total, first + 32 * number, sums, np.int32(shift), np.int32(base))


@kernel(
    "void(u8[::1], int64, i4[::1], int64, i8[:,:,::1], int64, int64, Room, i4[::1], int64)",
    examples=_examples,
)
def _integrate_strip(
    words: Words,
    strip: int,
    sources: Int32,
    length: int,
    counts: Int64,
    sample: int,
    weight: int,
    room: Room,
    total: Int32,
    first: int,
) -> None:
    """Add the listed events of one sample to the sums of 256 targets.

    Parameters
    ----------
    words, strip
        Signs, flat, and where the strip begins.
    sources, length
        The lists, flat, and the length of each.
    counts, sample
        Numbers of events, and the sample.
    weight
        Sum of the magnitudes of the events.
    room
        Scratch arrays.
    total, first
        Sums, flat, and the place of the first of the targets; updated.
    """
    bits = counts.shape[1]
    planes, places, values = room.planes, room.places, room.values
    up, down = counts[sample, 0, 0], counts[sample, 0, 1]
    if up + down == weight <= FEW:
        # The signs of so few events go straight to the sums.
        for k in range(weight):
            begin = (2 * sample * bits + (k >= up)) * length + (k if k < up else k - up)
            places[k] = strip + VECTOR_WORDS * np.int64(sources[begin])
            values[k] = REPEATED * np.uint64(2 if k < up else 254)
        _add_rows(total, first, down - up, words, room, weight, 0)
        return
    top = 0
    while (np.int64(1) << top) <= weight:
        top += 1
    for plane in range(top + 3):
        store(planes, VECTOR_WORDS * plane, spread(np.uint64(0)))
    reached = 0
    for bit in range(bits):
        for sign in range(2):
            count = counts[sample, bit, sign]
            if count:
                begin = ((sample * bits + bit) * 2 + sign) * length
                reached = _count_rows(
                    words,
                    strip,
                    sources,
                    begin,
                    begin + -(-count // GROUP) * GROUP,
                    ~np.uint64(0) if sign else np.uint64(0),
                    planes,
                    bit,
                    reached,
                    top,
                )
        reached = (reached + 1) >> 1
    # Twice the counters, minus the sum of all values.
    base = -weight
    for plane in range(0, top, FEW):
        here = min(FEW, top - plane)
        for k in range(here):
            places[k] = VECTOR_WORDS * (plane + k)
            values[k] = REPEATED << np.uint64(k)
        _add_rows(total, first, base, planes, room, here, plane + 1)
        base = 0


@kernel(
    "void(u8[::1], int64, i4[:,:,:,::1], i8[:,:,::1], int64, i4[:,::1], int64, int64, int64, Room)",
    examples=_examples,
)
def integrate_lists(
    words: Words,
    begin: int,
    sources: Int32,
    counts: Int64,
    samples: int,
    total: Int32,
    row: int,
    first: int,
    last: int,
    room: Room,
) -> None:
    r"""Add the listed events of some samples to the integer sums of their targets, in place.

    .. math:: S_m \leftarrow S_m + \sum_n v_n\, w_{nm}

    Parameters
    ----------
    words, begin
        Flat words, and where the signs begin with the targets of a source in a row; see
        `SignMatrix`.
    sources, counts
        For each sample, see `list_events`.
    samples
        Number of samples.
    total
        Sums :math:`S`, (batch, columns); updated.
    row
        Row of ``total`` that belongs to the first of the samples.
    first, last
        Columns of ``total`` with the m targets.
    room
        Scratch arrays for at least as many samples.
    """
    bits, length = sources.shape[1], sources.shape[3]
    waiting = 0
    for sample in range(samples):
        listed, weight = 0, 0
        for bit in range(bits):
            both = counts[sample, bit, 0] + counts[sample, bit, 1]
            listed += both
            weight += both << bit
        if listed:
            room.waiting[waiting] = sample
            room.weights[waiting] = weight
            waiting += 1
    if waiting == 0:
        return
    flat_sources, flat_total = sources.reshape(sources.size), total.reshape(total.size)
    strip_words = (length - GROUP + 2) * VECTOR_WORDS
    # A strip fits the cache, so all samples take their turn with it.
    for number in range(-(-(last - first) // VECTOR_BITS)):
        strip = begin + number * strip_words
        targets = min(VECTOR_BITS, last - first - number * VECTOR_BITS)
        for k in range(waiting):
            sample, weight = room.waiting[k], room.weights[k]
            place = (row + sample) * total.shape[1] + first + number * VECTOR_BITS
            args = words, strip, flat_sources, length, counts, sample, weight, room
            if targets == VECTOR_BITS:
                _integrate_strip(*args, flat_total, place)
            else:
                for m in range(targets):
                    room.spare[m] = flat_total[place + m]
                _integrate_strip(*args, room.spare, 0)
                for m in range(targets):
                    flat_total[place + m] = room.spare[m]


SAMPLES = 16
"""Samples that take turns with a strip of signs."""


_BATCH = "u8[::1], i4[:,:,:,::1], i8[:,:,::1], i4[:,::1], Room"


@kernel(f"void(i1[:,::1], {_BATCH})", examples=_examples)
def integrate_signs(
    values: Int8,
    words: Words,
    sources: Int32,
    counts: Int64,
    total: Int32,
    room: Room,
) -> None:
    for row in range(0, values.shape[0], SAMPLES):
        samples = min(SAMPLES, values.shape[0] - row)
        for k in range(samples):
            list_signs(values[row + k], sources[k], counts[k])
        end = total.shape[1]
        integrate_lists(words, 0, sources, counts, samples, total, row, 0, end, room)


@kernel(f"void(i4[:,::1], {_BATCH})", examples=_examples)
def integrate_values(
    values: Int32,
    words: Words,
    sources: Int32,
    counts: Int64,
    total: Int32,
    room: Room,
) -> None:
    for row in range(0, values.shape[0], SAMPLES):
        samples = min(SAMPLES, values.shape[0] - row)
        for k in range(samples):
            list_events(values[row + k], sources[k], counts[k])
        end = total.shape[1]
        integrate_lists(words, 0, sources, counts, samples, total, row, 0, end, room)
