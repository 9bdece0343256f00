"""Losses of the generator's values themselves, without a discriminator: what the architecture can reach at all.

A ``Direct`` loss compares a generated minibatch with the target. It is no function of a logit, so it is a torch
function, differentiated by autograd; a variant that has one trains its generator on it (``Variant.direct``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TargetQuantiles:
    """What a direct loss may know of the target: its quantiles, and a table of them.

    ``quantiles_B`` are Q((i - 1/2)/B), i = 1..B, for a minibatch of B values; ``table_N`` are Q((i - 1/2)/N) for a
    larger N (``TABLE``), from which the distribution function can be interpolated.
    """

    quantiles_B: Tensor
    table_N: Tensor


#: N, the length of ``TargetQuantiles.table_N``.
TABLE = 4096


@dataclass(frozen=True)
class Direct:
    """A loss of minibatches: ``loss(fake_PB, real_PB, truth)`` gives ``loss_P``, one number a generator, to minimise.

    ``formula`` is its LaTeX, with x_i the generated and y_i the real values; ``text`` the same on one plain line.
    ``version`` stands for the function in a member's key: raise it when the function changes. ``quadratic`` is how many
    tensors of P B^2 numbers it holds at once, beside what grows with P B.
    """

    formula: str
    text: str
    loss: Callable[[Tensor, Tensor, TargetQuantiles], Tensor]
    version: int = 1
    quadratic: int = 0

    def slopes(self, fake_PB: Tensor, real_PB: Tensor, truth: TargetQuantiles) -> tuple[Tensor, Tensor]:
        """The losses (P,), and the derivative of each in its own row of values (P, B)."""
        import torch

        with torch.enable_grad():
            values_PB = fake_PB.detach().requires_grad_()
            loss_P = self.loss(values_PB, real_PB, truth)
            (slope_PB,) = torch.autograd.grad(loss_P.sum(), values_PB)
        return loss_P.detach(), slope_PB
