"""Kernels of convolutions and of pooling, which `lava_ep.dynamics.convolution` is made of.

All arrays keep the channels of a position together: (height, width, channels). So an event touches,
for every row of its kernel, one run of neighbouring numbers of its target and of its weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.activation import Reals
from lava_ep.dynamics.connection import DENSE_FRACTION

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


def of_reals(arguments: str) -> tuple[str, str]:
    return arguments.replace("real", "f4"), arguments.replace("real", "f8")


@kernel(*of_reals("void(real[::1], real, real[::1])"), inline=True)
def add_multiple(to: Reals, factor: float, values: Reals) -> None:
    for n in range(to.size):
        to[n] += factor * values[n]


@kernel(
    *of_reals("int64(real[:,::1], int64[::1], int32[::1], int32[::1], real[::1], int64[::1])"),
    inline=True,
)
def _list_values(
    values: Reals, reach: Int64, places: Int32, channels: Int32, listed: Reals, operations: Int64
) -> int:
    """List the non-zero values of a sample, (positions, channels), and return their number.

    The lists need room for one more. The synaptic operations of those values are added.
    """
    count = 0
    for at in range(values.shape[0]):
        found = values[at]
        some = False
        for c in range(found.size):
            some |= found[c] != 0
        if not some:
            continue
        before = count
        for c in range(found.size):
            # Without a branch, as it could not be predicted.
            places[count], channels[count], listed[count] = at, c, found[c]
            count += found[c] != 0
        operations[0] += (count - before) * reach[at]
    return count


@kernel(
    *of_reals(
        "int64(real[:,:,::1], real[:,:,::1], real[:,:,::1], real[:,:,::1], int64, boolean, int64,"
        "int64[::1], int32[::1], int32[::1], real[::1], int64[::1])"
    ),
    inline=True,
)
def _list_moves(
    values: Reals,
    from_places: Reals,
    sent: Reals,
    sent_places: Reals,
    size: int,
    largest: bool,
    columns: int,
    reach: Int64,
    places: Int32,
    channels: Int32,
    listed: Reals,
    operations: Int64,
) -> int:
    """List how pooled values of a sample, put back to their places, differ from those sent.

    See `_list_values`; ``columns`` is the width of the sample before pooling.
    """
    real = values.dtype.type
    share = real(1) / real(size * size)
    count = 0
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            new, old = values[y, x], sent[y, x]
            to, source = from_places[y, x], sent_places[y, x]
            some = False
            for c in range(new.size):
                some |= (new[c] != old[c]) | (to[c] != source[c])
            if not some:
                continue
            corner = size * y * columns + size * x
            for c in range(new.size):
                if not largest:
                    change = share * new[c] - share * old[c]
                    if change == 0:
                        continue
                    for window in range(size * size):
                        at = corner + window // size * columns + window % size
                        places[count], channels[count], listed[count] = at, c, change
                        operations[0] += reach[at]
                        count += 1
                    continue
                moves = to[c] != source[c]
                window = int(source[c])
                if moves and old[c] != 0:
                    at = corner + window // size * columns + window % size
                    places[count], channels[count], listed[count] = at, c, -old[c]
                    operations[0] += reach[at]
                    count += 1
                change = new[c] if moves else new[c] - old[c]
                if change != 0:
                    window = int(to[c])
                    at = corner + window // size * columns + window % size
                    places[count], channels[count], listed[count] = at, c, change
                    operations[0] += reach[at]
                    count += 1
    return count


@kernel(
    *of_reals(
        "void(int32[::1], int32[::1], real[::1], int64, real[:,:,:,::1], int64, int64,"
        "int64[::1], int64[::1], real[:,:,::1])"
    ),
    inline=True,
)
def _add_listed(
    places: Int32,
    channels: Int32,
    listed: Reals,
    count: int,
    weights: Reals,
    columns: int,
    offset: int,
    ends: Int64,
    order: Int64,
    out: Reals,
) -> None:
    r"""Add the effect of listed changes of a sample to what they reach.

    .. math:: o_{y + i - f,\, x + j - f,\, :} \mathrel{+}= e_{yxc}\, w_{cij:}

    Parameters
    ----------
    places, channels, listed, count
        Positions, channels :math:`c` and sizes :math:`e` of the changes, and their number.
    weights
        :math:`w`, (c, k, k, channels').
    columns
        Width of the sources, which tells :math:`y, x` from a position.
    offset
        :math:`f`.
    ends, order
        Room for (c + 1,) and (count,) numbers.
    out
        :math:`o`, (height', width', channels'); updated.
    """
    k, width = weights.shape[1], weights.shape[3]
    rows, out_columns = out.shape[0], out.shape[1]
    flat_out, flat_weights = out.reshape(out.size), weights.reshape(weights.size)
    # The changes of each channel in turn, as its weights fit the nearest cache: counting sort.
    ends[:] = 0
    for number in range(count):
        ends[channels[number] + 1] += 1
    for c in range(ends.size - 1):
        ends[c + 1] += ends[c]
    for number in range(count):
        order[ends[channels[number]]] = number
        ends[channels[number]] += 1
    for rank in range(count):
        number = order[rank]
        channel, e = np.int64(channels[number]), listed[number]
        y, x = places[number] // columns, places[number] % columns
        first_i, last_i = max(0, offset - y), min(k, rows + offset - y)
        first_j, last_j = max(0, offset - x), min(k, out_columns + offset - x)
        length = (last_j - first_j) * width
        if length <= 0:
            continue
        for i in range(first_i, last_i):
            to = ((y + i - offset) * out_columns + x - offset + first_j) * width
            taps = ((channel * k + i) * k + first_j) * width
            add_multiple(flat_out[to : to + length], e, flat_weights[taps : taps + length])


UNTOUCHED, ADDED, DENSE = 0, 1, 2
"""What was done to the sums of a sample; DENSE leaves them to a product of matrices."""
RENEWAL = 2
"""After as many changes for each source, sums are computed anew, which ends what rounding errors
have added up to."""
WORTH_COUNTING = 1 / 16
"""From this share of changes on, it is worth to look whether a new sum has fewer terms."""


@kernel(
    *of_reals(
        "int64(real[:,:,::1], real[:,:,::1], int64, int64[::1], real[:,:,:,::1], int64,"
        "int64[::1], i1[::1], real[:,:,:,::1])"
    ),
    allocates=True,
)
def follow_sources(
    change: Reals,
    total: Reals,
    columns: int,
    reach: Int64,
    weights: Reals,
    offset: int,
    owed: Int64,
    done: Int8,
    out: Reals,
) -> int:
    """Follow changes of the sources with the sums over them, in whichever way is the shortest.

    Parameters
    ----------
    change, total
        Changes, and the values with them, (batch, positions, c).
    columns, weights, offset
        See `_add_listed`.
    reach
        Synapses that leave a source, (positions,).
    owed
        Changes added since the sums of a sample were last computed anew, (batch,); updated.
    done
        Receives what was done to each sample, (batch,).
    out
        (batch, height', width', channels'); updated.

    Returns
    -------
    int
        Number of synaptic operations.
    """
    positions, sources = change.shape[1:]
    size = positions * sources
    places, channels = np.empty((2, size + 1), np.int32), np.empty((2, size + 1), np.int32)
    listed = np.empty((2, size + 1), change.dtype)
    ends, order = np.empty(sources + 1, np.int64), np.empty(size, np.int64)
    operations, ignored = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for sample in range(change.shape[0]):
        count = _list_values(change[sample], reach, places[0], channels[0], listed[0], operations)
        done[sample] = ADDED if count else UNTOUCHED
        if count == 0:
            continue
        owed[sample] += count
        which = 0
        late = owed[sample] > RENEWAL * size
        if late or count > WORTH_COUNTING * size:
            terms = _list_values(total[sample], reach, places[1], channels[1], listed[1], ignored)
            if late or min(terms, DENSE_FRACTION * size) < count:
                owed[sample] = 0
                if terms > DENSE_FRACTION * size:
                    done[sample] = DENSE
                    continue
                out[sample] = 0
                which, count = 1, terms
        _add_listed(
            places[which],
            channels[which],
            listed[which],
            count,
            weights,
            columns,
            offset,
            ends,
            order,
            out[sample],
        )
    return int(operations[0])


@kernel(
    *of_reals(
        "int64(real[:,:,:,::1], real[:,:,:,::1], real[:,:,:,::1], real[:,:,:,::1], int64, boolean,"
        "int64, int64[::1], real[:,:,:,::1], int64, int64[::1], i1[::1], real[:,:,:,::1])"
    ),
    allocates=True,
)
def follow_targets(
    values: Reals,
    from_places: Reals,
    sent: Reals,
    sent_places: Reals,
    pool: int,
    largest: bool,
    columns: int,
    reach: Int64,
    weights: Reals,
    offset: int,
    owed: Int64,
    done: Int8,
    out: Reals,
) -> int:
    """Do `follow_sources` for pooled values, which act where they were pooled from.

    Parameters
    ----------
    values, from_places
        The values with their changes and their places, (batch, height, width, c).
    sent, sent_places
        The same before the changes.
    pool, largest
        Side of the windows, and whether the largest value counts.
    """
    positions, sources = reach.size, values.shape[3]
    pooled = values.shape[1] * values.shape[2] * sources
    size = positions * sources
    # A value moves away from one place and to another.
    room = 2 * pooled if largest else pooled * pool * pool
    places, channels = np.empty((2, room), np.int32), np.empty((2, room), np.int32)
    listed = np.empty((2, room), values.dtype)
    ends, order = np.empty(sources + 1, np.int64), np.empty(room, np.int64)
    operations, ignored = np.zeros(1, np.int64), np.zeros(1, np.int64)
    nothing = np.zeros_like(values[0])
    for sample in range(values.shape[0]):
        now, now_places = values[sample], from_places[sample]
        count = _list_moves(
            now,
            now_places,
            sent[sample],
            sent_places[sample],
            pool,
            largest,
            columns,
            reach,
            places[0],
            channels[0],
            listed[0],
            operations,
        )
        done[sample] = ADDED if count else UNTOUCHED
        if count == 0:
            continue
        owed[sample] += count
        which = 0
        late = owed[sample] > RENEWAL * size
        if late or count > WORTH_COUNTING * size:
            terms = _list_moves(
                now,
                now_places,
                nothing,
                now_places,
                pool,
                largest,
                columns,
                reach,
                places[1],
                channels[1],
                listed[1],
                ignored,
            )
            if late or min(terms, DENSE_FRACTION * size) < count:
                owed[sample] = 0
                if terms > DENSE_FRACTION * size:
                    done[sample] = DENSE
                    continue
                out[sample] = 0
                which, count = 1, terms
        _add_listed(
            places[which],
            channels[which],
            listed[which],
            count,
            weights,
            columns,
            offset,
            ends,
            order,
            out[sample],
        )
    return int(operations[0])
