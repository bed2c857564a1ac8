"""Finding the events of one time step among the changes of a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import lowest_bit, where_equal
from lava_ep.errors import InputError

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

GROUP = 8
"""Lists are filled up to multiples of this length, for kernels that take as many at once."""

SIGN_BITS, VALUE_BITS = 1, 33
"""Powers of two that the events of neurons, and any events, are made of."""


def event_lists(samples: int, values: int, bits: int) -> tuple[Int32, Int64]:
    """Return empty lists of events for `list_events` or `list_signs`.

    Parameters
    ----------
    samples
        Number of samples.
    values
        Number of sources.
    bits
        Powers of two that the events are made of.

    Returns
    -------
    sources, counts
        (samples, bits, 2, values + GROUP) and (samples, bits, 2), see `list_events`.
    """
    return (
        np.empty((samples, bits, 2, values + GROUP), np.int32),
        np.zeros((samples, bits, 2), np.int64),
    )


@kernel("void(i4[:,:,::1], i8[:,::1])")
def _fill_up(sources: Int32, counts: Int64) -> None:
    n = sources.shape[2] - GROUP
    for bit in range(counts.shape[0]):
        for sign in range(2):
            count = counts[bit, sign]
            for k in range(count, -(-count // GROUP) * GROUP):
                sources[bit, sign, k] = n + sign


@kernel("int64(i1[::1], i4[:,:,::1], i8[:,::1])")
def list_signs(values: Int8, sources: Int32, counts: Int64) -> int:
    """List the neurons of one sample that have an event, -1 or +1; see `list_events`.

    ``sources`` and ``counts`` need one bit only.
    """
    ups, downs = 0, 0
    whole = values.size // 32 * 32
    for start in range(0, whole, 32):
        up = where_equal(values, start, np.int8(1))
        down = where_equal(values, start, np.int8(-1))
        while up:
            sources[0, 0, ups] = start + lowest_bit(up)
            up &= up - np.uint64(1)
            ups += 1
        while down:
            sources[0, 1, downs] = start + lowest_bit(down)
            down &= down - np.uint64(1)
            downs += 1
    for n in range(whole, values.size):
        if values[n] == 1:
            sources[0, 0, ups] = n
            ups += 1
        elif values[n] == -1:
            sources[0, 1, downs] = n
            downs += 1
    counts[0, 0] = ups
    counts[0, 1] = downs
    _fill_up(sources, counts)
    return ups + downs


@kernel("int64(i4[::1], i4[:,:,::1], i8[:,::1])")
def list_events(values: Int32, sources: Int32, counts: Int64) -> int:
    """List the sources of one sample that have an event of any size.

    An event is written as a sum of powers of two and of negative ones, with as few of them as can
    be (its non-adjacent form): 255 is 256 - 1.

    Parameters
    ----------
    values
        (n,): changes of the sources.
    sources
        Receives, for each power p of two and for its signs + (0) and - (1), the sources that it is
        part of: ``sources[p, sign, : counts[p, sign]]``, filled up to whole groups with the number
        n or n + 1, see `SignMatrix`.
    counts
        Receives their numbers.

    Returns
    -------
    int
        Number of events, that is, of non-zero values.
    """
    counts[:] = 0
    events = 0
    for n in range(values.size):
        value = np.int64(values[n])
        if value == 0:
            continue
        events += 1
        triple = value + (value >> 1)
        digits = (value >> 1) ^ triple
        ups, downs = triple & digits, (value >> 1) & digits
        bit = 0
        while digits:
            # Without a branch, as it could not be predicted.
            sources[bit, 0, counts[bit, 0]] = n
            counts[bit, 0] += ups >> bit & 1
            sources[bit, 1, counts[bit, 1]] = n
            counts[bit, 1] += downs >> bit & 1
            digits &= ~(np.int64(1) << bit)
            bit += 1
    _fill_up(sources, counts)
    return events


def check_values(values: Int8 | Int32) -> int:
    """Return the largest magnitude of (batch, n) events, if sums of them fit 32 bits.

    Raises
    ------
    InputError
        If they might not.
    """
    largest = max(int(values.max()), -int(values.min()))
    if largest * values.shape[1] >= 2**31:
        raise InputError(
            f"events up to {largest} from {values.shape[1]} sources: expected sums below 2**31; "
            "scale the pixels down"
        )
    return largest


@kernel("int64(i1[:,::1])", "int64(i4[:,::1])", "int64(f4[:,::1])", "int64(f8[:,::1])")
def count_events(events: NDArray[Any]) -> int:
    """Count the non-zero entries of (batch, n) events."""
    count = 0
    for row in range(events.shape[0]):
        for n in range(events.shape[1]):
            count += events[row, n] != 0
    return count
