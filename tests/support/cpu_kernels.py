"""The cpu engine's kernels as functions of numpy arrays, and perceptrons laid out for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from harness.data.mlp import Mlp
from harness.engines.cpu.entry import prepare
from harness.engines.cpu.layout import Plan, aligned, padded
from harness.engines.cpu.numeric.jit import KERNELS


def called(name: str) -> Callable[..., Any]:
    """The kernel ``module.function`` of the engine, to be called with arrays and numbers of its own kinds."""
    prepare()
    (found,) = [kernel for kernel in KERNELS if kernel.symbol == f"harness.engines.cpu.{name}"]
    return found.dispatcher


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Normal numbers in float32."""
    return rng.normal(size=shape).astype(np.float32)


class LaidOutMlp:
    """A perceptron with random parameters: as the engine keeps it, and as torch differentiates it in float64."""

    def __init__(self, network: Mlp, rng: np.random.Generator) -> None:
        self.network, self.plan = network, Plan.of(network)
        self.flat = 0.5 * floats(rng, network.size)
        self.theta = self.plan.packed(self.flat)
        self.exact = torch.tensor(self.flat, dtype=torch.float64)[None].requires_grad_()

    def outputs(self, inputs_KN: torch.Tensor) -> torch.Tensor:
        """Outputs (K,) in float64."""
        return self.network.forward(self.network.split(self.exact), inputs_KN[None])[0]

    def gradient(self) -> np.ndarray:
        """Room for a gradient, filled with a number that no gradient has."""
        made = aligned(self.plan.size)
        made[:] = -7.5
        return made

    def padding(self, values: np.ndarray) -> np.ndarray:
        """The numbers that are no parameters."""
        marked = self.plan.packed(np.ones(self.network.size, np.float32))
        return values[marked == 0]


def work_of(laid: LaidOutMlp, columns: int) -> tuple[np.ndarray, ...]:
    """Scratch for slopes, three arrays, as ``desk`` makes them."""
    size = max(laid.plan.widest * padded(columns), columns * padded(laid.network.widths[0] + 1))
    return tuple(aligned(size) for _ in range(3))
