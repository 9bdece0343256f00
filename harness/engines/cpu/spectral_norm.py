"""D's weights over their spectral norm: W bound/sigma with sigma = v^T W u.

The same as ``losses.penalties.weights`` does for torch, in float64 sums; u and v are constants to the gradient. W is
(I, O) without its biases; ``left`` and ``right`` hold v (I,) and u (O,), a row for each layer.
Source: Miyato et al. 2018, arXiv:1802.05957, algorithm 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.engines.cpu.numeric.jit import F4, F4_2, F8, NONE, f8, helper, kernel, tuple_type
from harness.engines.cpu.numeric.mlp import WEIGHTS
from harness.engines.cpu.numeric.record import float_table
from harness.engines.cpu.numeric.simd import copy
from harness.losses.penalties.penalty import FLOOR

_FLOOR = FLOOR


class SingularVectors(NamedTuple):
    """Estimates of the first singular vectors: (layers, widest layer)."""

    left: NDArray[np.float32]
    right: NDArray[np.float32]


VECTORS = tuple_type(SingularVectors, F4_2, F4_2)


@helper
def vectors_of(run):
    """A member's singular vectors."""
    depth, stride = run.d.depth, run.vector_stride
    return SingularVectors(float_table(run.left_vectors, depth, stride), float_table(run.right_vectors, depth, stride))


@helper
def _normalize(values, count):
    square = 0.0
    for i in range(count):
        square += np.float64(values[i]) ** 2
    length = max(math.sqrt(square), _FLOOR)
    for i in range(count):
        values[i] = np.float32(values[i] / length)


@kernel(NONE, WEIGHTS, VECTORS)
def iterate(weights, vectors):
    """One power iteration in every layer: v = W u/|W u|, then u = W^T v/|W^T v|."""
    layers, theta = weights
    for layer in range(len(layers)):
        inputs, outputs, row, start, _ = layers[layer]
        v, u = vectors.left[layer], vectors.right[layer]  # (I,), (O,)
        for i in range(inputs):
            total = 0.0
            for o in range(outputs):
                total += np.float64(theta[start + i * row + o]) * np.float64(u[o])
            v[i] = np.float32(total)
        _normalize(v, inputs)
        for o in range(outputs):
            total = 0.0
            for i in range(inputs):
                total += np.float64(theta[start + i * row + o]) * np.float64(v[i])
            u[o] = np.float32(total)
        _normalize(u, outputs)


@kernel(NONE, WEIGHTS, VECTORS, f8, F8, F4)
def scale(weights, vectors, bound, sigmas, out):
    """out = theta with every weight times bound/sigma and biases as they are; ``sigmas`` (layers,) are kept."""
    layers, theta = weights
    copy(out, theta)
    for layer in range(len(layers)):
        inputs, outputs, row, start, _ = layers[layer]
        sigma = 0.0  # v^T W u
        for i in range(inputs):
            for o in range(outputs):
                weight = np.float64(theta[start + i * row + o])
                sigma += np.float64(vectors.left[layer, i]) * weight * vectors.right[layer, o]
        sigmas[layer] = sigma
        # I rows, padding included; the row behind them is the bias.
        factor = np.float32(bound / sigma)
        for i in range(inputs * row):
            out[start + i] *= factor


@kernel(NONE, WEIGHTS, VECTORS, f8, F8, F4)
def scale_gradient(weights, vectors, bound, sigmas, gradient):
    """Turn the gradient G in the scaled weights into that in W, in place: bound/sigma (G - <G, W>/sigma v u^T)."""
    layers, theta = weights
    for layer in range(len(layers)):
        inputs, outputs, row, start, _ = layers[layer]
        # <G, W> over all entries: padding is 0 in both.
        inner = 0.0
        for i in range(inputs * row):
            inner += np.float64(gradient[start + i]) * np.float64(theta[start + i])
        sigma = sigmas[layer]
        for i in range(inputs):
            for o in range(outputs):
                at = start + i * row + o
                through = inner / sigma * np.float64(vectors.left[layer, i]) * np.float64(vectors.right[layer, o])
                gradient[at] = np.float32(bound / sigma * (gradient[at] - through))
