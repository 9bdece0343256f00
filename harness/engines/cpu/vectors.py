"""Vectors of float32 as values of numba: what the processor's registers hold, with explicit arithmetic.

A loop over floats is vectorised by LLVM as it sees fit, and a sum only where it may be reordered. Here a vector is a
value: every operation says what is computed together and in which order, so bits depend on nothing but the operands.
``a + b``, ``a - b``, ``a * b`` and ``a / b`` work on two vectors, or a vector and a float32.

Arrays are float32, C-contiguous and of one dimension; positions are counted in floats.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model


def _lanes() -> int:
    """16 where the processor computes on 512 bits at once, else 8: Zen 4 takes two halves, and 8 pad less."""
    wide = llvmlite.binding.get_host_cpu_features().get("avx512f", False)
    return 16 if wide and llvmlite.binding.get_host_cpu_name() != "znver4" else 8


#: Floats of a vector.
LANES = _lanes()

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_FLOATS, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)


def padded(count: int) -> int:
    """The least multiple of LANES that is not below ``count``."""
    return -(-count // LANES) * LANES


class Vector(types.Type):
    """The numba type of LANES floats."""

    def __init__(self) -> None:
        super().__init__(name=f"Vector{LANES}")


vector = Vector()


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)


# -- building blocks of LLVM's language, for the intrinsics here and in products.py --------------------------------


def element(context: Any, builder: Any, kind: Any, array: Any, position: Any) -> Any:
    """Pointer to one float of an array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [position])


def load_at(builder: Any, pointer: Any) -> Any:
    """LANES floats from a pointer to a float."""
    return builder.load(builder.bitcast(pointer, _FLOATS.as_pointer()), align=4)


def store_at(builder: Any, value: Any, pointer: Any) -> None:
    """LANES floats to a pointer to a float."""
    builder.store(value, builder.bitcast(pointer, _FLOATS.as_pointer()), align=4)


def constant(value: float) -> Any:
    """One number in every lane."""
    return ir.Constant(_FLOATS, [float(np.float32(value))] * LANES)


def spread_of(builder: Any, number: Any) -> Any:
    """A float in every lane."""
    undefined = ir.Constant(_FLOATS, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_INTS, [0] * LANES))


def call(builder: Any, name: str, *arguments: Any) -> Any:
    """An LLVM function of vectors, such as ``llvm.fma``."""
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * len(arguments))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"{name}.v{LANES}f32"), arguments)


def shuffled(builder: Any, a: Any, b: Any, places: Sequence[int]) -> Any:
    """The lanes at ``places`` of a and b side by side."""
    kind = ir.VectorType(_INT, len(places))
    return builder.shuffle_vector(a, b, ir.Constant(kind, list(places)))


def total_of(builder: Any, value: Any) -> Any:
    """The sum of the lanes, in halves: lane i with lane i + LANES/2, and so on."""
    width = LANES
    while width > 1:
        width //= 2
        low, high = (shuffled(builder, value, value, range(i, i + width)) for i in (0, width))
        value = builder.fadd(low, high)
    return builder.extract_element(value, ir.Constant(_INT, 0))


def transposed_of(builder: Any, rows: Sequence[Any]) -> list[Any]:
    """The columns of LANES vectors, which are rows: log2(LANES) perfect shuffles."""
    half, rows = LANES // 2, list(rows)
    low = [i // 2 + LANES * (i % 2) for i in range(LANES)]
    high = [place + half for place in low]
    for _ in range(LANES.bit_length() - 1):
        pairs = [(rows[i], rows[i + half]) for i in range(half)]
        rows = [shuffled(builder, a, b, places) for a, b in pairs for places in (low, high)]
    return rows


def totals_of(builder: Any, rows: Sequence[Any]) -> Any:
    """The sums of the lanes of LANES vectors, as one vector."""
    columns = transposed_of(builder, rows)
    while len(columns) > 1:
        half = len(columns) // 2
        columns = [builder.fadd(columns[i], columns[i + half]) for i in range(half)]
    return columns[0]


# -- values --------------------------------------------------------------------------------------------------------


@intrinsic
def load(typing: Any, array: Any, position: Any) -> Any:
    """array[position : position + LANES]."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return load_at(builder, element(context, builder, signature.args[0], given[0], given[1]))

    return vector(array, types.intp), build


@intrinsic
def store(typing: Any, array: Any, position: Any, value: Any) -> Any:
    """array[position : position + LANES] = value."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        store_at(builder, given[2], element(context, builder, signature.args[0], given[0], given[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), build


@intrinsic
def spread(typing: Any, number: Any) -> Any:
    """A float32 in every lane."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return spread_of(builder, given[0])

    return vector(types.float32), build


@njit(error_model="numpy")
def copy(out, values):
    """out = values, for arrays of the same number of whole vectors."""
    for i in range(0, len(out), LANES):
        store(out, i, load(values, i))


@intrinsic
def total(typing: Any, value: Any) -> Any:
    """The sum of the lanes, in a fixed order."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return total_of(builder, given[0])

    return types.float32(vector), build


@intrinsic
def where_positive(typing: Any, condition: Any, yes: Any, no: Any) -> Any:
    """Lane by lane ``yes`` where the condition is above 0, else ``no`` (also where it is nan)."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", given[0], constant(0)), given[1], given[2])

    return vector(vector, vector, vector), build


@intrinsic
def clipped(typing: Any, value: Any, low: Any, high: Any) -> Any:
    """Lane by lane min(max(value, low), high); nan stays nan."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        value, low, high = given
        value = builder.select(builder.fcmp_ordered("<", value, low), low, value)
        return builder.select(builder.fcmp_ordered(">", value, high), high, value)

    return vector(vector, vector, vector), build


#: Added to a number of less than 2^22 it leaves the nearest whole number k in the last bits of the sum.
SHIFTER = 1.5 * 2**23


@intrinsic
def times_power_of_two(typing: Any, value: Any, shifted: Any) -> Any:
    """value 2^k for shifted = SHIFTER + k, by adding k to the exponent: for results that are normal floats."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        power = builder.shl(builder.bitcast(given[1], _INTS), ir.Constant(_INTS, [23] * LANES))
        return builder.bitcast(builder.add(builder.bitcast(given[0], _INTS), power), _FLOATS)

    return vector(vector, vector), build


@intrinsic
def _negative(typing: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.fneg(given[0])

    return vector(vector), build


@overload(operator.neg)
def _negated(a):
    return (lambda a: _negative(a)) if a is vector else None


def _function(name: str, count: int, meaning: str) -> Any:
    def typed(typing: Any, *kinds: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            return call(builder, name, *given)

        return vector(*[vector] * count), build

    arguments = ", ".join("abc"[:count])
    scope: dict[str, Any] = {"typed": typed}
    exec(f"def made(typing, {arguments}): return typed(typing, {arguments})", scope)  # noqa: S102
    scope["made"].__doc__ = meaning
    return intrinsic(scope["made"])


#: a b + c with one rounding where the processor has it.
fma = _function("llvm.fma", 3, "a b + c, rounded once")
root = _function("llvm.sqrt", 1, "the square root")
size = _function("llvm.fabs", 1, "the absolute value")


def _operator(symbol: Callable[[Any, Any], Any], instruction: str) -> None:
    @intrinsic
    def of_vectors(typing: Any, a: Any, b: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            return getattr(builder, instruction)(*given)

        return vector(vector, vector), build

    @overload(symbol)
    def typed(a, b):  # no annotations: numba compares with the lambdas'
        if a is vector and b is vector:
            return lambda a, b: of_vectors(a, b)
        if a is vector and b == types.float32:
            return lambda a, b: of_vectors(a, spread(b))
        if a == types.float32 and b is vector:
            return lambda a, b: of_vectors(spread(a), b)
        return None


for _symbol, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_symbol, _instruction)
