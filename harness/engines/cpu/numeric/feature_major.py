"""A perceptron on many inputs, feature-major (mlp.py): a feature is a row, and the inputs lie along the vectors.

Layer l is given (I_l + 1, stride) numbers, of which the last row is all 1. Its delta is (O_l, padded(count)). Columns
from the count to the stride are padding: finite numbers, which output slopes of 0 cancel.
"""

from __future__ import annotations

import numpy as np

from harness.engines.cpu.numeric.activations import activate, derivative
from harness.engines.cpu.numeric.jit import F4, NONE, helper, i8, kernel
from harness.engines.cpu.numeric.matmul import (
    NUMBER,
    OUT,
    ROWS,
    ZERO,
    Matrix,
    Rows,
    Size,
    dot,
    dots,
    product,
    transpose_block,
)
from harness.engines.cpu.numeric.mlp import ACTIVATION, ACTIVATIONS, INPUTS, SCRATCH, START, WEIGHTS, Scratch
from harness.engines.cpu.numeric.simd import LANES, broadcast, load, padded, store

#: With fewer inputs than this a layer's gradient is made of inner products.
_FEW = 4


@kernel(NONE, WEIGHTS, ACTIVATIONS, i8, F4)
def forward(weights, activations, vectors, out):
    """Outputs of the first ``vectors`` of columns; activations hold the inputs, and get those of every layer."""
    layers, theta = weights
    values, offsets, stride = activations
    last = len(layers) - 1
    for layer in range(last):
        inputs, outputs, row, start, activation = layers[layer]
        # z (O, columns) = W^T h: one number of W against whole rows of h, the bias as the first term of each sum. The
        # activation overwrites z.
        above = Rows(values, offsets[layer + 1], stride)
        h = Rows(values, offsets[layer], stride)
        product(above, Matrix(theta, start, row, 1), h, Size(inputs, outputs, vectors), NUMBER)
        activate(activation, above, outputs, vectors * LANES)
    # The one output: the last layer's weights have no padding between rows.
    inputs, start = layers[last, INPUTS], layers[last, START]
    h = Rows(values, offsets[last], stride)
    product(Rows(out, 0, 0), Matrix(theta, start, 1, 0), h, Size(inputs, 1, vectors), NUMBER)


@kernel(NONE, F4, i8, i8, i8, F4)
def transpose_delta(delta, units, columns, row, out):
    """Turn a delta (units, columns) into (columns, row), with zeros where units are padded up to the row."""
    # Rows beyond the units hold what another layer left there.
    for unit in range(units, row):
        for c in range(0, columns, LANES):
            store(delta, unit * columns + c, broadcast(np.float32(0)))
    # Block by block in registers: each number is loaded and stored once, in whole vectors.
    for unit in range(0, row, LANES):
        for c in range(0, columns, LANES):
            transpose_block(Rows(out, c * row + unit, row), Rows(delta, unit * columns + c, columns))


@kernel(NONE, ROWS, ROWS, i8, F4, i8)
def last_layer_gradient(out, h, inputs, slopes, begin):
    """Gradient of the last layer, (I + 1,): the inner product of each input's row with the output slopes (count,).

    ``begin`` is ZERO, or OUT to add to what is there.
    """
    vectors, whole = padded(len(slopes)) // LANES, (inputs + 1) - (inputs + 1) % LANES
    # LANES rows of h at a time, so that their sums come out as one vector; then the rest one by one.
    for i in range(0, whole, LANES):
        sums = dots(Rows(h.values, h.start + i * h.stride, h.stride), slopes, 0, vectors)
        at = out.start + i
        store(out.values, at, load(out.values, at) + sums if begin == OUT else sums)
    for i in range(whole, inputs + 1):
        single = dot(h.values, h.start + i * h.stride, slopes, 0, vectors)
        at = out.start + i
        out.values[at] = out.values[at] + single if begin == OUT else single


@helper
def _layer_gradient(line, h, count, scratch, gradient):
    """Gradient of a layer, (I + 1, row): what it was given times its delta, summed over ``count`` columns."""
    inputs, outputs, row, start, _ = line
    delta, columns = scratch.delta, padded(count)  # (O, columns)
    if inputs < _FEW:
        # A block of units at a time against each of the few inputs, along both: nothing is transposed.
        for unit in range(outputs, row):
            for c in range(0, columns, LANES):
                store(delta, unit * columns + c, broadcast(np.float32(0)))
        for i in range(inputs + 1):
            for unit in range(0, row, LANES):
                block = Rows(delta, unit * columns, columns)
                sums = dots(block, h.values, h.start + i * h.stride, columns // LANES)
                store(gradient, start + i * row + unit, sums)
        return
    # Transposed, the sum over columns becomes a product's sum over terms, with units along the vectors.
    transpose_delta(delta, outputs, columns, row, scratch.transposed)
    size = Size(count, inputs + 1, row // LANES)
    inputs_by_column = Matrix(h.values, h.start, 1, h.stride)
    product(Rows(gradient, start, row), inputs_by_column, Rows(scratch.transposed, 0, row), size, ZERO)


@helper
def _top_delta(weights, activations, slopes, delta):
    """Delta of the last hidden layer: output slope times weight times a'(z)."""
    layers, theta = weights
    values, offsets, stride = activations
    last, columns = len(layers) - 1, padded(len(slopes))
    activation, start = layers[last - 1, ACTIVATION], layers[last, START]
    # One weight for each unit, because the layer above has one output: no product is needed.
    for unit in range(layers[last, INPUTS]):
        weight = broadcast(theta[start + unit])
        h = offsets[last] + unit * stride
        for c in range(0, columns, LANES):
            store(delta, unit * columns + c, load(slopes, c) * weight * derivative(activation, load(values, h + c)))


@helper
def _delta_below(weights, activations, layer, columns, scratch):
    """Delta of the layer below: weights times delta, times a'(z). The result has it as its ``delta``."""
    layers, theta = weights
    values, offsets, stride = activations
    inputs, outputs, row, start, _ = layers[layer]
    delta, below = Rows(scratch.delta, 0, columns), scratch.below  # (O, columns), (I, columns)
    # W is read along its rows here, and along its columns on the way forward: a matrix has two strides for that.
    size = Size(outputs, inputs, columns // LANES)
    product(Rows(below, 0, columns), Matrix(theta, start, 1, row), delta, size, ZERO)
    # a'(z) comes from h, the result of the layer below.
    activation = layers[layer - 1, ACTIVATION]
    for unit in range(inputs):
        h = offsets[layer] + unit * stride
        for c in range(0, columns, LANES):
            at = unit * columns + c
            store(below, at, load(below, at) * derivative(activation, load(values, h + c)))
    return Scratch(below, scratch.delta, scratch.transposed)


@kernel(NONE, WEIGHTS, ACTIVATIONS, F4, SCRATCH, F4)
def gradient(weights, activations, slopes, scratch, gradient):
    """Gradient from output slopes (count,), which are 0 from there up to whole vectors."""
    layers = weights.layers
    values, offsets, stride = activations
    last, count = len(layers) - 1, len(slopes)
    out, h = Rows(gradient, layers[last, START], 0), Rows(values, offsets[last], stride)
    last_layer_gradient(out, h, layers[last, INPUTS], slopes, ZERO)
    if last == 0:
        return
    _top_delta(weights, activations, slopes, scratch.delta)
    # A layer's gradient before the delta below it, which takes the other buffer.
    for layer in range(last - 1, -1, -1):
        _layer_gradient(layers[layer], Rows(values, offsets[layer], stride), count, scratch, gradient)
        if layer > 0:
            scratch = _delta_below(weights, activations, layer, padded(count), scratch)


@kernel(NONE, WEIGHTS, ACTIVATIONS, F4, SCRATCH, F4)
def input_slopes(weights, activations, slopes, scratch, out):
    """Slopes in the network's inputs, (inputs, padded(count)), from output slopes as in ``gradient``."""
    layers, theta = weights
    last, columns = len(layers) - 1, padded(len(slopes))
    inputs, outputs, row, start, _ = layers[0]
    if last == 0:  # D is linear: its slope in every input is a weight
        size = Size(1, inputs, columns // LANES)
        product(Rows(out, 0, columns), Matrix(theta, start, 0, 1), Rows(slopes, 0, 0), size, ZERO)
        return
    _top_delta(weights, activations, slopes, scratch.delta)
    for layer in range(last - 1, 0, -1):
        scratch = _delta_below(weights, activations, layer, columns, scratch)
    size = Size(outputs, inputs, columns // LANES)
    product(Rows(out, 0, columns), Matrix(theta, start, 1, row), Rows(scratch.delta, 0, columns), size, ZERO)
