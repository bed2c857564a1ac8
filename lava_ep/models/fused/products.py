"""Products of a few rows with a matrix that is used again and again, for compiled loops.

A BLAS copies the matrix into an order of its own at every call, which costs as much as multiplying
a few rows with it. Here that order, panels, is made once. Every element of a result is summed from
the first to the last term, so it does not depend on which rows are multiplied together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

ROWS, LANES = 5, 16
"""Of the part of a result that is computed at a time: what fits 16 registers of 8 numbers."""

_tools: Any = cgutils
"""Numba's, which have no types."""

_INT, _WORD = ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


@cast(Callable[..., Any], intrinsic)
def _multiply_tile(
    typing_context: Any,
    rows: Any,
    first: Any,
    stride: Any,
    chosen: Any,
    start: Any,
    number: Any,
    depth: Any,
    panel: Any,
    begin: Any,
    out: Any,
    place: Any,
    out_stride: Any,
) -> Any:
    """Multiply up to `ROWS` rows with a panel, where all arrays are flat.

    They are the rows r = ``chosen[start]``, ``chosen[start + 1]``, …: row r begins at
    ``rows[first + r * stride]``, its result at ``out[place + r * out_stride]``.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def data(index: int) -> Any:
            return context.make_array(sig.args[index])(context, builder, args[index]).data

        source, indices, panels, result = data(0), data(3), data(7), data(9)
        _, first, stride, _, start, number, depth, _, begin, _, place, out_stride = args
        last = builder.sub(number, ir.Constant(_WORD, 1))
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        name = f"llvm.fmuladd.v{LANES}f32"
        multiply_add = _tools.get_or_insert_function(builder.module, kind, name)
        taken = []
        for r in range(ROWS):
            row = ir.Constant(_WORD, r)
            # Rows beyond the last one repeat it, and write the same result.
            row = builder.select(builder.icmp_signed("<", row, last), row, last)
            taken.append(builder.load(builder.gep(indices, [builder.add(start, row)])))
        begins = [builder.add(first, builder.mul(row, stride)) for row in taken]
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        sums = [_tools.alloca_once_value(builder, zero) for _ in range(ROWS)]
        lanes = ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES)
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        with _tools.for_range(builder, depth) as loop:
            at = builder.add(begin, builder.mul(loop.index, ir.Constant(_WORD, LANES)))
            weights = builder.bitcast(builder.gep(panels, [at]), _VECTOR.as_pointer())
            weights = builder.load(weights, align=4)
            for total, row in zip(sums, begins, strict=True):
                value = builder.load(builder.gep(source, [builder.add(row, loop.index)]))
                single = builder.insert_element(undefined, value, ir.Constant(_INT, 0))
                value = builder.shuffle_vector(single, single, lanes)
                added = builder.call(multiply_add, [value, weights, builder.load(total)])
                builder.store(added, total)
        for total, row in zip(sums, taken, strict=True):
            at = builder.add(place, builder.mul(row, out_stride))
            target = builder.bitcast(builder.gep(result, [at]), _VECTOR.as_pointer())
            builder.store(builder.load(total), target, align=4)
        return context.get_dummy_value()

    index = types.intp
    return (
        types.void(
            rows, index, index, chosen, index, index, index, panel, index, out, index, index
        ),
        generate,
    )


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
                _multiply_tile(
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
            _multiply_tile(
                rows, first, depth, chosen, start, number, depth, panels, panel, margin, 0, LANES
            )
            for row in chosen[start : start + number]:
                for lane in range(width):
                    out[place + row * columns + column + lane] = margin[row * LANES + lane]
