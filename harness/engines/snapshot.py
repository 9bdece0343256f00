"""Snapshot of the last step of some members: one value a member and column, reduced row by row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from harness.engines.losses import VariantBlock
from harness.losses.penalties import GradientPenalty, Site

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class StepRecord:
    """Tensors that an engine leaves of a step: values, logits (of D's update real, then generated), gradients.

    ``logits_g_PK`` are D's logits of generated data in G's update, ``logits_g_real_PK`` those of real data where G's
    loss reads them. ``penalties`` have the weights (P, 1) of this step; ``norm_PK`` holds the norms of dD/dx.
    """

    blocks: Iterable[VariantBlock]
    real_PB: Tensor
    fake_PB: Tensor
    logits_PK: Tensor
    label_draws_PK: Tensor | None
    logits_g_real_PK: Tensor | None
    logits_g_PK: Tensor
    gradient_d_PW: Tensor
    gradient_g_PW: Tensor
    direct_P: Tensor | None = None
    penalties: Sequence[tuple[GradientPenalty, Tensor]] = ()
    norm_PK: Mapping[Site, Tensor] = field(default_factory=dict)


@np.errstate(over="ignore", invalid="ignore")  # gradients of stopped members may hold any value
def recorded(last: StepRecord) -> dict[str, Float64]:
    """Losses, minibatch statistics, D's probabilities, penalty and gradient norms of a step."""
    real_PB, fake_PB = _rows(last.real_PB), _rows(last.fake_PB)
    real_PK, fake_PK = (_rows(logits) for logits in last.logits_PK.chunk(2, dim=1))
    return {
        "real_mean": real_PB.mean(axis=1),
        "real_sd": real_PB.std(axis=1),
        "fake_mean": fake_PB.mean(axis=1),
        "fake_sd": fake_PB.std(axis=1),
        "grad_norm_d": np.sqrt(np.square(_rows(last.gradient_d_PW)).sum(axis=1)),
        "grad_norm_g": np.sqrt(np.square(_rows(last.gradient_g_PW)).sum(axis=1)),
        "d_real": expit(real_PK).mean(axis=1),
        "d_fake": expit(fake_PK).mean(axis=1),
        "penalty": _penalty(last, len(real_PB)),
        **_losses(last, len(real_PB)),
    }


def _losses(last: StepRecord, members: int) -> dict[str, Float64]:
    losses = {name: np.full(members, math.nan) for name in ("loss_d", "loss_d_real", "loss_d_fake", "loss_g")}
    real_PK, fake_PK = last.logits_PK.chunk(2, dim=1)
    for block in last.blocks:
        rows, variant, labels = block.rows, block.variant, block.labels(last.label_draws_PK)
        logits = (real_PK[rows], fake_PK[rows])
        real_g_PK = None if last.logits_g_real_PK is None else last.logits_g_real_PK[rows]
        terms = {
            "loss_d": variant.discriminator_loss(*logits, labels=labels, **block.params),
            "loss_g": variant.generator_loss(real_g_PK, last.logits_g_PK[rows], **block.params),
        }
        parts = variant.discriminator_parts(*logits, labels=labels, **block.params)
        terms |= {n: p for n, p in zip(("loss_d_real", "loss_d_fake"), parts, strict=True) if p is not None}
        for name, loss_PK in terms.items():
            losses[name][rows] = _rows(loss_PK).mean(axis=1)
    if last.direct_P is not None:
        losses["loss_g"] += _rows(last.direct_P)
    return losses


def _penalty(last: StepRecord, members: int) -> Float64:
    if not last.penalties:
        return np.full(members, math.nan)
    total_P = np.zeros(members)
    for penalty, weight_P1 in last.penalties:
        weight_P = _rows(weight_P1)[:, 0]
        for site in penalty.sites:
            total_P += weight_P * _rows(penalty.value(last.norm_PK[site])).mean(axis=1)
    return total_P


def _rows(values_PX: Tensor) -> Float64:
    """Rows in float64 and contiguous: numpy then reduces each by itself, with bits that no other row can change."""
    return np.ascontiguousarray(values_PX.double().cpu().numpy())
