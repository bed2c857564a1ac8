"""Values of 256 bits for compiled kernels, and the number of bits that are set in a word.

Numba has no vector type of its own. LLVM has one, and turns it into whatever registers the machine
has (one AVX2, two NEON or SSE2 registers), so that kernels on packed bits need neither a compiler
nor a version for every machine. Inside a kernel such a value is loaded from and stored to an
array of uint64, and combined with ``^``, ``&`` and ``|``.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

VECTOR_WORDS = 4
"""Words of 64 bits in one value."""

VECTOR_BITS = 64 * VECTOR_WORDS

_INT, _WORD = ir.IntType(32), ir.IntType(64)
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

    @infer_global(operation)
    class _Signature(ConcreteTemplate):
        cases = [signature(_vector, _vector, _vector)]  # noqa: RUF012

    @lower_builtin(operation, _vector, _vector)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


_define(operator.xor, "xor")
_define(operator.and_, "and_")
_define(operator.or_, "or_")


def _address(context: Any, builder: Any, kind: Any, array: Any, word: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [word]), _VECTOR.as_pointer())


def _repeat(builder: Any, scalar: Any, vector: Any) -> Any:
    """Return a vector with the same number in all lanes."""
    zero = ir.Constant(_INT, 0)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, zero)
    lanes = ir.Constant(ir.VectorType(_INT, vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, single, lanes)


@intrinsic
def load(typing_context: Any, array: Any, word: Any) -> Any:
    """Return the value that begins at ``array[word]``, a flat array of uint64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig.args[0], *args), align=8)

    return _vector(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, word: Any, value: Any) -> Any:
    """Write a value to where ``array[word]`` begins, a flat array of uint64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = _address(context, builder, sig.args[0], args[0], args[1])
        builder.store(args[2], address, align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector), generate


@intrinsic
def spread(typing_context: Any, word: Any) -> Any:
    """Return the value that repeats one word of 64 bits."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _repeat(builder, args[0], _VECTOR)

    return _vector(types.uint64), generate


@intrinsic
def add_four(
    typing_context: Any,
    array: Any,
    first: Any,
    base: Any,
    words: Any,
    places: Any,
    values: Any,
) -> Any:
    """Add a base and, for each of four vectors of bits, a value where a bit is set.

    ``array[first + k] += base + sum(values[q] * bit k of the vector at words[places[q]])`` for the
    `VECTOR_BITS` bits k; ``array`` and ``values`` are int32, ``words`` uint64, ``places`` int64.
    """
    lanes, size = 8, 32
    vector = ir.VectorType(_INT, lanes)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sums = context.make_array(sig.args[0])(context, builder, args[0]).data
        source = context.make_array(sig.args[3])(context, builder, args[3]).data
        start = _repeat(builder, args[2], vector)
        at = context.make_array(sig.args[4])(context, builder, args[4]).data
        amounts = context.make_array(sig.args[5])(context, builder, args[5]).data
        terms = []
        for q in range(4):
            number = ir.Constant(_WORD, q)
            amount = builder.load(builder.gep(amounts, [number]))
            terms.append(
                (builder.load(builder.gep(at, [number])), _repeat(builder, amount, vector))
            )
        for number in range(2 * VECTOR_WORDS):
            halves = []
            for place, value in terms:
                word = builder.gep(source, [builder.add(place, ir.Constant(_WORD, number // 2))])
                shift = ir.Constant(_WORD, size * (number % 2))
                half = builder.trunc(builder.lshr(builder.load(word), shift), _INT)
                halves.append((_repeat(builder, half, vector), value))
            for part in range(0, size, lanes):
                mask = ir.Constant(vector, [1 << (part + lane) for lane in range(lanes)])
                offset = ir.Constant(_WORD, size * number + part)
                place = builder.gep(sums, [builder.add(args[1], offset)])
                place = builder.bitcast(place, vector.as_pointer())
                total = builder.add(builder.load(place, align=4), start)
                for half, value in halves:
                    hit = builder.icmp_signed("==", builder.and_(half, mask), mask)
                    total = builder.add(total, builder.and_(builder.sext(hit, vector), value))
                builder.store(total, place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int32, words, places, values), generate


@intrinsic
def lowest_bit(typing_context: Any, word: Any) -> Any:
    """Return the number of the lowest bit that is set in a uint64 other than 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
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
    return intrinsic(test)


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
