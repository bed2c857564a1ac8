"""Sums of rows times numbers many of which are 0: black pixels neither send nor learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._bop import apply_contrast
from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.sgd import add_multiple_flat

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

TARGETS = 256
"""Targets whose weights fit the cache of a core."""

COLUMNS = 1024
"""Columns of the weights that learn at a time, so that a batch of them fits the cache."""

ROWS_A_TASK = 32
"""Rows of the weights that a thread takes at a time."""


@kernel("int64(f4[::1], i8[::1])")
def find(factors: Float32, chosen: Int64) -> int:
    """Find the factors that are not 0; return how many there are."""
    count = 0
    for k in range(factors.size):
        chosen[count] = k
        count += factors[k] != 0
    return count


@kernel("void(f4[:,::1], int64, f4[::1], i8[::1], int64, f4[::1])")
def add_rows(
    matrix: Float32, first: int, factors: Float32, chosen: Int64, count: int, total: Float32
) -> None:
    """Add chosen rows of a matrix, from a column on, each times its factor."""
    last, k = first + total.size, 0
    # Four rows at a time, so that the sums are read and written less often.
    while k + 4 <= count:
        i, j, m, n = chosen[k], chosen[k + 1], chosen[k + 2], chosen[k + 3]
        a, b, c, d = factors[i], factors[j], factors[m], factors[n]
        row_a, row_b = matrix[i, first:last], matrix[j, first:last]
        row_c, row_d = matrix[m, first:last], matrix[n, first:last]
        for at in range(total.size):
            total[at] += (a * row_a[at] + b * row_b[at]) + (c * row_c[at] + d * row_d[at])
        k += 4
    while k < count:
        a, row_a = factors[chosen[k]], matrix[chosen[k], first:last]
        for at in range(total.size):
            total[at] += a * row_a[at]
        k += 1


@kernel("void(f4[:,::1], f4[:,::1], int64, int64, f4[:,::1])", allocates=True)
def project(inputs: Float32, weights: Float32, first: int, last: int, sums: Float32) -> None:
    r"""Compute :math:`x W^\top` for some targets.

    Parameters
    ----------
    inputs
        :math:`x`, (batch, pixels).
    weights
        :math:`W^\top`, (pixels, n): what a pixel reaches lies side by side.
    first, last
        The targets, the last one not included.
    sums
        Receives the sums, (batch, n).
    """
    chosen = np.empty(inputs.shape[1] + 1, np.int64)
    for row in range(inputs.shape[0]):
        count = find(inputs[row], chosen)
        total = sums[row, first:last]
        total[:] = 0
        add_rows(weights, first, inputs[row], chosen, count, total)


@kernel("int64(f4[:,::1], f4[:,::1], int64, int64, f4[:,::1], f4[:,::1], f4, f4)", allocates=True)
def learn_rows(
    ends: Float32,
    others: Float32,
    first: int,
    last: int,
    weights: Float32,
    momentum: Float32,
    gain: float,
    threshold: float,
) -> int:
    r"""Let some rows of weights learn from the contrast :math:`u^\top v`.

    The contrast of a row is used as soon as it is known, and never stored.

    Parameters
    ----------
    ends
        :math:`u`, (samples, rows).
    others
        :math:`v`, (samples, columns).
    first, last
        The rows, the last one not included.
    weights
        (rows, columns); updated.
    momentum
        Of the same shape, updated; or (0, 0) for real weights.
    gain
        What contrasts are multiplied by.
    threshold
        See `lava_ep.dynamics.bop_contrast_update`, which tells what binary weights do.

    Returns
    -------
    int
        Number of flipped weights.
    """
    samples, columns = others.shape
    chosen = np.empty(samples + 1, np.int64)
    factors = np.ascontiguousarray(ends[:, first:last].T)
    contrast = np.empty(COLUMNS, np.float32)
    flips = 0
    for begin in range(0, columns, COLUMNS):
        end = min(begin + COLUMNS, columns)
        total = contrast[: end - begin]
        for row in range(first, last):
            count = find(factors[row - first], chosen)
            if count == 0:
                continue
            total[:] = 0
            add_rows(others, begin, factors[row - first], chosen, count, total)
            if momentum.size:
                momenta = momentum[row, begin:end]
                flips += apply_contrast(weights[row, begin:end], momenta, total, gain, threshold)
            else:
                add_multiple_flat(weights[row, begin:end], gain, total)
    return flips
