"""Kernels of convolutions as products of matrices, of their gradients, and of pooling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._convolve import UNTOUCHED, add_multiple, of_reals
from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.activation import Reals

Int8 = NDArray[np.int8]
Int64 = NDArray[np.int64]


@kernel(*of_reals("void(real[:,:,:,::1], int64[::1], int64, int64, real[:,::1])"))
def unfold(values: Reals, samples: Int64, k: int, padding: int, unfolded: Reals) -> None:
    """Write what each target of a convolution sees in a row.

    Parameters
    ----------
    values
        (batch, height, width, c).
    samples
        Those that are wanted.
    k, padding
        Of the convolution.
    unfolded
        Receives the samples' rows, (samples x height' x width', k x k x c).
    """
    rows, columns, c = values.shape[1:]
    wide = k * c
    flat_values, flat = values.reshape(values.size), unfolded.reshape(unfolded.size)
    zero = values.dtype.type(0)
    at = 0
    for sample in samples:
        for y in range(rows + 2 * padding - k + 1):
            for x in range(columns + 2 * padding - k + 1):
                first, last = max(0, padding - x) * c, min(k, columns + padding - x) * c
                for i in range(k):
                    to = flat[at : at + wide]
                    at += wide
                    row = y + i - padding
                    if row < 0 or row >= rows:
                        to[:] = zero
                        continue
                    begin = ((sample * rows + row) * columns + x - padding) * c
                    seen, run = flat_values[begin + first : begin + last], to[first:last]
                    for n in range(run.size):
                        run[n] = seen[n]
                    if last - first < wide:
                        to[:first] = zero
                        to[last:] = zero


@kernel(*of_reals("void(real[:,::1], int64[::1], int64, int64, real[:,:,:,::1])"))
def fold(unfolded: Reals, samples: Int64, k: int, padding: int, values: Reals) -> None:
    """Add up rows where they were unfolded from, see `unfold`; other samples are left alone."""
    rows, columns, c = values.shape[1:]
    wide = k * c
    flat_values, flat = values.reshape(values.size), unfolded.reshape(unfolded.size)
    at = 0
    for sample in samples:
        values[sample] = 0
        for y in range(rows + 2 * padding - k + 1):
            for x in range(columns + 2 * padding - k + 1):
                first, last = max(0, padding - x) * c, min(k, columns + padding - x) * c
                for i in range(k):
                    row = y + i - padding
                    if row >= 0 and row < rows:
                        begin = ((sample * rows + row) * columns + x - padding) * c
                        run = flat[at + first : at + last]
                        to = flat_values[begin + first : begin + last]
                        for n in range(run.size):
                            to[n] += run[n]
                    at += wide


@kernel(*of_reals("void(real[:,:,:,::1], real[:,:,:,::1], int64, real[:,:,:,::1])"))
def gather(pre: Reals, located: Reals, padding: int, gradient: Reals) -> None:
    """Add the products of targets and the sources they see.

    Parameters
    ----------
    pre
        (batch, height, width, c).
    located
        (batch, height', width', channels).
    padding
        Of the convolution.
    gradient
        (channels, k, k, c); updated.
    """
    batch, rows, columns, sources = pre.shape
    k = gradient.shape[1]
    flat_pre, flat_gradient = pre.reshape(pre.size), gradient.reshape(gradient.size)
    for sample in range(batch):
        for o in range(located.shape[3]):
            for y in range(located.shape[1]):
                first_i, last_i = max(0, padding - y), min(k, rows + padding - y)
                for x in range(located.shape[2]):
                    b = located[sample, y, x, o]
                    if b == 0:
                        continue
                    first_j, last_j = max(0, padding - x), min(k, columns + padding - x)
                    length = (last_j - first_j) * sources
                    for i in range(first_i, last_i):
                        row = (sample * rows + y + i - padding) * columns + x - padding
                        seen = (row + first_j) * sources
                        taps = ((o * k + i) * k + first_j) * sources
                        add_multiple(
                            flat_gradient[taps : taps + length], b, flat_pre[seen : seen + length]
                        )


@kernel(
    *of_reals("void(real[:,:,:,::1], i1[::1], int64, boolean, real[:,:,:,::1], real[:,:,:,::1])")
)
def pool_windows(
    sums: Reals, done: Int8, size: int, largest: bool, pooled: Reals, places: Reals
) -> None:
    """Pool windows of ``size`` x ``size``, and note the places of the largest in them.

    Samples whose sums are untouched are left alone.

    Places are numbers of the same type as the sums, for the sake of vectorized loops.
    """
    rows, columns, channels = sums.shape[1:]
    real = pooled.dtype.type
    share = real(1) / real(size * size)
    flat_sums, flat_pooled = sums.reshape(sums.size), pooled.reshape(pooled.size)
    flat_places = places.reshape(places.size)
    at = 0
    for sample in range(pooled.shape[0]):
        if done[sample] == UNTOUCHED:
            at += pooled[sample].size
            continue
        for y in range(pooled.shape[1]):
            for x in range(pooled.shape[2]):
                to, place = flat_pooled[at : at + channels], flat_places[at : at + channels]
                at += channels
                for window in range(size * size):
                    row = sample * rows + size * y + window // size
                    begin = (row * columns + size * x + window % size) * channels
                    found = flat_sums[begin : begin + channels]
                    if largest and window == 0:
                        for c in range(channels):
                            to[c] = found[c]
                            place[c] = real(0)
                    elif largest:
                        for c in range(channels):
                            larger = found[c] > to[c]
                            place[c] = real(window) if larger else place[c]
                            to[c] = found[c] if larger else to[c]
                    elif window == 0:
                        for c in range(channels):
                            to[c] = share * found[c]
                    else:
                        for c in range(channels):
                            to[c] += share * found[c]


@kernel(*of_reals("void(real[:,:,:,::1], real[:,:,:,::1], int64, boolean, real[:,:,:,::1])"))
def unpool_windows(values: Reals, places: Reals, size: int, largest: bool, located: Reals) -> None:
    """Put pooled values back to the places they come from; all others become 0."""
    rows, columns, channels = located.shape[1:]
    real = values.dtype.type
    share = real(1) / real(size * size)
    flat_values, flat_located = values.reshape(values.size), located.reshape(located.size)
    flat_places = places.reshape(places.size)
    if rows % size or columns % size:
        located[...] = 0
    at = 0
    for sample in range(values.shape[0]):
        for y in range(values.shape[1]):
            for x in range(values.shape[2]):
                value, place = flat_values[at : at + channels], flat_places[at : at + channels]
                at += channels
                for window in range(size * size):
                    row = sample * rows + size * y + window // size
                    begin = (row * columns + size * x + window % size) * channels
                    to = flat_located[begin : begin + channels]
                    if largest:
                        for c in range(channels):
                            to[c] = value[c] if place[c] == real(window) else real(0)
                    else:
                        for c in range(channels):
                            to[c] = share * value[c]
