"""Products of a few rows with a matrix that is used again and again, for compiled loops.

A BLAS copies the matrix into an order of its own at every call, which costs as much as multiplying
a few rows with it. Here that order, panels, is made once. Every element of a result is summed from
the first to the last term, so it does not depend on which rows are multiplied together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import LANES, ROWS, multiply_tile

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


@kernel("int64(int64, int64)")
def panel_size(depth: int, columns: int) -> int:
    """Return how many numbers the panels of a matrix (depth, columns) are."""
    return -(-columns // LANES) * LANES * depth


@kernel("void(f4[:,::1], boolean, f4[::1])")
def pack(weights: Float32, transposed: bool, panels: Float32) -> None:
    """Put a matrix, or its transpose, in panels: `LANES` columns, one after the other.

    Parameters
    ----------
    weights
        (depth, columns), or (columns, depth) if ``transposed``.
    transposed
        Whether to take the transpose.
    panels
        Receives them, see `panel_size`; what belongs to no column has to be 0.
    """
    if transposed:
        columns, depth = weights.shape
        for column in range(columns):
            begin = column // LANES * LANES * depth + column % LANES
            row = weights[column]
            for k in range(depth):
                panels[begin + k * LANES] = row[k]
    else:
        depth, columns = weights.shape
        for first in range(0, columns, LANES):
            begin, width = first * depth, min(LANES, columns - first)
            for k in range(depth):
                for lane in range(width):
                    panels[begin + k * LANES + lane] = weights[k, first + lane]


@kernel("void(f4[::1], int64, i8[::1], int64, f4[::1], int64, f4[::1], int64, f4[::1])")
def multiply(
    rows: Float32,
    first: int,
    chosen: Int64,
    depth: int,
    panels: Float32,
    columns: int,
    out: Float32,
    place: int,
    margin: Float32,
) -> None:
    """Multiply some rows with a matrix.

    Parameters
    ----------
    rows, first
        Flat; the rows, each of size ``depth``, begin at ``first``.
    chosen
        Which of the rows to multiply.
    depth, columns
        Size of the matrix.
    panels
        The matrix, see `pack`.
    out, place
        Flat; the results, each of size ``columns``, begin at ``place``. Those of other rows stay.
    margin
        Memory to work with, `LANES` numbers for each row.
    """
    for column in range(0, columns, LANES):
        width, panel = min(LANES, columns - column), column * depth
        for start in range(0, chosen.size, ROWS):
            number = min(ROWS, chosen.size - start)
            if width == LANES:
                at = place + column
                multiply_tile(
                    rows,
                    first,
                    depth,
                    chosen,
                    start,
                    number,
                    depth,
                    panels,
                    panel,
                    out,
                    at,
                    columns,
                )
                continue
            # Of the last panel only a part is wanted; rows are put aside by their numbers.
            multiply_tile(
                rows, first, depth, chosen, start, number, depth, panels, panel, margin, 0, LANES
            )
            for row in chosen[start : start + number]:
                for lane in range(width):
                    out[place + row * columns + column + lane] = margin[row * LANES + lane]
