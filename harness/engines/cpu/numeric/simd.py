"""Vectors of float32 as numba values: one vector is one register, and every operation on it is explicit.

LLVM vectorises a plain loop as it sees fit, and may reorder a sum only where it is told so. Here each operation says
which numbers are computed together and in which order, so the bits depend on the operands alone. ``a + b``, ``a - b``,
``a * b`` and ``a / b`` take two vectors, or a vector and a float32.

Arrays are float32, one-dimensional and C-contiguous; positions count floats.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_jitable, register_model

from harness.engines.cpu.numeric.jit import helper


def _lanes() -> int:
    """16 with 512-bit arithmetic, else 8. Zen 4 splits 512 bits into halves, so 8 cost the same and pad less."""
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
    """Round ``count`` up to a multiple of LANES; callable from Python and from kernels."""
    return -(-count // LANES) * LANES


@register_jitable
def row_length(units: int) -> int:
    """Floats of a row that holds ``units`` numbers and the bias input 1 behind them, in whole vectors."""
    floats: int = padded(units + 1)
    return floats


class Vector(types.Type):
    """Numba type of a vector of ``width`` floats."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Vector{width}")


#: One register; and four of them, whose operations LLVM interleaves: that hides the latency of long dependent chains.
vector, wide = Vector(LANES), Vector(4 * LANES)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _floats(kind.width))


# -- pieces of LLVM code, for the intrinsics here and in matmul.py ---------------------------------------------------


def element(context: Any, builder: Any, kind: Any, array: Any, position: Any) -> Any:
    """Pointer to one float of an array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [position])


def load_at(builder: Any, pointer: Any, width: int = LANES) -> Any:
    """Load ``width`` floats from a pointer to float."""
    return builder.load(builder.bitcast(pointer, _floats(width).as_pointer()), align=4)


def store_at(builder: Any, value: Any, pointer: Any) -> None:
    """Store a vector at a pointer to float."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=4)


def constant(value: float, width: int = LANES) -> Any:
    """A constant in every lane."""
    return ir.Constant(_floats(width), [float(np.float32(value))] * width)


def broadcast_of(builder: Any, number: Any, width: int = LANES) -> Any:
    """Copy a float into every lane."""
    undefined = ir.Constant(_floats(width), ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_ints(width), [0] * width))


def call(builder: Any, name: str, *arguments: Any) -> Any:
    """Call an LLVM function of vectors, such as ``llvm.fma``."""
    kind = arguments[0].type
    function = ir.FunctionType(kind, [kind] * len(arguments))
    symbol = f"{name}.v{kind.count}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, function, symbol), arguments)


def shuffled(builder: Any, a: Any, b: Any, lanes: Sequence[int]) -> Any:
    """Pick ``lanes`` from the concatenation of a and b."""
    return builder.shuffle_vector(a, b, ir.Constant(_ints(len(lanes)), list(lanes)))


def sum_of(builder: Any, value: Any) -> Any:
    """Sum of the lanes by halving: lane i plus lane i + LANES/2, and so on."""
    width = LANES
    while width > 1:
        width //= 2
        low, high = (shuffled(builder, value, value, range(i, i + width)) for i in (0, width))
        value = builder.fadd(low, high)
    return builder.extract_element(value, ir.Constant(_INT, 0))


def transpose_of(builder: Any, rows: Sequence[Any]) -> list[Any]:
    """Transpose LANES vectors, by log2(LANES) perfect shuffles."""
    half, rows = LANES // 2, list(rows)
    # A perfect shuffle interleaves row i with row i + half; doing so log2(LANES) times rotates each index bit once.
    low = [i // 2 + LANES * (i % 2) for i in range(LANES)]
    high = [lane + half for lane in low]
    for _ in range(LANES.bit_length() - 1):
        pairs = [(rows[i], rows[i + half]) for i in range(half)]
        rows = [shuffled(builder, a, b, lanes) for a, b in pairs for lanes in (low, high)]
    return rows


def sums_of(builder: Any, rows: Sequence[Any]) -> Any:
    """Lane sums of LANES vectors, as one vector: transpose, then add the columns pairwise."""
    columns = transpose_of(builder, rows)
    while len(columns) > 1:
        half = len(columns) // 2
        columns = [builder.fadd(columns[i], columns[i + half]) for i in range(half)]
    return columns[0]


# -- values --------------------------------------------------------------------------------------------------------


def _loader(kind: Vector) -> Any:
    @intrinsic
    def load_vector(typing: Any, array: Any, position: Any) -> Any:
        """Load a vector from the array at a position."""

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = element(context, builder, signature.args[0], *arguments)
            return load_at(builder, pointer, kind.width)

        return kind(array, types.intp), build

    return load_vector


load, load_wide = _loader(vector), _loader(wide)


@intrinsic
def store(typing: Any, array: Any, position: Any, value: Any) -> Any:
    """Store a vector into the array at a position."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, position, value = arguments
        store_at(builder, value, element(context, builder, signature.args[0], array, position))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), build


@helper
def copy(out, values):
    """out = values, for arrays of the same number of whole vectors."""
    for i in range(0, len(out), LANES):
        store(out, i, load(values, i))


@helper
def clear(values, start, stop):
    """values[start:stop] = 0, for any bounds."""
    for i in range(start, stop):
        values[i] = 0


@intrinsic
def broadcast(typing: Any, number: Any) -> Any:
    """Copy a float32 into every lane."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return broadcast_of(builder, arguments[0])

    return vector(types.float32), build


@intrinsic
def sum_lanes(typing: Any, value: Any) -> Any:
    """Sum of the lanes, in a fixed order."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return sum_of(builder, arguments[0])

    return types.float32(vector), build


def _elementwise(names: Sequence[str], meaning: str, make: Callable[..., Any]) -> Any:
    """Make a lane-by-lane operation of vectors of one width; float32 arguments are broadcast."""

    def typed(typing: Any, *kinds: Any) -> Any:
        result = next(kind for kind in kinds if isinstance(kind, Vector))

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lifted = [
                value if isinstance(kind, Vector) else broadcast_of(builder, value, result.width)
                for value, kind in zip(arguments, signature.args, strict=True)
            ]
            return make(builder, *lifted)

        numbers = [kind if isinstance(kind, Vector) else types.float32 for kind in kinds]
        return result(*numbers), build

    typed.__doc__ = meaning
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    typed.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in ("typing", *names)])  # type: ignore[attr-defined]
    return intrinsic(typed)


def _where_positive(builder: Any, condition: Any, yes: Any, no: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", condition, constant(0, condition.type.count)), yes, no)


def _clamp(builder: Any, value: Any, low: Any, high: Any) -> Any:
    value = builder.select(builder.fcmp_ordered("<", value, low), low, value)
    return builder.select(builder.fcmp_ordered(">", value, high), high, value)


def _times_power_of_two(builder: Any, value: Any, shifted: Any) -> Any:
    whole = _ints(value.type.count)
    power = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, [23] * value.type.count))
    return builder.bitcast(builder.add(builder.bitcast(value, whole), power), value.type)


#: Adding it to a number below 2^22 rounds that to a whole number k, which is then in the last bits of the sum.
SHIFTER = 1.5 * 2**23

fma = _elementwise("abc", "a b + c, rounded once", lambda b, *x: call(b, "llvm.fma", *x))
sqrt = _elementwise("a", "the square root", lambda b, x: call(b, "llvm.sqrt", x))
absolute = _elementwise("a", "the absolute value", lambda b, x: call(b, "llvm.fabs", x))
where_positive = _elementwise(
    ("condition", "yes", "no"), "yes where the condition is above 0, no elsewhere and where it is nan", _where_positive
)
clamp = _elementwise(("value", "low", "high"), "min(max(value, low), high); nan stays nan", _clamp)
times_power_of_two = _elementwise(
    ("value", "shifted"), "value 2^k for shifted = SHIFTER + k, where that is a normal float", _times_power_of_two
)
_negative = _elementwise("a", "-a", lambda b, x: b.fneg(x))


def _operator(symbol: Callable[[Any, Any], Any], instruction: str) -> None:
    operation = _elementwise("ab", instruction, lambda builder, a, b: getattr(builder, instruction)(a, b))

    @overload(symbol)
    def typed(a, b):  # no annotations: numba compares with the lambdas
        if isinstance(a, Vector) or isinstance(b, Vector):
            return lambda a, b: operation(a, b)
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
