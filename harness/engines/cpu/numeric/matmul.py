"""The one product that everything is made of: a tile of sums of (number times vector), held in registers.

    out[p, q] = sum over i < count of a[i, p] * b[i, q]        p < P numbers, q < Q vectors

``a[i, p]`` is the float at a0 + i a_step + p a_next, ``b[i, q]`` the vector at b0 + i b_step + q LANES, ``out[p, q]``
the vector at o0 + p o_next + q LANES. Terms are added in the order of i, with fused multiply-adds, whatever P and Q:
an element's bits do not depend on which tile it lies in. What the sum begins with is ZERO, OUT, NUMBER and VECTOR.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from harness.engines.cpu.numeric.jit import F4, NONE, i8, kernel
from harness.engines.cpu.numeric.simd import (
    LANES,
    call,
    constant,
    element,
    fma,
    load,
    load_at,
    spread,
    spread_of,
    store_at,
    total,
    totals_of,
    transposed_of,
    vector,
)

_WORD = ir.IntType(64)


def _places(builder: Any, first: Any, step: Any, count: int) -> list[Any]:
    return [builder.add(first, builder.mul(step, ir.Constant(_WORD, i))) for i in range(count)]


#: What a sum begins with: 0; what ``out`` holds; the number after the last of a; the vector after the last of b. The
#: latter are a bias, which is the weight of a 1 that need not be multiplied.
ZERO, OUT, NUMBER, VECTOR = range(4)


def _tile(numbers: int, vectors: int) -> Any:
    """The product of P = ``numbers`` and Q = ``vectors`` as an intrinsic; ``begin`` is ZERO, OUT, NUMBER or VECTOR."""

    @intrinsic
    def tile(
        typing: Any, out: Any, o0: Any, o_next: Any, a: Any, a0: Any, a_step: Any, a_next: Any,
        b: Any, b0: Any, b_step: Any, count: Any, begin: Any,
    ) -> Any:  # fmt: skip
        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            out, o0, o_next, a, a0, a_step, a_next, b, b0, b_step, count, begin = given
            kinds, width = signature.args, ir.Constant(_WORD, LANES)
            outs = [
                [element(context, builder, kinds[0], out, q) for q in _places(builder, p, width, vectors)]
                for p in _places(builder, o0, o_next, numbers)
            ]
            after_a = builder.add(a0, builder.mul(count, a_step))
            after_b = builder.add(b0, builder.mul(count, b_step))
            sums = [[cgutils.alloca_once_value(builder, constant(0)) for _ in range(vectors)] for _ in range(numbers)]
            bias_a = [
                element(context, builder, kinds[3], a, place) for place in _places(builder, after_a, a_next, numbers)
            ]
            bias_b = [
                element(context, builder, kinds[7], b, place) for place in _places(builder, after_b, width, vectors)
            ]
            for choice in (OUT, NUMBER, VECTOR):
                with builder.if_then(builder.icmp_signed("==", begin, ir.Constant(_WORD, choice))):
                    for p, (row, places) in enumerate(zip(sums, outs, strict=True)):
                        for q, (kept, place) in enumerate(zip(row, places, strict=True)):
                            if choice == OUT:
                                first = load_at(builder, place)
                            elif choice == NUMBER:
                                first = spread_of(builder, builder.load(bias_a[p]))
                            else:
                                first = load_at(builder, bias_b[q])
                            builder.store(first, kept)
            with cgutils.for_range(builder, count) as loop:
                first_a = builder.add(a0, builder.mul(loop.index, a_step))
                first_b = builder.add(b0, builder.mul(loop.index, b_step))
                right = [
                    load_at(builder, element(context, builder, kinds[7], b, place))
                    for place in _places(builder, first_b, width, vectors)
                ]
                for row, place in zip(sums, _places(builder, first_a, a_next, numbers), strict=True):
                    left = spread_of(builder, builder.load(element(context, builder, kinds[3], a, place)))
                    for kept, value in zip(row, right, strict=True):
                        builder.store(call(builder, "llvm.fma", left, value, builder.load(kept)), kept)
            for row, places in zip(sums, outs, strict=True):
                for kept, place in zip(row, places, strict=True):
                    store_at(builder, builder.load(kept), place)
            return context.get_dummy_value()

        step = types.intp
        signature = types.void(out, step, step, a, step, step, step, b, step, step, step, step)
        return signature, build

    return tile


#: The largest tile: what it sums stays in registers, of which there are 32 vectors with AVX-512 and 16 without.
MOST = (5, 5) if llvmlite.binding.get_host_cpu_features().get("avx512vl", False) else (4, 3)
_NUMBERS, _VECTORS = MOST


def _choice() -> Any:
    """``tile`` of any P and Q up to MOST: a chain of comparisons around one intrinsic for each."""
    names = "out, o0, o_next, a, a0, a_step, a_next, b, b0, b_step, count, begin"
    scope: dict[str, Any] = {"njit": njit}
    lines = [f"def chosen({names}, numbers, vectors):"]
    for p in range(1, _NUMBERS + 1):
        lines.append(f"    {'if' if p == 1 else 'elif'} numbers == {p}:")
        for q in range(1, _VECTORS + 1):
            scope[f"tile_{p}_{q}"] = _tile(p, q)
            lines.append(f"        {'if' if q == 1 else 'elif'} vectors == {q}: tile_{p}_{q}({names})")
    exec("\n".join(lines), scope)  # noqa: S102
    return njit(error_model="numpy")(scope["chosen"])


_tile_of = _choice()


@kernel(NONE, F4, i8, i8, F4, i8, i8, i8, F4, i8, i8, i8, i8, i8, i8)
def product(out, o0, o_next, a, a0, a_step, a_next, b, b0, b_step, count, numbers, vectors, begin):
    """The product for any P = ``numbers`` and Q = ``vectors``, cut evenly into tiles."""
    strips, blocks = -(-vectors // _VECTORS), -(-numbers // _NUMBERS)
    for strip in range(strips):
        q, q_stop = strip * vectors // strips, (strip + 1) * vectors // strips
        for block in range(blocks):
            p, p_stop = block * numbers // blocks, (block + 1) * numbers // blocks
            _tile_of(
                out, o0 + p * o_next + q * LANES, o_next, a, a0 + p * a_next, a_step, a_next, b, b0 + q * LANES,
                b_step, count, begin, p_stop - p, q_stop - q,
            )  # fmt: skip


@intrinsic
def dots(typing: Any, a: Any, a0: Any, a_next: Any, b: Any, b0: Any, vectors: Any) -> Any:
    """LANES inner products: lane p is the sum of a[a0 + p a_next + j] b[b0 + j] over j < vectors LANES.

    Each is summed lane by lane first, and the lanes at the end, in a fixed order.
    """

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        a, a0, a_next, b, b0, vectors = given
        sums = [cgutils.alloca_once_value(builder, constant(0)) for _ in range(LANES)]
        starts = _places(builder, a0, a_next, LANES)
        with cgutils.for_range(builder, vectors) as loop:
            along = builder.mul(loop.index, ir.Constant(_WORD, LANES))
            right = load_at(builder, element(context, builder, signature.args[3], b, builder.add(b0, along)))
            for kept, start in zip(sums, starts, strict=True):
                left = load_at(builder, element(context, builder, signature.args[0], a, builder.add(start, along)))
                builder.store(call(builder, "llvm.fma", left, right, builder.load(kept)), kept)
        return totals_of(builder, [builder.load(kept) for kept in sums])

    step = types.intp
    return vector(a, step, step, b, step, step), build


@intrinsic
def turn(typing: Any, out: Any, o0: Any, o_next: Any, a: Any, a0: Any, a_next: Any) -> Any:
    """A block of LANES by LANES turned over: out[o0 + j o_next + i] = a[a0 + i a_next + j]."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        out, o0, o_next, a, a0, a_next = given
        rows = [
            load_at(builder, element(context, builder, signature.args[3], a, place))
            for place in _places(builder, a0, a_next, LANES)
        ]
        columns = transposed_of(builder, rows)
        for column, place in zip(columns, _places(builder, o0, o_next, LANES), strict=True):
            store_at(builder, column, element(context, builder, signature.args[0], out, place))
        return context.get_dummy_value()

    step = types.intp
    return types.void(out, step, step, a, step, step), build


@njit(error_model="numpy")
def dot(a, a0, b, b0, vectors):
    """The sum of a[a0 + j] b[b0 + j] over j < vectors LANES."""
    kept = spread(np.float32(0))
    for j in range(0, vectors * LANES, LANES):
        kept = fma(load(a, a0 + j), load(b, b0 + j), kept)
    return total(kept)
