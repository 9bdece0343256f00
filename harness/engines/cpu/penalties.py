"""Gradients of penalties phi(|g|) on D's slope g = dD/dx in its input, without a graph.

A penalty's derivative in D's parameters is that of g in the fixed direction v = phi'(|g|)/|g| g, that is of the
directional derivative D'(x; v). phi'(|g|)/|g| is the penalty's coefficient. With z = W^T h + b and h = a(z) in every
layer, tangents (derivatives along v, marked ') are carried forward as

    z' = W^T h',  h' = a'(z) z',        h' = v at the inputs,

and with r', r the slopes of the result in h' and h, from r' = w and r = 0 at the last layer, backward as

    s' = a'(z) r',  s = a''(z) z' r' + a'(z) r,        dW += h' s'^T + h s^T,  db += s,        r' <- W s',  r <- W s.

All of it is feature-major (numeric/mlp.py), with zeros where activations have ones: the derivative of a constant.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.engines.cpu.discriminator import input_grid, random_buffers
from harness.engines.cpu.losses import execute
from harness.engines.cpu.numeric import feature_major
from harness.engines.cpu.numeric.activations import derivative, second_derivative
from harness.engines.cpu.numeric.jit import F4, NONE, f8, helper, i8, kernel, run_type, tuple_type
from harness.engines.cpu.numeric.matmul import OUT, ZERO, Matrix, Rows, Size, product
from harness.engines.cpu.numeric.mlp import (
    ACTIVATIONS,
    INPUTS,
    START,
    WEIGHTS,
    activations_of,
    scratch_of,
)
from harness.engines.cpu.numeric.record import double_table, floats, words
from harness.engines.cpu.numeric.rng import AROUND, SEGMENT, draw_at, draw_from, draw_uniforms
from harness.engines.cpu.numeric.simd import LANES, broadcast, clear, fma, load, padded, store
from harness.engines.quantile_table import LEVELS
from harness.losses.penalties import Site
from harness.losses.penalties.gradient import SPREAD

_LEVELS, _SPREAD = LEVELS, SPREAD
_ZERO = np.float32(0)

#: The sites in the order in which norms and weights have them.
SITES = tuple(Site)
_SITES = len(SITES)
_REAL, _FAKE, _SEGMENT, _AROUND = (SITES.index(s) for s in (Site.REAL, Site.FAKE, Site.SEGMENT, Site.AROUND))


class Tangents(NamedTuple):
    """Derivatives along v: h' of every layer, laid out as the activations; z' likewise; and K ones."""

    values: NDArray[np.float32]
    sums: NDArray[np.float32]
    ones: NDArray[np.float32]


class PairScratch(NamedTuple):
    """Room for the slopes r' and r of a layer and of the one below, and for one of them transposed."""

    in_tangents: NDArray[np.float32]
    in_tangents_below: NDArray[np.float32]
    in_activations: NDArray[np.float32]
    in_activations_below: NDArray[np.float32]
    transposed: NDArray[np.float32]


TANGENTS, PAIR_SCRATCH = tuple_type(Tangents, F4, F4, F4), tuple_type(PairScratch, F4, F4, F4, F4, F4)


# -- the derivative of D'(x; v) ------------------------------------------------------------------------------------


@helper
def _carry_tangents(weights, activations, tangents):
    """h' and z' of every layer, from v, which stands where the inputs' tangents do."""
    layers, theta = weights
    values, offsets, stride = activations
    for layer in range(len(layers) - 1):
        inputs, outputs, row, start, activation = layers[layer]
        # As forward, but from ZERO: a bias has no derivative.
        first = offsets[layer + 1]
        h, size = Rows(tangents.values, offsets[layer], stride), Size(inputs, outputs, stride // LANES)
        product(Rows(tangents.sums, first, stride), Matrix(theta, start, row, 1), h, size, ZERO)
        for i in range(first, first + outputs * stride, LANES):
            store(tangents.values, i, load(tangents.sums, i) * derivative(activation, load(values, i)))


@helper
def _through_activation(activation, activations, tangents, block, scratch):
    """(r', r) to (s', s), in place, in a layer whose outputs lie in ``block`` = (first float, floats)."""
    first, count = block
    slopes, others = scratch.in_tangents, scratch.in_activations  # r' and r, (O, stride)
    for i in range(0, count, LANES):
        h, r = load(activations.values, first + i), load(slopes, i)
        slope = derivative(activation, h)
        # h' = a'(z) z' depends on z through a'(z) too.
        bend = second_derivative(activation, h) * load(tangents.sums, first + i) * r
        store(slopes, i, r * slope)
        store(others, i, fma(load(others, i), slope, bend))


@helper
def _add_layer(line, h, delta, count, gradient):
    """gradient += given delta^T for a layer; ``delta`` is transposed: (columns, row) floats."""
    inputs, _, row, start, _ = line
    size = Size(count, inputs + 1, row // LANES)
    product(Rows(gradient, start, row), Matrix(h.values, h.start, 1, h.stride), Rows(delta, 0, row), size, OUT)


@kernel(NONE, WEIGHTS, ACTIVATIONS, TANGENTS, PAIR_SCRATCH, F4)
def add_directional_gradient(weights, activations, tangents, scratch, gradient):
    """Add the derivative of the sum of D'(x; v) over as many inputs as there are ones."""
    layers, theta = weights
    values, offsets, stride = activations
    last, count = len(layers) - 1, len(tangents.ones)
    _carry_tangents(weights, activations, tangents)
    inputs, start = layers[last, INPUTS], layers[last, START]
    h = Rows(tangents.values, offsets[last], stride)
    feature_major.last_layer_gradient(Rows(gradient, start, 0), h, inputs, tangents.ones, OUT)
    if last == 0:
        return
    # At the last layer r' = w and r = 0: D'(x; v) is linear in the last tangents.
    for unit in range(inputs):
        weight = broadcast(theta[start + unit])
        for c in range(0, stride, LANES):
            store(scratch.in_tangents, unit * stride + c, load(tangents.ones, c) * weight)
            store(scratch.in_activations, unit * stride + c, broadcast(_ZERO))
    for layer in range(last - 1, -1, -1):
        inputs, outputs, row, start, activation = layers[layer]
        block = (offsets[layer + 1], outputs * stride)
        _through_activation(activation, activations, tangents, block, scratch)
        # dW += h' s'^T + h s^T: two products, each adding to the gradient.
        for slopes, factor in ((scratch.in_tangents, tangents.values), (scratch.in_activations, values)):
            feature_major.transpose_delta(slopes, outputs, stride, row, scratch.transposed)
            _add_layer(layers[layer], Rows(factor, offsets[layer], stride), scratch.transposed, count, gradient)
        # Both slopes go down through the same weights, each between two buffers that change places.
        if layer > 0:
            a, a_below, b, b_below, transposed = scratch
            matrix, size = Matrix(theta, start, 1, row), Size(outputs, inputs, stride // LANES)
            product(Rows(a_below, 0, stride), matrix, Rows(a, 0, stride), size, ZERO)
            product(Rows(b_below, 0, stride), matrix, Rows(b, 0, stride), size, ZERO)
            scratch = PairScratch(a_below, a, b_below, b, transposed)


# -- penalties at one site -----------------------------------------------------------------------------------------


@helper
def _deviation(inputs, grid):
    """Standard deviation of all real features of the minibatch."""
    count = grid.decisions * inputs
    mean = square = 0.0
    for k in range(grid.decisions):
        for n in range(inputs):
            mean += grid.values[grid.start + n * grid.feature_stride + k * grid.decision_stride]
    mean /= count
    for k in range(grid.decisions):
        for n in range(inputs):
            square += (grid.values[grid.start + n * grid.feature_stride + k * grid.decision_stride] - mean) ** 2
    return math.sqrt(square / count)


@kernel(NONE, run_type, i8, i8)
def _place_inputs(run, site, update):
    """Put the inputs at which penalties look, made of the real and fake ones of D's update, into their activations."""
    decisions, inputs, d_activations = run.decisions, run.inputs, activations_of(run.d_activations, run.d)
    grid = input_grid(run, d_activations.values, d_activations.offsets[0], d_activations.stride)
    out = activations_of(run.site_activations, run.d)
    levels, drawn = random_buffers(run)
    deviation = 0.0
    if site == _SEGMENT:
        draw_uniforms(draw_at(run, SEGMENT, update), decisions, levels, drawn)
    elif site == _AROUND:
        normal = floats(run.normal_table, _LEVELS)
        draw_from(normal, draw_at(run, AROUND, update), decisions * inputs, levels, drawn)
        deviation = _SPREAD * _deviation(inputs, grid)
    for k in range(decisions):
        for n in range(inputs):
            # The fake decisions stand K behind the real ones.
            at = grid.start + n * grid.feature_stride + k * grid.decision_stride
            real, fake = grid.values[at], grid.values[at + decisions * grid.decision_stride]
            x = real if site == _REAL else fake
            if site == _SEGMENT:
                x = fake + drawn[k] * (real - fake)
            elif site == _AROUND:
                x = real + np.float32(deviation) * drawn[k * inputs + n]
            out.values[out.offsets[0] + n * out.stride + k] = x


@kernel(NONE, run_type, i8, f8)
def _set_direction(run, site, factor):
    """From D's slopes in ``input_slopes``: record their norms, and make v times the weights the inputs' tangents."""
    decisions, inputs, program = run.decisions, run.inputs, run.penalty_coefficients
    tangents = activations_of(run.tangents, run.d)
    stride, first = run.site_activations.stride, tangents.offsets[0]
    slope, norms = floats(run.input_slopes, inputs * stride), floats(run.slope_norms, _SITES * decisions)
    registers = double_table(program.registers, program.register_count, decisions)
    outputs = words(program.outputs, program.output_count)
    weights = double_table(run.penalty_weights, _SITES, program.output_count)
    # The norm is the programs' one input, register 0; penalties of one site share it.
    for k in range(decisions):
        square = 0.0
        for n in range(inputs):
            square += np.float64(slope[n * stride + k]) ** 2
        registers[0, k] = math.sqrt(square)
        norms[site * decisions + k] = math.sqrt(square)
    execute(program, decisions)
    clear(tangents.values, first, first + inputs * stride)
    for k in range(decisions):
        coefficient = 0.0
        for i in range(program.output_count):
            if weights[site, i] > 0 and outputs[i] >= 0:
                coefficient += weights[site, i] * registers[outputs[i], k]
        for n in range(inputs):
            at = n * stride + k
            tangents.values[first + at] = coefficient * factor / decisions * slope[at]


@kernel(NONE, run_type, WEIGHTS, i8, i8, f8)
def _add_at_site(run, weights, site, update, factor):
    """Add the gradient of the penalties that look at a site."""
    decisions, activations = run.decisions, activations_of(run.site_activations, run.d)
    ones = floats(run.unit_slopes, decisions)  # the slope of the sum of all logits
    _place_inputs(run, site, update)
    feature_major.forward(weights, activations, padded(decisions) // LANES, floats(run.output_slopes, decisions))
    feature_major.input_slopes(weights, activations, ones, scratch_of(run), floats(run.input_slopes, 1))
    _set_direction(run, site, factor)
    tangents = Tangents(floats(run.tangents.values, 1), floats(run.tangent_sums, 1), ones)
    scratch = PairScratch(
        floats(run.delta_a, 1),
        floats(run.delta_b, 1),
        floats(run.second_delta_a, 1),
        floats(run.second_delta_b, 1),
        floats(run.transposed, 1),
    )
    add_directional_gradient(weights, activations, tangents, scratch, floats(run.d.gradient, run.d.size))


@helper
def add_penalties(run, weights, update, factor):
    """Add the gradients of all penalties to D's, which computes with ``weights``."""
    penalties = run.penalty_coefficients.output_count
    factors = double_table(run.penalty_weights, _SITES, penalties)
    for site in range(_SITES):
        looks = False
        for i in range(penalties):
            looks = looks or factors[site, i] > 0
        if looks:
            _add_at_site(run, weights, site, update, factor)
