"""Consensus optimisation: both players also descend on the squared length of the game's gradient field.

With v = (dL_D/d theta_D, dL_G/d theta_G) and L = |v|^2/2, each player's gradient gets weight * dL/d(its parameters).
Source: Mescheder, Nowozin, Geiger 2017 (arXiv:1705.10461), eq. 7 and section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.engines.batched.inputs import noisy

if TYPE_CHECKING:
    from harness.engines.batched.gradients import DiscriminatorGradient
    from harness.engines.batched.player import Player
    from harness.engines.batched.step import Stack


def consensus_gradient(
    stack: Stack,
    player: Player,
    judged: DiscriminatorGradient,
    z_PBZ: Tensor,
    noise_PB: Tensor | None,
    weight_P1: Tensor,
) -> list[Tensor]:
    """weight * dL/d(parameters of ``player``), part by part, on D's real data and on what G makes of the given noise.

    The losses are the variants' alone: no penalty, no direct loss. Slopes stay differentiable functions of the logits
    here, so the second derivatives are autograd's.
    """
    with torch.enable_grad():
        fake_PB = stack.g.forward(z_PBZ)
        fake_PKN = stack.group.view.features(noisy(fake_PB, noise_PB))
        logits_PK = stack.d.forward(torch.cat([judged.real_PKN, fake_PKN], dim=1))
        real_PK, fake_PK = logits_PK.chunk(2, dim=1)
        decisions = fake_PK.shape[1]
        slopes_d_PK = stack.runs.discriminator_slopes(real_PK, fake_PK, judged.label_draws_PK) / decisions
        slopes_g_PK = stack.runs.generator_slopes(real_PK, fake_PK) / decisions
        field_d = torch.autograd.grad(logits_PK, stack.d.parts, slopes_d_PK, create_graph=True)
        field_g = torch.autograd.grad(fake_PK, stack.g.parts, slopes_g_PK, create_graph=True)
        # What is constant, as a bias behind constant slopes, has nothing to differentiate.
        field = [part for part in (*field_d, *field_g) if part.requires_grad]
        pulls = [weight_P1.unsqueeze(2) * part.detach() for part in field]
    found = torch.autograd.grad(field, player.parts, pulls, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, player.parts, strict=True)]
