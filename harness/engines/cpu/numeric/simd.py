"""Vectors of float32 as values of numba: what the processor's registers hold, with explicit arithmetic.

A loop over floats is vectorised by LLVM as it sees fit, and a sum only where it may be reordered. Here a vector is a
value: every operation says what is computed together and in which order, so bits depend on nothing but the operands.
``a + b``, ``a - b``, ``a * b`` and ``a / b`` work on two vectors, or a vector and a float32.

Arrays are float32, C-contiguous and of one dimension; positions are counted in floats.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_jitable, register_model


def _lanes() -> int:
    """16 where the processor computes on 512 bits at once, else 8: Zen 4 takes two halves, and 8 pad less."""
    wide = llvmlite.binding.get_host_cpu_features().get("avx512f", False)
    return 16 if wide and llvmlite.binding.get_host_cpu_name() != "znver4" else 8


#: Floats of a vector.
LANES = _lanes()

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)


def _floats(width: int) -> Any:
    return ir.VectorType(_FLOAT, width)


def _ints(width: int) -> Any:
    return ir.VectorType(_INT, width)


@register_jitable
def padded(count: int) -> int:
    """The least multiple of LANES that is not below ``count``, for Python and for kernels."""
    return -(-count // LANES) * LANES


@register_jitable
def room(units: int) -> int:
    """Floats of a row of ``units`` numbers and a 1 behind them, in whole vectors."""
    floats: int = padded(units + 1)
    return floats


class Vector(types.Type):
    """The numba type of so many floats."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Vector{width}")


#: What fits a register; and four of those, whose operations LLVM interleaves, for long chains of them.
vector, wide = Vector(LANES), Vector(4 * LANES)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _floats(kind.width))


# -- building blocks of LLVM's language, for the intrinsics here and in products.py --------------------------------


def element(context: Any, builder: Any, kind: Any, array: Any, position: Any) -> Any:
    """Pointer to one float of an array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [position])


def load_at(builder: Any, pointer: Any, width: int = LANES) -> Any:
    """So many floats from a pointer to a float."""
    return builder.load(builder.bitcast(pointer, _floats(width).as_pointer()), align=4)


def store_at(builder: Any, value: Any, pointer: Any) -> None:
    """A vector to a pointer to a float."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=4)


def constant(value: float, width: int = LANES) -> Any:
    """One number in every lane."""
    return ir.Constant(_floats(width), [float(np.float32(value))] * width)


def spread_of(builder: Any, number: Any, width: int = LANES) -> Any:
    """A float in every lane."""
    undefined = ir.Constant(_floats(width), ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_ints(width), [0] * width))


def call(builder: Any, name: str, *arguments: Any) -> Any:
    """An LLVM function of vectors, such as ``llvm.fma``."""
    kind = arguments[0].type
    function = ir.FunctionType(kind, [kind] * len(arguments))
    symbol = f"{name}.v{kind.count}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, function, symbol), arguments)


def shuffled(builder: Any, a: Any, b: Any, places: Sequence[int]) -> Any:
    """The lanes at ``places`` of a and b side by side."""
    return builder.shuffle_vector(a, b, ir.Constant(_ints(len(places)), list(places)))


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


def _loader(kind: Vector) -> Any:
    @intrinsic
    def loaded(typing: Any, array: Any, position: Any) -> Any:
        """As many floats of the array as the vector has lanes, from a position on."""

        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            return load_at(builder, element(context, builder, signature.args[0], given[0], given[1]), kind.width)

        return kind(array, types.intp), build

    return loaded


load, load_wide = _loader(vector), _loader(wide)


@intrinsic
def store(typing: Any, array: Any, position: Any, value: Any) -> Any:
    """A vector into the array, from a position on."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        store_at(builder, given[2], element(context, builder, signature.args[0], given[0], given[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), build


@njit(error_model="numpy")
def copy(out, values):
    """out = values, for arrays of the same number of whole vectors."""
    for i in range(0, len(out), LANES):
        store(out, i, load(values, i))


@intrinsic
def spread(typing: Any, number: Any) -> Any:
    """A float32 in every lane of a register."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return spread_of(builder, given[0])

    return vector(types.float32), build


@intrinsic
def total(typing: Any, value: Any) -> Any:
    """The sum of a register's lanes, in a fixed order."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return total_of(builder, given[0])

    return types.float32(vector), build


def _elementwise(names: Sequence[str], meaning: str, make: Callable[..., Any]) -> Any:
    """An operation lane by lane: of vectors of one width, among which there may be float32 numbers."""

    def typed(typing: Any, *kinds: Any) -> Any:
        result = next(kind for kind in kinds if isinstance(kind, Vector))

        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            lifted = [
                value if isinstance(kind, Vector) else spread_of(builder, value, result.width)
                for value, kind in zip(given, signature.args, strict=True)
            ]
            return make(builder, *lifted)

        numbers = [kind if isinstance(kind, Vector) else types.float32 for kind in kinds]
        return result(*numbers), build

    typed.__doc__ = meaning
    place = inspect.Parameter.POSITIONAL_OR_KEYWORD
    typed.__signature__ = inspect.Signature([inspect.Parameter(n, place) for n in ("typing", *names)])  # type: ignore[attr-defined]
    return intrinsic(typed)


def _where_positive(builder: Any, condition: Any, yes: Any, no: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", condition, constant(0, condition.type.count)), yes, no)


def _clipped(builder: Any, value: Any, low: Any, high: Any) -> Any:
    value = builder.select(builder.fcmp_ordered("<", value, low), low, value)
    return builder.select(builder.fcmp_ordered(">", value, high), high, value)


def _times_power_of_two(builder: Any, value: Any, shifted: Any) -> Any:
    whole = _ints(value.type.count)
    power = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, [23] * value.type.count))
    return builder.bitcast(builder.add(builder.bitcast(value, whole), power), value.type)


#: Added to a number of less than 2^22 it leaves the nearest whole number k in the last bits of the sum.
SHIFTER = 1.5 * 2**23

fma = _elementwise("abc", "a b + c, rounded once", lambda b, *x: call(b, "llvm.fma", *x))
root = _elementwise("a", "the square root", lambda b, x: call(b, "llvm.sqrt", x))
size = _elementwise("a", "the absolute value", lambda b, x: call(b, "llvm.fabs", x))
where_positive = _elementwise(
    ("condition", "yes", "no"), "yes where the condition is above 0, else no, also where it is nan", _where_positive
)
clipped = _elementwise(("value", "low", "high"), "min(max(value, low), high); nan stays nan", _clipped)
times_power_of_two = _elementwise(
    ("value", "shifted"), "value 2^k for shifted = SHIFTER + k, where that is a normal float", _times_power_of_two
)
_negative = _elementwise("a", "-a", lambda b, x: b.fneg(x))


def _operator(symbol: Callable[[Any, Any], Any], instruction: str) -> None:
    made = _elementwise("ab", instruction, lambda builder, a, b: getattr(builder, instruction)(a, b))

    @overload(symbol)
    def typed(a, b):  # no annotations: numba compares with the lambdas
        if isinstance(a, Vector) or isinstance(b, Vector):
            return lambda a, b: made(a, b)
        return None


for _symbol, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_symbol, _instruction)


@overload(operator.neg)
def _negated(a):
    return (lambda a: _negative(a)) if isinstance(a, Vector) else None
