"""One player of P games: its stacked networks, optimizer and gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.mlp import Mlp
from harness.engines.batched.optimizers import OPTIMIZERS
from harness.losses.penalties import SpectralNorm


class Player:
    """P stacked networks of one player; ``per_step`` is how many updates of it a step draws numbers for."""

    def __init__(
        self,
        network: Mlp,
        letter: str,
        u_PW: Tensor,
        *,
        rate_P: NDArray[np.float64],
        betas_P2: NDArray[np.float64],
        optimizer: str,
        per_step: int,
    ) -> None:
        self.network, self.letter, self.rate_P, self.per_step = network, letter, rate_P, per_step
        self.gradient_names = tuple(f"gradient of {letter}.{name}" for name in network.tensor_names)
        self.theta_PW = network.initial(u_PW).float()
        self.parts = [part.requires_grad_() for part in network.split(self.theta_PW)]
        self.optimizer = OPTIMIZERS[optimizer](self.theta_PW, betas_P2)
        self.gradient_PW = torch.zeros_like(self.theta_PW)
        self.norm_P = torch.zeros_like(self.theta_PW[:, 0])
        self.normaliser: SpectralNorm | None = None

    def forward(self, x_PKN: Tensor) -> Tensor:
        """Outputs (P, K), through normalised weights where they are normalised."""
        parts = self.parts if self.normaliser is None else self.normaliser.apply(self.parts)
        return self.network.forward(parts, x_PKN)

    def differentiate(
        self, outputs: Sequence[Tensor], slopes: Sequence[Tensor], extra: Sequence[Tensor] | None = None
    ) -> None:
        """Fill ``gradient_PW`` and its norms from the loss's slopes at the outputs; ``extra`` is added part by part."""
        grads: Sequence[Tensor] = torch.autograd.grad(list(outputs), self.parts, list(slopes))
        if extra is not None:
            grads = [a + b for a, b in zip(grads, extra, strict=True)]
        torch.cat([g.flatten(1) for g in grads], dim=1, out=self.gradient_PW)
        torch.linalg.vector_norm(self.gradient_PW, dim=1, out=self.norm_P)

    def state(self) -> list[Tensor]:
        """Every tensor that a step changes and the next step reads."""
        return [*self.optimizer.state(), *(self.normaliser.state() if self.normaliser else ())]


class Players(NamedTuple):
    """Generators and discriminators of a stack."""

    g: Player
    d: Player
