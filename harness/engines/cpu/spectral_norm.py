"""D's weights divided by their spectral norm: W bound/sigma with sigma = v^T W u, u and v constants to the gradient.

What ``penalties.SpectralNorm`` does for torch. ``left`` and ``right`` keep v and u, a row for each layer.
Source: Miyato et al. 2018, arXiv:1802.05957, algorithm 1.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from harness.engines.cpu.numeric.jit import F4, F4_2, F8, I8_2, NONE, f8, kernel
from harness.engines.cpu.numeric.simd import copy
from harness.losses.penalties.penalty import FLOOR

_FLOOR = FLOOR


@njit(error_model="numpy")
def _unit(values, count):
    square = 0.0
    for i in range(count):
        square += np.float64(values[i]) ** 2
    length = max(math.sqrt(square), _FLOOR)
    for i in range(count):
        values[i] = np.float32(values[i] / length)


@njit(error_model="numpy")
def _forth(theta, start, inputs, outputs, row, right, left):
    """left = W right."""
    for i in range(inputs):
        total = 0.0
        for o in range(outputs):
            total += np.float64(theta[start + i * row + o]) * np.float64(right[o])
        left[i] = np.float32(total)


@kernel(NONE, I8_2, F4, F4_2, F4_2)
def iterate(net, theta, left, right):
    """One power iteration in every layer: v = W u/|W u|, then u = W^T v/|W^T v|."""
    for layer in range(len(net)):
        inputs, outputs, row, start, _ = net[layer]
        v, u = left[layer], right[layer]
        _forth(theta, start, inputs, outputs, row, u, v)
        _unit(v, inputs)
        for o in range(outputs):
            total = 0.0
            for i in range(inputs):
                total += np.float64(theta[start + i * row + o]) * np.float64(v[i])
            u[o] = np.float32(total)
        _unit(u, outputs)


@kernel(NONE, I8_2, F4, F4_2, F4_2, f8, F8, F4)
def scale(net, theta, left, right, bound, sigmas, out):
    """out = theta with every weight times bound/sigma; biases as they are; the sigmas are kept."""
    copy(out, theta)
    for layer in range(len(net)):
        inputs, outputs, row, start, _ = net[layer]
        sigma = 0.0
        for i in range(inputs):
            for o in range(outputs):
                sigma += np.float64(left[layer, i]) * np.float64(theta[start + i * row + o]) * right[layer, o]
        sigmas[layer] = sigma
        factor = np.float32(bound / sigma)
        for i in range(inputs * row):
            out[start + i] *= factor


@kernel(NONE, I8_2, F4, F4_2, F4_2, f8, F8, F4)
def pull_back(net, theta, left, right, bound, sigmas, gradient):
    """The gradient in theta from that in the scaled weights: bound/sigma (G - <G, W>/sigma v u^T), in place."""
    for layer in range(len(net)):
        inputs, outputs, row, start, _ = net[layer]
        inner = 0.0
        for i in range(inputs * row):
            inner += np.float64(gradient[start + i]) * np.float64(theta[start + i])
        sigma = sigmas[layer]
        for i in range(inputs):
            for o in range(outputs):
                place = start + i * row + o
                turned = inner / sigma * np.float64(left[layer, i]) * np.float64(right[layer, o])
                gradient[place] = np.float32(bound / sigma * (gradient[place] - turned))
