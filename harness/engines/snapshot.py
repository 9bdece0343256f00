"""What a snapshot keeps of the last step of some members: one value a member, reduced row by row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from harness.engines.batched.losses import VariantBlock
from harness.losses.penalties import GradientPenalty, Site

if TYPE_CHECKING:
    from harness.engines.batched.step import Stack

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class StepRecord:
    """What an engine leaves of a step: values, logits (of D's update real, then generated), gradients.

    ``judged_real_PK`` are D's logits of real data in G's update, where its loss reads them. ``penalties`` have the
    weights (P, 1) that they had in this step; ``norm_PK`` holds the norms that they were taken of.
    """

    runs: Iterable[VariantBlock]
    real_PB: Tensor
    fake_PB: Tensor
    logits_PK: Tensor
    label_draws_PK: Tensor | None
    judged_real_PK: Tensor | None
    judged_PK: Tensor
    gradient_d_PW: Tensor
    gradient_g_PW: Tensor
    direct_P: Tensor | None = None
    penalties: Sequence[tuple[GradientPenalty, Tensor]] = ()
    norm_PK: Mapping[Site, Tensor] = field(default_factory=dict)


def of_stack(stack: Stack) -> StepRecord:
    """What the batched engine leaves of a step."""
    judged, made = stack.d_gradient, stack.g_gradient
    return StepRecord(
        runs=stack.runs,
        real_PB=judged.real_PB,
        fake_PB=judged.fake_PB,
        logits_PK=judged.logits_PK,
        label_draws_PK=judged.label_draws_PK,
        judged_real_PK=made.logits_real_PK,
        judged_PK=made.logits_fake_PK,
        gradient_d_PW=stack.d.gradient_PW,
        gradient_g_PW=stack.g.gradient_PW,
        direct_P=made.direct_P,
        penalties=[(penalty, weight_P1 * judged.share_P1) for penalty, weight_P1 in judged.penalties],
        norm_PK=judged.norm_PK,
    )


def record(stack: Stack) -> dict[str, Float64]:
    """The snapshot of a stack's last step."""
    return recorded(of_stack(stack))


@np.errstate(over="ignore", invalid="ignore")  # stopped members may have anything in their gradients
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
    for run in last.runs:
        rows, variant, labels = run.rows, run.variant, run.labels(last.label_draws_PK)
        decided = (real_PK[rows], fake_PK[rows])
        known_PK = None if last.judged_real_PK is None else last.judged_real_PK[rows]
        found = {
            "loss_d": variant.discriminator_loss(*decided, labels=labels, **run.params),
            "loss_g": variant.generator_loss(known_PK, last.judged_PK[rows], **run.params),
        }
        parts = variant.discriminator_parts(*decided, labels=labels, **run.params)
        found |= {n: p for n, p in zip(("loss_d_real", "loss_d_fake"), parts, strict=True) if p is not None}
        for name, loss_PK in found.items():
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
    """Rows as numpy reduces them: each by itself, in float64, with bits that no other row can change."""
    return np.ascontiguousarray(values_PX.double().cpu().numpy())
