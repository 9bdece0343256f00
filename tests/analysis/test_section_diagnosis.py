"""Losses at equilibrium, and members whose losses read so while their samples are wrong."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from support.fabricated import fabricate_sweep

from analysis.report.sections.diagnosis import late_median, suspicious_losses
from harness.losses import LOSSES, parse_variant
from harness.losses.describe import equilibrium_losses

LOG2 = math.log(2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("non_saturating", (2 * LOG2, LOG2)),  # Goodfellow et al. 2014, theorem 1: -log 4 for the value
        ("minimax", (2 * LOG2, -LOG2)),
        ("flipped_noise(p=0.1)", (2 * LOG2, LOG2)),
        ("least_squares(a=0, b=1, c=1)", (0.25, 0.125)),  # logit 1/2: (1/4 + 1/4)/2 and (1/4)/2, Mao et al. 2017
        ("least_squares(a=-1, b=1, c=0)", (1.0, 0.0)),
    ],
)
def test_losses_at_equilibrium(text: str, expected: tuple[float, float]) -> None:
    """The losses that theory states for equal laws."""
    assert equilibrium_losses(*parse_variant(text)) == pytest.approx(expected)


def test_every_entry_has_them_or_none() -> None:
    """Of all losses: two finite numbers, or None where D's optimal logit is not unique or G reads the values."""
    for variant in LOSSES.values():
        found = equilibrium_losses(variant, variant.bind({}))
        assert (found is None) == (variant.equilibrium_logit is None or variant.direct is not None)
        assert found is None or all(map(math.isfinite, found))


def member(**changes: object) -> dict[str, object]:
    """A confirm row of non_saturating whose late losses are those of equilibrium."""
    return {
        "stage": "confirm", "arm": "a", "trial": 0, "seed": 1, "outcome": "scored", "ks": 0.6, "steps": 40,
        "loss": "non_saturating", "loss_params": {}, "snapshot_step": [10, 20, 30, 40],
        "snapshot_loss_d": [0.1, 0.2, 1.38, 1.40], "snapshot_loss_g": [5.0, 5.0, 0.69, 0.70], **changes,
    }  # fmt: skip


def test_who_deceives() -> None:
    """Perfect losses and KS 0.6; not: a small KS, losses off by a fifth, a lost member, an unknown loss."""
    rows = [
        member(),
        member(seed=2, ks=0.05),
        member(seed=3, snapshot_loss_g=[5.0, 5.0, 0.55, 0.55]),
        member(seed=4, outcome="diverged"),
        member(seed=5, loss="somebody_elses"),
        member(seed=6, loss="wasserstein"),
    ]
    found = suspicious_losses(pd.DataFrame(rows), success_ks=0.05)
    assert found["seed"].tolist() == [1]
    assert found["ideal_d"].tolist() == pytest.approx([2 * LOG2])
    assert found["loss_d"].tolist() == pytest.approx([1.39])


def test_a_late_median_without_snapshots_is_nan() -> None:
    """No snapshots, or none after half of the steps: NaN, which is near nothing."""
    assert math.isnan(late_median(member(snapshot_step=[], snapshot_loss_d=[]), "loss_d"))
    assert math.isnan(late_median(member(steps=1000), "loss_d"))


def test_a_fabricated_sweep(tmp_path: Path) -> None:
    """Fabricated losses rise with the distance: nobody deceives, whatever the outcome of the members."""
    assert suspicious_losses(fabricate_sweep(tmp_path / "s", failure="no memory").frame(), 0.05).empty
