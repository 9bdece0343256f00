"""The one product that everything is made of: a tile of sums of (number times vector), held in registers.

    out[p, q] = sum over i < terms of a[i, p] * b[i, q]        p < numbers, q < vectors

``a`` is a matrix of numbers, ``b`` and ``out`` rows of vectors. Terms are added in the order of i with fused
multiply-adds, whatever the numbers and vectors are, so an element's bits do not depend on the tile that it lies in.

Why tiles: a single sum would wait for each multiply-add to finish before the next. P Q independent sums keep the units
busy, and of P + Q loads each is used Q or P times.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from harness.engines.cpu.numeric.jit import F4, NONE, helper, i8, kernel, tuple_type
from harness.engines.cpu.numeric.simd import (
    LANES,
    broadcast,
    broadcast_of,
    call,
    constant,
    element,
    fma,
    load,
    load_at,
    store_at,
    sum_lanes,
    sums_of,
    transpose_of,
    vector,
)

_WORD = ir.IntType(64)


class Matrix(NamedTuple):
    """Numbers of an array: a[i, p] is the float at start + i row_stride + p column_stride."""

    values: NDArray[np.float32]
    start: int
    row_stride: int
    column_stride: int


class Rows(NamedTuple):
    """Vectors of an array: b[i, q] is the vector at start + i stride + q LANES."""

    values: NDArray[np.float32]
    start: int
    stride: int


class Size(NamedTuple):
    """Terms of each sum, numbers (columns of a, rows of the result), and vectors in a row of the result."""

    terms: int
    numbers: int
    vectors: int


MATRIX, ROWS, SIZE = tuple_type(Matrix, F4, i8, i8, i8), tuple_type(Rows, F4, i8, i8), tuple_type(Size, i8, i8, i8)

#: What a sum begins with: 0; what ``out`` holds; the number behind a's last row; the vector behind b's last row. The
#: last two are a bias, which is the weight of an input 1 that need not be multiplied.
ZERO, OUT, NUMBER, VECTOR = range(4)


def _positions(builder: Any, first: Any, step: Any, count: int) -> list[Any]:
    return [builder.add(first, builder.mul(step, ir.Constant(_WORD, i))) for i in range(count)]


class _Tile:
    """LLVM code of one tile: pointers are made from the three operands, sums live in stack slots that LLVM promotes."""

    def __init__(self, context: Any, builder: Any, kinds: Any, operands: Any) -> None:
        self.context, self.builder = context, builder
        self.kinds = [kind[0] for kind in kinds[:3]]  # the array types of out, a and b
        self.out, self.a, self.b = (cgutils.unpack_tuple(builder, operand) for operand in operands)
        self.width = ir.Constant(_WORD, LANES)

    def outs(self, numbers: int, vectors: int) -> list[list[Any]]:
        """Pointers to the vectors of the result."""
        values, start, stride = self.out
        return [
            [element(self.context, self.builder, self.kinds[0], values, at) for at in self._vectors(row, vectors)]
            for row in _positions(self.builder, start, stride, numbers)
        ]

    def numbers(self, i: Any, numbers: int) -> list[Any]:
        """Pointers to row i of a."""
        values, start, row_stride, column_stride = self.a
        first = self.builder.add(start, self.builder.mul(i, row_stride))
        positions = _positions(self.builder, first, column_stride, numbers)
        return [element(self.context, self.builder, self.kinds[1], values, at) for at in positions]

    def vectors(self, i: Any, vectors: int) -> list[Any]:
        """Pointers to row i of b."""
        values, start, stride = self.b
        first = self.builder.add(start, self.builder.mul(i, stride))
        return [element(self.context, self.builder, self.kinds[2], values, at) for at in self._vectors(first, vectors)]

    def _vectors(self, first: Any, vectors: int) -> list[Any]:
        return _positions(self.builder, first, self.width, vectors)

    def begin(self, sums: list[list[Any]], outs: list[list[Any]], terms: Any, choice: Any) -> None:
        """Set the sums to what they begin with; they are 0 already."""
        builder = self.builder
        # Both biases' pointers are made before the branches, so that each of these holds loads alone.
        bias_a, bias_b = self.numbers(terms, len(sums)), self.vectors(terms, len(sums[0]))
        for option in (OUT, NUMBER, VECTOR):
            with builder.if_then(builder.icmp_signed("==", choice, ir.Constant(_WORD, option))):
                for p, row in enumerate(sums):
                    for q, total in enumerate(row):
                        if option == OUT:
                            first = load_at(builder, outs[p][q])
                        elif option == NUMBER:
                            first = broadcast_of(builder, builder.load(bias_a[p]))
                        else:
                            first = load_at(builder, bias_b[q])
                        builder.store(first, total)

    def accumulate(self, sums: list[list[Any]], terms: Any) -> None:
        """Add all terms, in the order of i."""
        builder = self.builder
        with cgutils.for_range(builder, terms) as loop:
            # The Q vectors of b's row stay in registers while each number of a's row is broadcast against them.
            right = [load_at(builder, pointer) for pointer in self.vectors(loop.index, len(sums[0]))]
            for row, pointer in zip(sums, self.numbers(loop.index, len(sums)), strict=True):
                left = broadcast_of(builder, builder.load(pointer))
                for total, value in zip(row, right, strict=True):
                    builder.store(call(builder, "llvm.fma", left, value, builder.load(total)), total)


def _tile(numbers: int, vectors: int) -> Any:
    """The product of fixed ``numbers`` and ``vectors`` as an intrinsic."""

    @intrinsic
    def tile(typing: Any, out: Any, a: Any, b: Any, terms: Any, begin: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            *operands, terms, begin = arguments
            # Sums are stack slots: LLVM keeps them in registers, as all indices into them are known.
            code = _Tile(context, builder, signature.args, operands)
            outs = code.outs(numbers, vectors)
            sums = [[cgutils.alloca_once_value(builder, constant(0)) for _ in range(vectors)] for _ in range(numbers)]
            code.begin(sums, outs, terms, begin)
            code.accumulate(sums, terms)
            for row, pointers in zip(sums, outs, strict=True):
                for total, pointer in zip(row, pointers, strict=True):
                    store_at(builder, builder.load(total), pointer)
            return context.get_dummy_value()

        return types.void(out, a, b, types.intp, types.intp), build

    return tile


#: The largest tile (numbers, vectors) whose sums stay in registers: 32 vectors with AVX-512, 16 without.
MOST = (5, 5) if llvmlite.binding.get_host_cpu_features().get("avx512vl", False) else (4, 3)
_NUMBERS, _VECTORS = MOST


def _choice() -> Any:
    """Make ``chosen``, which calls the tile of given numbers and vectors: comparisons around one intrinsic for each."""
    scope: dict[str, Any] = {}
    lines = ["def chosen(out, a, b, size, begin):"]
    for p in range(1, _NUMBERS + 1):
        lines.append(f"    {'if' if p == 1 else 'elif'} size.numbers == {p}:")
        for q in range(1, _VECTORS + 1):
            scope[f"tile_{p}_{q}"] = _tile(p, q)
            condition = "if" if q == 1 else "elif"
            lines.append(f"        {condition} size.vectors == {q}: tile_{p}_{q}(out, a, b, size.terms, begin)")
    exec("\n".join(lines), scope)  # noqa: S102
    return helper(scope["chosen"])


_tile_of = _choice()


@kernel(NONE, ROWS, MATRIX, ROWS, SIZE, i8)
def product(out, a, b, size, begin):
    """The product of any size, cut into tiles as even as can be: 6 numbers are 3 + 3, not 5 + 1."""
    # Strips outside, so that a strip of b stays in the first cache while all blocks of a go over it.
    strips, blocks = -(-size.vectors // _VECTORS), -(-size.numbers // _NUMBERS)
    for strip in range(strips):
        q, q_stop = strip * size.vectors // strips, (strip + 1) * size.vectors // strips
        for block in range(blocks):
            p, p_stop = block * size.numbers // blocks, (block + 1) * size.numbers // blocks
            _tile_of(
                Rows(out.values, out.start + p * out.stride + q * LANES, out.stride),
                Matrix(a.values, a.start + p * a.column_stride, a.row_stride, a.column_stride),
                Rows(b.values, b.start + q * LANES, b.stride),
                Size(size.terms, p_stop - p, q_stop - q),
                begin,
            )


@intrinsic
def dots(typing: Any, a: Any, b: Any, b_start: Any, vectors: Any) -> Any:
    """LANES inner products: lane p is that of row p of ``a`` (``Rows``) with ``vectors`` vectors of b from b_start on.

    Each is summed lane by lane first, and the lanes at the end, in a fixed order.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, b, b_start, vectors = arguments
        a, a_start, a_stride = cgutils.unpack_tuple(builder, rows)
        a_kind, b_kind = signature.args[0][0], signature.args[1]
        sums = [cgutils.alloca_once_value(builder, constant(0)) for _ in range(LANES)]
        # LANES sums at once share the loads of b, and are added up by one transposition in place of LANES reductions.
        starts = _positions(builder, a_start, a_stride, LANES)
        with cgutils.for_range(builder, vectors) as loop:
            along = builder.mul(loop.index, ir.Constant(_WORD, LANES))
            right = load_at(builder, element(context, builder, b_kind, b, builder.add(b_start, along)))
            for total, start in zip(sums, starts, strict=True):
                left = load_at(builder, element(context, builder, a_kind, a, builder.add(start, along)))
                builder.store(call(builder, "llvm.fma", left, right, builder.load(total)), total)
        return sums_of(builder, [builder.load(total) for total in sums])

    return vector(a, b, types.intp, types.intp), build


@intrinsic
def transpose_block(typing: Any, out: Any, a: Any) -> Any:
    """Transpose a block of LANES by LANES, both given as ``Rows``: out[j, i] = a[i, j]."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = [kind[0] for kind in signature.args]
        (out, out_start, out_stride), (a, a_start, a_stride) = (cgutils.unpack_tuple(builder, x) for x in arguments)
        rows = [
            load_at(builder, element(context, builder, kinds[1], a, at))
            for at in _positions(builder, a_start, a_stride, LANES)
        ]
        for column, at in zip(
            transpose_of(builder, rows), _positions(builder, out_start, out_stride, LANES), strict=True
        ):
            store_at(builder, column, element(context, builder, kinds[0], out, at))
        return context.get_dummy_value()

    return types.void(out, a), build


@helper
def dot(a, a_start, b, b_start, vectors):
    """Inner product of ``vectors`` vectors of a from a_start on with those of b from b_start on."""
    total = broadcast(np.float32(0))
    for j in range(0, vectors * LANES, LANES):
        total = fma(load(a, a_start + j), load(b, b_start + j), total)
    return sum_lanes(total)
