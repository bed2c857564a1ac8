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

_LLVM_INT, _LLVM_WORD = ir.IntType(32), ir.IntType(64)
_LLVM_VECTOR = ir.VectorType(_LLVM_WORD, VECTOR_WORDS)


class _VectorType(types.Type):
    """Numba's view of a value of 256 bits."""

    def __init__(self) -> None:
        super().__init__(name="Bits256")


_vector = _VectorType()


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    """Such a value is one LLVM vector."""

    def __init__(self, manager: Any, kind: _VectorType) -> None:
        super().__init__(manager, kind, _LLVM_VECTOR)


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
    return builder.bitcast(builder.gep(data, [word]), _LLVM_VECTOR.as_pointer())


def _repeat(builder: Any, scalar: Any, vector: Any) -> Any:
    """Return a vector with the same number in all lanes."""
    zero = ir.Constant(_LLVM_INT, 0)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, zero)
    lanes = ir.Constant(ir.VectorType(_LLVM_INT, vector.count), [0] * vector.count)
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
        return _repeat(builder, args[0], _LLVM_VECTOR)

    return _vector(types.uint64), generate


@intrinsic
def add_where(typing_context: Any, array: Any, first: Any, bits: Any, value: Any) -> Any:
    """Add a value to ``array[first + k]``, int32, for each of the 32 bits k that is set."""
    lanes = 8
    vector = ir.VectorType(_LLVM_INT, lanes)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        word, amount = (_repeat(builder, scalar, vector) for scalar in args[2:])
        for part in range(0, 32, lanes):
            mask = ir.Constant(vector, [1 << (part + lane) for lane in range(lanes)])
            hit = builder.icmp_signed("==", builder.and_(word, mask), mask)
            place = builder.gep(data, [builder.add(args[1], ir.Constant(_LLVM_WORD, part))])
            place = builder.bitcast(place, vector.as_pointer())
            change = builder.and_(builder.sext(hit, vector), amount)
            builder.store(builder.add(builder.load(place, align=4), change), place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.uint32, types.int32), generate


@intrinsic
def popcount(typing_context: Any, word: Any) -> Any:
    """Return the number of bits that are set in a uint64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


def _compare(comparison: str, description: str) -> Any:
    def compare(typing_context: Any, array: Any, first: Any, threshold: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), 32)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            data = context.make_array(sig.args[0])(context, builder, args[0]).data
            place = builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer())
            limit = _repeat(builder, args[2], vector)
            hit = builder.fcmp_ordered(comparison, builder.load(place, align=4), limit)
            return builder.bitcast(hit, _LLVM_INT)

        return types.uint32(array, types.intp, types.float32), generate

    compare.__doc__ = description
    return intrinsic(compare)


where_above = _compare(">", "Return which of 32 values from ``array[first]`` are larger, as bits.")
where_below = _compare("<", "Return which of 32 values from ``array[first]`` are smaller, as bits.")
