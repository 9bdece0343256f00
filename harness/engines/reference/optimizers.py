"""Optimizers of the reference engine: one network's state in float64, and the step that a gradient asks for.

Each returns what to subtract from theta; a negative ``beta1`` is allowed wherever it is a momentum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from harness.config import Settings

#: In Adam's and RMSprop's denominators; the default of Kingma and Ba, and of torch.
EPSILON = 1e-8


class Optimizer(Protocol):
    """State of one network's optimizer."""

    def step(self, gradient_1W: Tensor, rate: float) -> Tensor:
        """Step (1, W) to subtract from theta at this learning rate; the state advances by one update."""


class Sgd:
    """Gradient descent with heavy-ball momentum: m = beta1 m + g, step = rate m.

    Source: Polyak 1964; the scaling of m is torch.optim.SGD's with dampening 0.
    """

    def __init__(self, theta_1W: Tensor, s: Settings) -> None:
        self.momentum = s.beta1
        self.moment_1W = torch.zeros_like(theta_1W)

    def step(self, gradient_1W: Tensor, rate: float) -> Tensor:
        self.moment_1W.mul_(self.momentum).add_(gradient_1W)
        return rate * self.moment_1W


class RmsProp:
    """v = beta2 v + (1 - beta2) g^2, m = beta1 m + g / (sqrt(v) + 1e-8), step = rate m.

    Source: Tieleman, Hinton 2012 (lecture 6.5); momentum and epsilon stand where torch.optim.RMSprop has them.
    """

    def __init__(self, theta_1W: Tensor, s: Settings) -> None:
        self.momentum, self.decay = s.beta1, s.beta2
        self.moment_1W = torch.zeros_like(theta_1W)
        self.square_1W = torch.zeros_like(theta_1W)

    def step(self, gradient_1W: Tensor, rate: float) -> Tensor:
        self.square_1W.mul_(self.decay).addcmul_(gradient_1W, gradient_1W, value=1 - self.decay)
        self.moment_1W.mul_(self.momentum).add_(gradient_1W / (self.square_1W.sqrt() + EPSILON))
        return rate * self.moment_1W


class Adam:
    """Adam with bias correction.

    Source: Kingma, Ba 2015, arXiv:1412.6980, algorithm 1.
    """

    def __init__(self, theta_1W: Tensor, s: Settings) -> None:
        self.beta1, self.beta2 = s.beta1, s.beta2
        self.moment_1W = torch.zeros_like(theta_1W)
        self.square_1W = torch.zeros_like(theta_1W)
        self.updates = 0

    def step(self, gradient_1W: Tensor, rate: float) -> Tensor:
        self.updates += 1
        self.moment_1W.mul_(self.beta1).add_(gradient_1W, alpha=1 - self.beta1)
        self.square_1W.mul_(self.beta2).addcmul_(gradient_1W, gradient_1W, value=1 - self.beta2)
        moment_1W = self.moment_1W / (1 - self.beta1**self.updates)
        square_1W = self.square_1W / (1 - self.beta2**self.updates)
        return rate * moment_1W / (square_1W.sqrt() + EPSILON)


class OptimisticAdam(Adam):
    """Twice Adam's step less the one before: d_u is Adam's, step = 2 d_u - d_(u-1), with d_0 = 0.

    Source: Daskalakis, Ilyas, Syrgkanis, Zeng 2018, arXiv:1711.00141, algorithm 1.
    """

    def __init__(self, theta_1W: Tensor, s: Settings) -> None:
        super().__init__(theta_1W, s)
        self.last_1W = torch.zeros_like(theta_1W)

    def step(self, gradient_1W: Tensor, rate: float) -> Tensor:
        before_1W, self.last_1W = self.last_1W, super().step(gradient_1W, rate)
        return 2 * self.last_1W - before_1W


#: Every optimizer by its name in ``Shape.optimizer``.
OPTIMIZERS: Mapping[str, Callable[[Tensor, Settings], Optimizer]] = MappingProxyType(
    {"adam": Adam, "optimistic_adam": OptimisticAdam, "sgd": Sgd, "rmsprop": RmsProp}
)
