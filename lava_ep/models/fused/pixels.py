"""The synapses of the pixels: most pixels are black, and a black one neither sends nor learns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.bop import apply_contrast
from lava_ep.dynamics.sgd import add_multiple_flat

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

TARGETS = 256
"""Targets whose weights fit the cache of a core."""

PIXELS = 32
"""Pixels whose synapses learn at a time."""


@kernel("int64(f4[::1], i8[::1])")
def _find(factors: Float32, found: Int64) -> int:
    """Find the factors that are not 0; return how many there are."""
    count = 0
    for k in range(factors.size):
        found[count] = k
        count += factors[k] != 0
    return count


@kernel("void(f4[:,::1], int64, f4[::1], i8[::1], int64, f4[::1])")
def _add_rows(
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
    found = np.empty(inputs.shape[1] + 1, np.int64)
    for row in range(inputs.shape[0]):
        count = _find(inputs[row], found)
        total = sums[row, first:last]
        total[:] = 0
        _add_rows(weights, first, inputs[row], found, count, total)


@kernel("int64(f4[:,::1], f4[:,::1], int64, int64, f4[:,::1], f4[:,::1], f4, f4)", allocates=True)
def learn_from_pixels(
    inputs: Float32,
    moved: Float32,
    first: int,
    last: int,
    weights: Float32,
    momentum: Float32,
    gain: float,
    threshold: float,
) -> int:
    r"""Let the synapses of some pixels learn from the contrast :math:`\Delta^\top x`.

    The contrast of a pixel is used as soon as it is known, and never stored.

    Parameters
    ----------
    inputs
        :math:`x`, (samples, pixels).
    moved
        :math:`\Delta`, (samples, n).
    first, last
        The pixels, the last one not included.
    weights
        (pixels, n); updated.
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
    samples, n = moved.shape
    found = np.empty(samples + 1, np.int64)
    factors = np.ascontiguousarray(inputs[:, first:last].T)
    contrast = np.empty(4 * TARGETS, np.float32)
    flips = 0
    for begin in range(0, n, contrast.size):
        end = min(begin + contrast.size, n)
        total = contrast[: end - begin]
        for pixel in range(first, last):
            count = _find(factors[pixel - first], found)
            if count == 0:
                continue
            total[:] = 0
            _add_rows(moved, begin, factors[pixel - first], found, count, total)
            if momentum.size:
                momenta = momentum[pixel, begin:end]
                flips += apply_contrast(weights[pixel, begin:end], momenta, total, gain, threshold)
            else:
                add_multiple_flat(weights[pixel, begin:end], gain, total)
    return flips
