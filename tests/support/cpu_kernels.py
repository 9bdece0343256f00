"""The cpu engine's kernels as functions of numpy arrays, and perceptrons laid out for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from harness.data.mlp import Mlp
from harness.engines.cpu.layout import MlpLayout, aligned
from harness.engines.cpu.numeric.jit import KERNELS, prepare
from harness.engines.cpu.numeric.mlp import Scratch, Weights
from harness.engines.cpu.numeric.simd import padded, row_length


def called(name: str) -> Callable[..., Any]:
    """Kernel ``module.function`` of the engine, to be called with arguments of the types it declares."""
    prepare()
    (kernel,) = [kernel for kernel in KERNELS if kernel.symbol == f"harness.engines.cpu.{name}"]
    return kernel.dispatcher


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Normal numbers in float32."""
    return rng.normal(size=shape).astype(np.float32)


class LaidOutMlp:
    """A perceptron with random parameters: as the engine lays it out, and as torch differentiates it in float64."""

    def __init__(self, network: Mlp, rng: np.random.Generator) -> None:
        self.network, self.layout = network, MlpLayout.of(network)
        self.flat = 0.5 * floats(rng, network.size)
        self.weights = Weights(self.layout.layers, self.layout.packed(self.flat))
        self.exact = torch.tensor(self.flat, dtype=torch.float64)[None].requires_grad_()

    def outputs(self, inputs_KN: torch.Tensor) -> torch.Tensor:
        """Outputs (K,) in float64."""
        return self.network.forward(self.network.split(self.exact), inputs_KN[None])[0]

    def gradient(self) -> np.ndarray:
        """Memory for a gradient, filled with a number that no gradient has."""
        values = aligned(self.layout.size)
        values[:] = -7.5
        return values

    def padding(self, values: np.ndarray) -> np.ndarray:
        """Those of the values that are no parameters."""
        marked = self.layout.packed(np.ones(self.network.size, np.float32))
        return values[marked == 0]


def scratch_of(mlp: LaidOutMlp, columns: int) -> Scratch:
    """Scratch for deltas of so many columns or rows, as ``workspace`` makes it."""
    size = max(mlp.layout.widest * padded(columns), columns * row_length(mlp.network.widths[0]))
    return Scratch(*(aligned(size) for _ in range(3)))
