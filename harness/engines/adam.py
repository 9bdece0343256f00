"""Adam over stacked parameters, with learning rate, betas and step counter of its own for every member."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EPSILON = 1e-8  # Kingma and Ba's and torch's default, and so the seed's


@dataclass(frozen=True)
class Rates:
    """Step sizes of U consecutive updates: ``step_UP1`` (negative) and ``epsilon_UP1``, bias corrections folded in.

    With c1 = 1 - beta1^t and c2 = 1 - beta2^t, Adam's  lr (m/c1) / (sqrt(v/c2) + eps)  equals
    (lr sqrt(c2)/c1) m / (sqrt(v) + eps sqrt(c2)), which spares two passes over the parameters.
    """

    step_UP1: Tensor
    epsilon_UP1: Tensor

    @classmethod
    def of(
        cls,
        rate_P: NDArray[np.float64],
        betas_P2: NDArray[np.float64],
        share_UP: NDArray[np.float64],
        first_update: int,
        device: str,
    ) -> Rates:
        """Rates of the updates numbered ``first_update``, +1, ... (from 1), at ``share_UP`` of each member's rate."""
        t_U1 = np.arange(first_update, first_update + len(share_UP), dtype=np.float64)[:, None]
        c1_UP = 1 - betas_P2[:, 0] ** t_U1
        root_UP = np.sqrt(1 - betas_P2[:, 1] ** t_U1)
        step_UP = -rate_P * share_UP * root_UP / c1_UP
        columns = (torch.from_numpy(a).to(device, torch.float32).unsqueeze(2) for a in (step_UP, EPSILON * root_UP))
        return cls(*columns)


class Adam:
    """The moments of P stacked networks, and the update (Kingma, Ba 2015, arXiv:1412.6980, algorithm 1)."""

    def __init__(self, theta_PW: Tensor, betas_P2: NDArray[np.float64]) -> None:
        self.theta_PW = theta_PW
        self.moment_PW = torch.zeros_like(theta_PW)
        self.square_PW = torch.zeros_like(theta_PW)
        self.scratch_PW = torch.empty_like(theta_PW)
        keep = torch.from_numpy(1 - betas_P2).to(theta_PW)
        self.keep1_P1, self.keep2_P1 = keep[:, :1].contiguous(), keep[:, 1:].contiguous()

    def update(self, gradient_PW: Tensor, step_P1: Tensor, epsilon_P1: Tensor) -> None:
        """Move theta in place; a member whose step and gradient are 0 keeps its bits."""
        scratch = self.scratch_PW
        self.moment_PW.lerp_(gradient_PW, self.keep1_P1)
        torch.mul(gradient_PW, gradient_PW, out=scratch)
        self.square_PW.lerp_(scratch, self.keep2_P1)
        torch.sqrt(self.square_PW, out=scratch)
        scratch.add_(epsilon_P1)
        torch.div(self.moment_PW, scratch, out=scratch)
        self.theta_PW.addcmul_(scratch, step_P1)
