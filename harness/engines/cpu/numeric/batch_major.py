"""A perceptron on few inputs, batch-major (mlp.py): an input is a row, and its features lie along the vectors.

Layer l is given (count, row_length(I_l)) numbers: I_l features, a 1, and zeros. Its delta is (count, row_length(O_l)).
"""

from __future__ import annotations

from harness.engines.cpu.numeric.activations import activate, derivative
from harness.engines.cpu.numeric.jit import F4, NONE, f8, helper, kernel
from harness.engines.cpu.numeric.matmul import VECTOR, ZERO, Matrix, Rows, Size, dot, dots, product
from harness.engines.cpu.numeric.mlp import (
    ACTIVATION,
    ACTIVATIONS,
    GRADIENT,
    INPUTS,
    SCRATCH,
    START,
    WEIGHTS,
    Scratch,
)
from harness.engines.cpu.numeric.simd import LANES, clear, load, row_length, store


@helper
def complete_rows(values, start, units, count):
    """Put the 1 and the zeros behind the ``units`` numbers of each of ``count`` rows."""
    row = row_length(units)
    for r in range(count):
        values[start + r * row + units] = 1
        for i in range(units + 1, row):
            values[start + r * row + i] = 0


@kernel(NONE, WEIGHTS, ACTIVATIONS, F4)
def forward(weights, activations, out):
    """Outputs (count,) of as many rows; activations hold the inputs, complete, and get those of every layer."""
    layers, theta = weights
    values, offsets, _ = activations
    last, count = len(layers) - 1, len(out)
    for layer in range(last):
        inputs, outputs, row, start, activation = layers[layer]
        # z (count, O) = h W: one number of h against whole rows of W, the bias, W's last row, as the first term.
        above = Rows(values, offsets[layer + 1], row_length(outputs))
        h = Matrix(values, offsets[layer], 1, row_length(inputs))
        product(above, h, Rows(theta, start, row), Size(inputs, count, row // LANES), VECTOR)
        # An activation of padding may be anything (sigmoid(0) is 1/2), so that is written again.
        activate(activation, above, count, row)
        complete_rows(values, above.start, outputs, count)
    # The 1 behind the features meets the bias, so the whole row is one inner product.
    row = row_length(layers[last, INPUTS])
    for r in range(count):
        out[r] = dot(values, offsets[last] + r * row, theta, layers[last, START], row // LANES)


@helper
def _top_delta(weights, activations, slopes, delta):
    """Delta of the last hidden layer."""
    layers, theta = weights
    values, offsets, _ = activations
    last = len(layers) - 1
    activation, inputs, start = layers[last - 1, ACTIVATION], layers[last, INPUTS], layers[last, START]
    row = row_length(inputs)
    for r in range(len(slopes)):
        for i in range(0, row, LANES):
            h = load(values, offsets[last] + r * row + i)
            store(delta, r * row + i, load(theta, start + i) * slopes[r] * derivative(activation, h))
        # The bias has no delta, and nothing may leak from padding.
        clear(delta, r * row + inputs, (r + 1) * row)


@helper
def _delta_below(weights, activations, layer, count, scratch):
    """Delta of the layer below; the result has it as its ``delta``."""
    layers, theta = weights
    inputs, outputs, stride, start, _ = layers[layer]
    row, wide, activation = row_length(inputs), row_length(outputs), layers[layer - 1, ACTIVATION]
    # W delta_r: the sum over outputs runs along the rows of W, as the vectors do, so it is made of inner products.
    for r in range(count):
        h = activations.offsets[layer] + r * row
        for i in range(0, inputs, LANES):
            block = Rows(theta, start + i * stride, stride)
            sums = dots(block, scratch.delta, r * wide, stride // LANES)
            store(scratch.below, r * row + i, sums * derivative(activation, load(activations.values, h + i)))
        clear(scratch.below, r * row + inputs, (r + 1) * row)
    return Scratch(scratch.below, scratch.delta, scratch.transposed)


@helper
def _squared_norm_of_sum(h, delta, count):
    """Squared norm of the sum of h_r delta_r^T over ``count`` rows: the sum of (h_r . h_s)(delta_r . delta_s)."""
    # count^2 inner products in place of a pass over all I O entries: count is 2 where this is used.
    square = 0.0
    for r in range(count):
        for s in range(count):
            i, o = h.start, delta.start
            inner = dot(h.values, i + r * h.stride, h.values, i + s * h.stride, h.stride // LANES)
            outer = dot(delta.values, o + r * delta.stride, delta.values, o + s * delta.stride, delta.stride // LANES)
            square += float(inner) * outer
    return square


@kernel(f8, WEIGHTS, ACTIVATIONS, F4, SCRATCH, GRADIENT)
def gradient(weights, activations, slopes, scratch, gradient):
    """Gradient from output slopes (count,); returns its squared norm, found from its factors."""
    layers = weights.layers
    values, offsets, _ = activations
    last, count = len(layers) - 1, len(slopes)
    row = row_length(layers[last, INPUTS])
    h, size = Rows(values, offsets[last], row), Size(count, 1, row // LANES)
    # The last layer's gradient (I + 1,) is the sum of its inputs times the output slopes.
    product(Rows(gradient.values, layers[last, START], 0), Matrix(slopes, 0, 1, 0), h, size, ZERO)
    square = 0.0
    for r in range(count):
        for s in range(count):
            inner = dot(values, offsets[last] + r * row, values, offsets[last] + s * row, row // LANES)
            square += float(inner) * slopes[r] * slopes[s]
    if last == 0:
        return square
    _top_delta(weights, activations, slopes, scratch.delta)
    for layer in range(last - 1, -1, -1):
        inputs, outputs, stride, start, _ = layers[layer]
        row, wide = row_length(inputs), row_length(outputs)
        h, delta = Rows(values, offsets[layer], row), Rows(scratch.delta, 0, wide)
        if layer == 0 and len(gradient.first_delta) > 0:
            # The factors stay; the optimizer multiplies them as it updates (optimizers.update_factored).
            for i in range(0, count * wide, LANES):
                store(gradient.first_delta, i, load(delta.values, i))
        else:
            # (I + 1, O): the sum over rows of h_r delta_r^T.
            size = Size(count, inputs + 1, stride // LANES)
            product(Rows(gradient.values, start, stride), Matrix(values, h.start, row, 1), delta, size, ZERO)
        square += _squared_norm_of_sum(h, delta, count)
        if layer > 0:
            scratch = _delta_below(weights, activations, layer, count, scratch)
    return square


@kernel(NONE, WEIGHTS, ACTIVATIONS, F4, SCRATCH, F4)
def input_slopes(weights, activations, slopes, scratch, out):
    """Slopes in the network's inputs, (count, row_length(inputs)) of which the first ``inputs`` count."""
    layers, theta = weights
    last, count = len(layers) - 1, len(slopes)
    inputs, outputs, stride, start, _ = layers[0]
    row, wide = row_length(inputs), row_length(outputs)
    if last == 0:
        for r in range(count):
            for i in range(0, row, LANES):
                store(out, r * row + i, load(theta, start + i) * slopes[r])
        return
    _top_delta(weights, activations, slopes, scratch.delta)
    for layer in range(last - 1, 0, -1):
        scratch = _delta_below(weights, activations, layer, count, scratch)
    for r in range(count):
        for i in range(0, inputs, LANES):
            block = Rows(theta, start + i * stride, stride)
            store(out, r * row + i, dots(block, scratch.delta, r * wide, stride // LANES))
