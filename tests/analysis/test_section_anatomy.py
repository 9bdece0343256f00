"""Slopes over training: the formula's slope at the logit that the committed probabilities stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.fabricated import fabricate_sweep

from analysis.curves import over_steps
from analysis.report.sections.anatomy import QUANTITIES, gradient_anatomy, slopes
from analysis.rows import select


def member(loss: str, seed: int, d_fake: list[float | None], **params: float) -> dict[str, object]:
    """A confirm row with these probabilities on generated data."""
    lists = {f"snapshot_{n}": [1.0] * len(d_fake) for n in ("grad_norm_g", "grad_norm_d")}
    return {
        "stage": "confirm", "arm": loss, "trial": 0, "seed": seed, "outcome": "scored", "ks": 0.1, "loss": loss,
        "loss_params": params, "snapshot_step": list(range(1, len(d_fake) + 1)), "snapshot_d_fake": d_fake,
        "snapshot_d_real": [0.5] * len(d_fake), **lists,
    }  # fmt: skip


#: dL_G/dlogit in terms of p = sigmoid(logit): the README's table.
SLOPES = {
    "minimax": lambda p: -p,
    "non_saturating": lambda p: p - 1,
    "flipped_labels": lambda p: p,
}


@pytest.mark.parametrize("loss", SLOPES)
def test_slopes_of_the_three_labels(loss: str) -> None:
    """-sigma(l), -sigma(-l) and +sigma(l) at the logits of p = 0.01, 0.5 and 0.9."""
    p = [0.01, 0.5, 0.9]
    found = gradient_anatomy(pd.DataFrame([member(loss, 1, p)]))
    own = found[found["column"] == "slope"]
    assert own["median"].to_numpy() == pytest.approx(SLOPES[loss](np.array(p)))
    logit = found[found["column"] == "logit"]["median"].to_numpy()
    assert logit == pytest.approx(np.log(np.array(p) / (1 - np.array(p))))


def test_median_and_quartiles_over_seeds() -> None:
    """Five seeds at one snapshot: the median and quartiles of their five slopes."""
    p = [0.1, 0.2, 0.3, 0.4, 0.9]
    rows = pd.DataFrame([member("minimax", i, [v]) for i, v in enumerate(p)])
    (line,) = gradient_anatomy(rows).query("column == 'slope'").to_dict("records")
    assert (line["median"], line["q25"], line["q75"], line["n"]) == (pytest.approx(-0.3), -0.4, -0.2, 5)


def test_parameters_of_the_loss_count() -> None:
    """The dial at t = 1/4: (1 - t) sigma(l) - t sigma(-l), at l = 0 is 1/4; the row's parameters are read."""
    assert slopes("generator_label", {"t": 0.25}, np.zeros(1), np.zeros(1)) == pytest.approx([0.25])


def test_a_sure_discriminator_has_no_logit() -> None:
    """Probabilities 0, 1 and null have no logit: the snapshot is left out. An unknown loss has no slope."""
    found = gradient_anatomy(pd.DataFrame([member("minimax", 1, [0.0, 0.5, 1.0, None])]))
    assert found[found["column"] == "slope"]["step"].tolist() == [2]
    assert gradient_anatomy(pd.DataFrame([member("nobody", 1, [0.5])])).query("column == 'slope'").empty


def test_every_quantity_of_a_sweep(tmp_path: Path) -> None:
    """A fabricated sweep has all four quantities of all arms; the norms are those that ``over_steps`` has."""
    frame = fabricate_sweep(tmp_path / "s").frame()
    found = gradient_anatomy(frame)
    assert set(found["column"]) == {name for name, *_ in QUANTITIES}
    arm = found["arm"].iloc[0]
    rows = select(frame).frame
    expected = over_steps(rows[rows["arm"] == arm], "grad_norm_g")
    own = found[(found["arm"] == arm) & (found["column"] == "grad_norm_g")]
    pd.testing.assert_frame_equal(own[list(expected.columns)].reset_index(drop=True), expected)
