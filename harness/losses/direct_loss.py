"""The record of a direct loss: one of the generated values themselves, without a discriminator.

It compares a generated minibatch with the target, and so shows what the architecture can reach at all. It is not a
function of logits but a torch function, differentiated by autograd. A variant that has one (``Variant.direct``) trains
its generator on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TargetQuantiles:
    """The quantiles of the target: all that a direct loss may know of it.

    ``quantiles_B`` are Q((i - 1/2)/B), i = 1..B, for a minibatch of B values; ``table_N`` are Q((i - 1/2)/N) for a
    larger N (``TABLE``), from which the distribution function can be interpolated.
    """

    quantiles_B: Tensor
    table_N: Tensor


#: N, the length of ``TargetQuantiles.table_N``.
TABLE = 4096


@dataclass(frozen=True)
class Direct:
    """A loss of minibatches: ``loss(fake_PB, real_PB, target)`` gives ``loss_P``, one number per generator to minimise.

    ``formula`` is its LaTeX, with x_i the generated and y_i the real values; ``text`` is the same on one plain line.
    ``version`` stands for the function in a member's key: increase it when the function changes. ``quadratic`` is the
    number of tensors of P B^2 numbers that it holds at once, beside those of order P B.
    """

    formula: str
    text: str
    loss: Callable[[Tensor, Tensor, TargetQuantiles], Tensor]
    version: int = 1
    quadratic: int = 0

    def slopes(self, fake_PB: Tensor, real_PB: Tensor, target: TargetQuantiles) -> tuple[Tensor, Tensor]:
        """The losses (P,) and their derivatives in the generated values (P, B)."""
        import torch

        with torch.enable_grad():
            values_PB = fake_PB.detach().requires_grad_()
            loss_P = self.loss(values_PB, real_PB, target)
            (slope_PB,) = torch.autograd.grad(loss_P.sum(), values_PB)
        return loss_P.detach(), slope_PB
