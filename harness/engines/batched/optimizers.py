"""Optimizers over stacked parameters; every member has its own rates, betas and step counter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Float64 = NDArray[np.float64]

EPSILON = 1e-8  # Kingma and Ba's and torch's default, and so the script's


@dataclass(frozen=True)
class Rates:
    """Factors of U consecutive updates: ``step_UP1``, negative, and ``epsilon_UP1``."""

    step_UP1: Tensor
    epsilon_UP1: Tensor

    @classmethod
    def of(cls, step_UP: Float64, epsilon_UP: Float64, device: str) -> Rates:
        """Rates in float32 on the device, from float64 on the host."""
        return cls(*(torch.from_numpy(a).to(device, torch.float32).unsqueeze(2) for a in (step_UP, epsilon_UP)))


class Optimizer:
    """Parameters ``theta_PW`` of P stacked networks, and what an update remembers of earlier gradients."""

    def __init__(self, theta_PW: Tensor, betas_P2: Float64) -> None:
        self.theta_PW, self.betas_P2 = theta_PW, betas_P2
        self.moment_PW = torch.zeros_like(theta_PW)
        betas = torch.from_numpy(betas_P2).to(theta_PW)
        keep = torch.from_numpy(1 - betas_P2).to(theta_PW)
        self.beta1_P1 = betas[:, :1].contiguous()
        self.keep1_P1, self.keep2_P1 = keep[:, :1].contiguous(), keep[:, 1:].contiguous()

    def rates(self, rate_UP: Float64, first_update: int, device: str) -> Rates:
        """Rates of the updates numbered ``first_update``, +1, ... (from 1), at learning rates ``rate_UP``."""
        return Rates.of(-rate_UP, np.full_like(rate_UP, EPSILON), device)

    def update(self, gradient_PW: Tensor, step_P1: Tensor, epsilon_P1: Tensor) -> None:
        """Move theta in place; a member whose step and gradient are 0 keeps its bits."""
        raise NotImplementedError

    def state(self) -> list[Tensor]:
        """Every tensor that an update changes."""
        return [self.theta_PW, self.moment_PW]


class Sgd(Optimizer):
    """Gradient descent with momentum: m <- beta1 m + g, theta <- theta - lr m (torch's SGD without dampening).

    A negative beta1 is the negative momentum of Gidel et al. 2019 (arXiv:1807.04740).
    """

    def update(self, gradient_PW: Tensor, step_P1: Tensor, epsilon_P1: Tensor) -> None:
        self.moment_PW.mul_(self.beta1_P1).add_(gradient_PW)
        self.theta_PW.addcmul_(self.moment_PW, step_P1)


class RmsProp(Optimizer):
    """v <- beta2 v + (1 - beta2) g^2, m <- beta1 m + g/(sqrt(v) + eps), theta <- theta - lr m (torch's RMSprop).

    Source: Tieleman, Hinton 2012, "Neural Networks for Machine Learning", lecture 6.5.
    """

    def __init__(self, theta_PW: Tensor, betas_P2: Float64) -> None:
        super().__init__(theta_PW, betas_P2)
        self.square_PW = torch.zeros_like(theta_PW)

    def update(self, gradient_PW: Tensor, step_P1: Tensor, epsilon_P1: Tensor) -> None:
        self.square_PW.lerp_(gradient_PW * gradient_PW, self.keep2_P1)
        self.moment_PW.mul_(self.beta1_P1).add_(gradient_PW / (self.square_PW.sqrt() + epsilon_P1))
        self.theta_PW.addcmul_(self.moment_PW, step_P1)

    def state(self) -> list[Tensor]:
        return [*super().state(), self.square_PW]


class Adam(Optimizer):
    """Adam (Kingma, Ba 2015, arXiv:1412.6980, algorithm 1), bias corrections folded into the rates.

    With c1 = 1 - beta1^t and c2 = 1 - beta2^t,  lr (m/c1) / (sqrt(v/c2) + eps)  equals
    (lr sqrt(c2)/c1) m / (sqrt(v) + eps sqrt(c2)), which spares two passes over the parameters.
    """

    def __init__(self, theta_PW: Tensor, betas_P2: Float64) -> None:
        super().__init__(theta_PW, betas_P2)
        self.square_PW = torch.zeros_like(theta_PW)
        self.scratch_PW = torch.empty_like(theta_PW)

    def rates(self, rate_UP: Float64, first_update: int, device: str) -> Rates:
        t_U1 = np.arange(first_update, first_update + len(rate_UP), dtype=np.float64)[:, None]
        c1_UP = 1 - self.betas_P2[:, 0] ** t_U1
        root_UP = np.sqrt(1 - self.betas_P2[:, 1] ** t_U1)
        return Rates.of(-rate_UP * root_UP / c1_UP, EPSILON * root_UP, device)

    def direction(self, gradient_PW: Tensor, epsilon_P1: Tensor) -> Tensor:
        """m/(sqrt(v) + eps) with the moments advanced by the gradient; valid until the next call."""
        scratch = self.scratch_PW
        self.moment_PW.lerp_(gradient_PW, self.keep1_P1)
        torch.mul(gradient_PW, gradient_PW, out=scratch)
        self.square_PW.lerp_(scratch, self.keep2_P1)
        torch.sqrt(self.square_PW, out=scratch)
        scratch.add_(epsilon_P1)
        return torch.div(self.moment_PW, scratch, out=scratch)

    def update(self, gradient_PW: Tensor, step_P1: Tensor, epsilon_P1: Tensor) -> None:
        self.theta_PW.addcmul_(self.direction(gradient_PW, epsilon_P1), step_P1)

    def state(self) -> list[Tensor]:
        return [*super().state(), self.square_PW]


class OptimisticAdam(Adam):
    """theta <- theta + 2 d_t - d_(t-1) for Adam's steps d_t, d_0 = 0.

    Source: Daskalakis, Ilyas, Syrgkanis, Zeng 2018 (arXiv:1711.00141), algorithm 1.
    """

    def __init__(self, theta_PW: Tensor, betas_P2: Float64) -> None:
        super().__init__(theta_PW, betas_P2)
        self.previous_PW = torch.zeros_like(theta_PW)

    def update(self, gradient_PW: Tensor, step_P1: Tensor, epsilon_P1: Tensor) -> None:
        moved_PW = self.direction(gradient_PW, epsilon_P1).mul_(step_P1)
        self.previous_PW.masked_fill_(step_P1 == 0, 0.0)
        self.theta_PW.add_(moved_PW, alpha=2).sub_(self.previous_PW)
        self.previous_PW.copy_(moved_PW)

    def state(self) -> list[Tensor]:
        return [*super().state(), self.previous_PW]


#: Every optimizer by its name in ``Shape.optimizer``.
OPTIMIZERS: Mapping[str, type[Optimizer]] = MappingProxyType(
    {"adam": Adam, "optimistic_adam": OptimisticAdam, "sgd": Sgd, "rmsprop": RmsProp}
)
