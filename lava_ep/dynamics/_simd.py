"""What `lava_ep.dynamics._words` offers to kernels, as code for LLVM.

Numba has no vector type of its own. LLVM has one, and turns it into whatever registers the machine
has (one AVX2, two NEON or SSE2 registers), so that kernels on packed bits need neither a compiler
nor a version for every machine.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from lava_ep.dynamics._jit import private
from lava_ep.dynamics._words import LANES, ROWS, VECTOR_WORDS

_TEMPLATES = "numba.core.typing.templates"
_ConcreteTemplate: Any = private(f"{_TEMPLATES}:ConcreteTemplate")
_infer_global = private(f"{_TEMPLATES}:infer_global")
_signature = private(f"{_TEMPLATES}:signature")
_lower_builtin = private("numba.core.imputils:lower_builtin")
_alloca_once_value = private("numba.core.cgutils:alloca_once_value")
_for_range = private("numba.core.cgutils:for_range")
_get_or_insert_function = private("numba.core.cgutils:get_or_insert_function")

_BYTE, _INT, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, VECTOR_WORDS)


class _VectorType(types.Type):
    """Numba's view of a value of 256 bits."""

    def __init__(self) -> None:
        super().__init__(name="Bits256")


_vector = _VectorType()


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    """Such a value is one LLVM vector."""

    def __init__(self, manager: Any, kind: _VectorType) -> None:
        super().__init__(manager, kind, _VECTOR)


def _define(operation: Any, instruction: str) -> None:
    """Let two values be combined by an operator of Python."""

    class _Signature(_ConcreteTemplate):  # type: ignore[misc]
        cases = [_signature(_vector, _vector, _vector)]  # noqa: RUF012

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)

    _infer_global(operation)(_Signature)
    _lower_builtin(operation, _vector, _vector)(lower)


_define(operator.xor, "xor")
_define(operator.and_, "and_")
_define(operator.or_, "or_")


def _address(context: Any, builder: Any, kind: Any, array: Any, word: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [word]), _VECTOR.as_pointer())


def _intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that returns a signature and a code generator callable in kernels."""
    return cast(Callable[..., Any], intrinsic(function))


def _repeat(builder: Any, scalar: Any, vector: Any) -> Any:
    """Return a vector with the same number in all lanes."""
    zero = ir.Constant(_INT, 0)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, zero)
    lanes = ir.Constant(ir.VectorType(_INT, vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, single, lanes)


@_intrinsic
def load(typing_context: Any, array: Any, word: Any) -> Any:
    """Return the value that begins at ``array[word]``, a flat array of uint64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig.args[0], *args), align=8)

    return _vector(array, types.intp), generate


@_intrinsic
def store(typing_context: Any, array: Any, word: Any, value: Any) -> Any:
    """Write a value to where ``array[word]`` begins, a flat array of uint64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = _address(context, builder, sig.args[0], args[0], args[1])
        builder.store(args[2], address, align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector), generate


@_intrinsic
def spread(typing_context: Any, word: Any) -> Any:
    """Return the value that repeats one word of 64 bits."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _repeat(builder, args[0], _VECTOR)

    return _vector(types.uint64), generate


_BYTES = ir.VectorType(_BYTE, 8 * VECTOR_WORDS)


@_intrinsic
def bytes_where(typing_context: Any, words: Any, word: Any, number: Any) -> Any:
    """Return 32 bytes with all bits set or none, by 32 bits of a flat array of uint64.

    They are the bits from ``32 * number`` on of those that begin with ``words[word]``.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        halves = builder.bitcast(builder.gep(data, [args[1]]), _INT.as_pointer())
        number = args[2]
        if sys.byteorder == "big":
            number = builder.xor(number, ir.Constant(_WORD, 1))
        bits = builder.load(builder.gep(halves, [number]))
        copies = _repeat(builder, bits, ir.VectorType(_INT, 2 * VECTOR_WORDS))
        lanes = range(8 * VECTOR_WORDS)
        # Byte k of the result looks at bit k, which is in byte k // 8 of every copy.
        order = ir.Constant(ir.VectorType(_INT, len(lanes)), [lane // 8 for lane in lanes])
        if sys.byteorder == "big":
            order = ir.Constant(order.type, [3 - lane // 8 for lane in lanes])
        copies = builder.bitcast(copies, _BYTES)
        spread_out = builder.shuffle_vector(copies, copies, order)
        mask = ir.Constant(_BYTES, [1 << lane % 8 for lane in lanes])
        hit = builder.icmp_signed("==", builder.and_(spread_out, mask), mask)
        return builder.bitcast(builder.sext(hit, _BYTES), _VECTOR)

    return _vector(words, types.intp, types.intp), generate


@_intrinsic
def add_bytes(typing_context: Any, a: Any, b: Any) -> Any:
    """Add the bytes of two values one by one."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        total = builder.add(*(builder.bitcast(arg, _BYTES) for arg in args))
        return builder.bitcast(total, _VECTOR)

    return _vector(a, b), generate


@_intrinsic
def add_widened(
    typing_context: Any, array: Any, first: Any, numbers: Any, shift: Any, base: Any
) -> Any:
    """Add ``base + (byte << shift)`` to ``array[first + k]``, int32, for the 32 signed bytes k."""
    lanes = 8
    vector = ir.VectorType(_INT, lanes)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        numbers = builder.bitcast(args[2], _BYTES)
        shift, base = (_repeat(builder, arg, vector) for arg in args[3:])
        for part in range(0, 8 * VECTOR_WORDS, lanes):
            chosen = ir.Constant(vector, [part + lane for lane in range(lanes)])
            wide = builder.sext(builder.shuffle_vector(numbers, numbers, chosen), vector)
            place = builder.gep(data, [builder.add(args[1], ir.Constant(_WORD, part))])
            place = builder.bitcast(place, vector.as_pointer())
            total = builder.add(builder.load(place, align=4), base)
            builder.store(builder.add(total, builder.shl(wide, shift)), place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector, types.int32, types.int32), generate


@_intrinsic
def lowest_bit(typing_context: Any, word: Any) -> Any:
    """Return the number of the lowest bit that is set in a uint64 other than 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@_intrinsic
def popcount(typing_context: Any, word: Any) -> Any:
    """Return the number of bits that are set in a uint64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


def _test(element: Any, hit: Any, description: str) -> Any:
    """Return a function that tests 32 values of an array at a time."""
    vector = ir.VectorType(element, 32)

    def test(typing_context: Any, array: Any, first: Any, other: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            data = context.make_array(sig.args[0])(context, builder, args[0]).data
            place = builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer())
            values = builder.load(place, align=1)
            bits = builder.bitcast(hit(builder, values, _repeat(builder, args[2], vector)), _INT)
            return builder.zext(bits, _WORD)

        return types.uint64(array, types.intp, array.dtype), generate

    test.__doc__ = description
    return _intrinsic(test)


where_above = _test(
    ir.FloatType(),
    lambda builder, a, b: builder.fcmp_ordered(">", a, b),
    "Return which of 32 float32 from ``array[first]`` on are larger than another, as bits.",
)
where_below = _test(
    ir.FloatType(),
    lambda builder, a, b: builder.fcmp_ordered("<", a, b),
    "Return which of 32 float32 from ``array[first]`` on are smaller than another, as bits.",
)
where_at_least = _test(
    ir.FloatType(),
    lambda builder, a, b: builder.fcmp_ordered(">=", a, b),
    "Return which of 32 float32 from ``array[first]`` on are no smaller than another, as bits.",
)
where_equal = _test(
    ir.IntType(8),
    lambda builder, a, b: builder.icmp_signed("==", a, b),
    "Return which of 32 int8 from ``array[first]`` on equal another, as bits.",
)
where_no_smaller = _test(
    _INT,
    lambda builder, a, b: builder.icmp_signed(">=", a, b),
    "Return which of 32 int32 from ``array[first]`` on are no smaller than another, as bits.",
)


@_intrinsic
def where_brighter(typing_context: Any, array: Any, first: Any, others: Any, start: Any) -> Any:
    """Return which of 32 uint8 from ``array[first]`` on exceed those from ``others[start]`` on."""
    vector = ir.VectorType(_BYTE, 32)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = []
        for kind, numbers, place in zip(sig.args[::2], args[::2], args[1::2], strict=True):
            data = context.make_array(kind)(context, builder, numbers).data
            address = builder.bitcast(builder.gep(data, [place]), vector.as_pointer())
            values.append(builder.load(address, align=1))
        bits = builder.bitcast(builder.icmp_unsigned(">", *values), _INT)
        return builder.zext(bits, _WORD)

    return types.uint64(array, types.intp, others, types.intp), generate


_FLOATS = ir.VectorType(ir.FloatType(), LANES)


@_intrinsic
def multiply_tile(
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
    """Multiply up to `ROWS` float32 rows with a panel, where all arrays are flat.

    They are the rows r = ``chosen[start]``, ``chosen[start + 1]``, …: row r begins at
    ``rows[first + r * stride]``, its result at ``out[place + r * out_stride]``.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def data(index: int) -> Any:
            return context.make_array(sig.args[index])(context, builder, args[index]).data

        source, indices, panels, result = data(0), data(3), data(7), data(9)
        _, first, stride, _, start, number, depth, _, begin, _, place, out_stride = args
        last = builder.sub(number, ir.Constant(_WORD, 1))
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        name = f"llvm.fmuladd.v{LANES}f32"
        multiply_add = _get_or_insert_function(builder.module, kind, name)
        taken = []
        for r in range(ROWS):
            row = ir.Constant(_WORD, r)
            # Rows beyond the last one repeat it, and write the same result.
            row = builder.select(builder.icmp_signed("<", row, last), row, last)
            taken.append(builder.load(builder.gep(indices, [builder.add(start, row)])))
        begins = [builder.add(first, builder.mul(row, stride)) for row in taken]
        zero = ir.Constant(_FLOATS, [0.0] * LANES)
        sums = [_alloca_once_value(builder, zero) for _ in range(ROWS)]
        lanes = ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES)
        undefined = ir.Constant(_FLOATS, ir.Undefined)
        with _for_range(builder, depth) as loop:
            at = builder.add(begin, builder.mul(loop.index, ir.Constant(_WORD, LANES)))
            weights = builder.bitcast(builder.gep(panels, [at]), _FLOATS.as_pointer())
            weights = builder.load(weights, align=4)
            for total, row in zip(sums, begins, strict=True):
                value = builder.load(builder.gep(source, [builder.add(row, loop.index)]))
                single = builder.insert_element(undefined, value, ir.Constant(_INT, 0))
                value = builder.shuffle_vector(single, single, lanes)
                added = builder.call(multiply_add, [value, weights, builder.load(total)])
                builder.store(added, total)
        for total, row in zip(sums, taken, strict=True):
            at = builder.add(place, builder.mul(row, out_stride))
            target = builder.bitcast(builder.gep(result, [at]), _FLOATS.as_pointer())
            builder.store(builder.load(total), target, align=4)
        return context.get_dummy_value()

    index = types.intp
    return (
        types.void(
            rows, index, index, chosen, index, index, index, panel, index, out, index, index
        ),
        generate,
    )
