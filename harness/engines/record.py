"""What a snapshot keeps of a stack's last step: one value a member, reduced row by row."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from harness.engines.gradients import DiscriminatorGradient
from harness.engines.stack import Stack

Float64 = NDArray[np.float64]


@np.errstate(over="ignore", invalid="ignore")  # stopped members may have anything in their gradients
def record(stack: Stack) -> dict[str, Float64]:
    """Losses, minibatch statistics, D's probabilities, penalty and gradient norms of the last step."""
    judged = stack.d_gradient
    real_PB, fake_PB = _rows(judged.real_PB), _rows(judged.fake_PB)
    real_PK, fake_PK = (_rows(logits) for logits in judged.logits_PK.chunk(2, dim=1))
    return {
        "real_mean": real_PB.mean(axis=1),
        "real_sd": real_PB.std(axis=1),
        "fake_mean": fake_PB.mean(axis=1),
        "fake_sd": fake_PB.std(axis=1),
        "grad_norm_d": np.sqrt(np.square(_rows(stack.d.gradient_PW)).sum(axis=1)),
        "grad_norm_g": np.sqrt(np.square(_rows(stack.g.gradient_PW)).sum(axis=1)),
        "d_real": expit(real_PK).mean(axis=1),
        "d_fake": expit(fake_PK).mean(axis=1),
        "penalty": _penalty(judged, len(real_PB)),
        **_losses(stack, len(real_PB)),
    }


def _losses(stack: Stack, members: int) -> dict[str, Float64]:
    judged, made = stack.d_gradient, stack.g_gradient
    losses = {name: np.full(members, math.nan) for name in ("loss_d", "loss_d_real", "loss_d_fake", "loss_g")}
    real_PK, fake_PK = judged.logits_PK.chunk(2, dim=1)
    for run in stack.runs:
        rows, variant, labels = run.rows, run.variant, run.labels(judged.label_draws_PK)
        decided = (real_PK[rows], fake_PK[rows])
        known_PK = None if made.logits_real_PK is None else made.logits_real_PK[rows]
        found = {
            "loss_d": variant.discriminator_loss(*decided, labels=labels, **run.params),
            "loss_g": variant.generator_loss(known_PK, made.logits_fake_PK[rows], **run.params),
        }
        parts = variant.discriminator_parts(*decided, labels=labels, **run.params)
        found |= {n: p for n, p in zip(("loss_d_real", "loss_d_fake"), parts, strict=True) if p is not None}
        for name, loss_PK in found.items():
            losses[name][rows] = _rows(loss_PK).mean(axis=1)
    if made.direct_P is not None:
        losses["loss_g"] += _rows(made.direct_P)
    return losses


def _penalty(judged: DiscriminatorGradient, members: int) -> Float64:
    if not judged.penalties:
        return np.full(members, math.nan)
    total_P = np.zeros(members)
    for penalty, weight_P1 in judged.penalties:
        weight_P = _rows(weight_P1 * judged.share_P1)[:, 0]
        for site in penalty.sites:
            total_P += weight_P * _rows(penalty.value(judged.norm_PK[site])).mean(axis=1)
    return total_P


def _rows(values_PX: Tensor) -> Float64:
    """Rows as numpy reduces them: each by itself, in float64, with bits that no other row can change."""
    return np.ascontiguousarray(values_PX.double().cpu().numpy())
