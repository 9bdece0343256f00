"""The Dirac-GAN: every prediction of the registry holds, and the numbers that theory states are met."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dirac_games import made, run

from analysis.dirac.__main__ import main
from analysis.dirac.entries import COLUMNS, MORE_GAMES, ORDERS
from analysis.dirac.game import game, obstacle
from analysis.dirac.label_theory import (
    R1_WEIGHT,
    angular_frequency,
    eigenvalues,
    escape_rate,
    label_escape,
    label_frequency,
    label_threshold,
    landing,
    measured_frequency,
    parked,
    parked_offset,
    squares_threshold,
    threshold,
)
from harness.losses import LOSSES, parse_variant


def cell(text: str) -> str:
    """The text as a cell of the page shows it."""
    return text.replace("_", r"\_").replace("|", r"\|")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """The command's exit status and the folder it wrote."""
    out = tmp_path_factory.mktemp("theory") / "docs"
    return main(["-o", str(out)]), out


@pytest.fixture(scope="module")
def table(written: tuple[int, Path]) -> pd.DataFrame:
    """The rows that the command wrote."""
    return pd.read_csv(written[1] / "theory.csv", keep_default_na=False)


@pytest.mark.parametrize("name", LOSSES)
def test_what_an_entry_predicts_happens(name: str, table: pd.DataFrame) -> None:
    """Every declared prediction is what the game does, in each order; an entry without D says why it is not played."""
    variant = LOSSES[name]
    entry = next(e for e in table["entry"] if e.partition("(")[0] == name)
    rows = table[table["entry"] == entry].head(len(ORDERS))
    assert len(rows)
    if obstacle(variant):
        assert list(rows["reason"])[:1] == [obstacle(variant)]
        return
    for row in rows.to_dict("records"):
        assert row["outcome"] in ("converges", "rings", "cycles", "parks", "runs_away", "stalls")
        assert row["predicted"] in ("unknown", row["outcome"]), f"{entry}, {row['order']}"


def test_the_command_writes_page_rows_and_figure(written: tuple[int, Path], table: pd.DataFrame) -> None:
    """The page has a line for every row, the figure is a PNG, and the exit status is 1 if a prediction fails."""
    status, out = written
    page = (out / "theory.md").read_text()
    lines = page.splitlines()
    assert tuple(table.columns) == COLUMNS
    for row in table[table["reason"] == ""].to_dict("records"):
        text = f"| {row['order']} | {row['outcome']} |".replace("_", r"\_")
        assert any(line.startswith(f"| {cell(row['entry'])} | {cell(row['settings'])} {text}") for line in lines)
    assert all(reason in page for reason in table["reason"])
    assert (out / "theory.png").read_bytes().startswith(b"\x89PNG")
    assert status == int((table["agrees"] == "no").any())
    assert len(table) >= len(LOSSES) + len(MORE_GAMES)


#: (variant, settings, order) -> mean theta and largest |theta| of the last 2,000 of 20,000 steps of 0.1, by a separate
#: simulation in numpy with the slopes written by hand; nan where it was not kept, or depends on the last bits.
TAILS = [
    ("minimax", {}, "alternating", 0, 0.69),
    ("minimax", {}, "simultaneous", -3.5, math.nan),
    ("non_saturating", {}, "alternating", 0, 0.07),
    ("non_saturating", {}, "simultaneous", 0, 0.47),
    ("flipped_labels", {}, "alternating", 4.28, math.nan),
    ("flipped_labels", {}, "simultaneous", 4.28, math.nan),
    ("generator_label(t=0.25)", {}, "alternating", 0.37, math.nan),
    ("generator_label(t=0.25)", {}, "simultaneous", 0.38, math.nan),
    ("generator_label(t=0.5)", {}, "alternating", 0, 0),
    ("generator_label(t=0.5)", {}, "simultaneous", 0, 0),
    ("generator_label(t=0.75)", {}, "alternating", 0, 0.06),
    ("generator_label(t=0.75)", {}, "simultaneous", 0, 0.28),
    ("least_squares(a=-1, b=1, c=0)", {}, "alternating", 0, 0),
    ("least_squares(a=-1, b=1, c=0)", {}, "simultaneous", 0, 0),
    ("least_squares(a=0, b=1, c=1)", {}, "alternating", 0, 0.04),
    ("least_squares(a=0, b=1, c=1)", {}, "simultaneous", 0, 0.29),
    ("least_squares(a=0, b=1, c=0)", {}, "alternating", 1.27, 1.27),
    ("least_squares(a=0, b=1, c=0)", {}, "simultaneous", 1.27, 1.27),
    ("boundary_seeking", {}, "alternating", 0, 0),
    ("boundary_seeking", {}, "simultaneous", 0, 0),
    ("one_sided_smoothing(a=0.9)", {}, "alternating", 0, 0.07),
    ("one_sided_smoothing(a=0.9)", {}, "simultaneous", 0, 0.49),
    ("two_sided_smoothing(a=0.9, b=0.1)", {}, "alternating", 0, 0.07),
    ("two_sided_smoothing(a=0.9, b=0.1)", {}, "simultaneous", 0, 0.45),
    ("flipped_noise|minimax(p=0.1)", {}, "alternating", 0, 0.21),
    ("flipped_noise|minimax(p=0.1)", {}, "simultaneous", 0, 1.4),
    ("hinge", {}, "alternating", 0, 1.0),
    ("hinge", {}, "simultaneous", 0, 2.3),
    ("wasserstein", {"weight_clip": 0.3}, "alternating", 0, 0.30),
    ("wasserstein", {"weight_clip": 0.3}, "simultaneous", 0, 0.33),
    ("wasserstein", {"gp": 1.0}, "alternating", -2, 2),
    ("wasserstein", {"gp": 1.0}, "simultaneous", -2, 2),
    ("wasserstein", {"r1": 0.3}, "alternating", 0, 0),
    ("wasserstein", {"r1": 0.3}, "simultaneous", 0, 0),
    ("non_saturating", {"r1": 0.3}, "alternating", 0, 0),
    ("non_saturating", {"r1": 0.3}, "simultaneous", 0, 0),
    ("minimax", {"r1": 0.3}, "alternating", 0, 0),
    ("minimax", {"r1": 0.3}, "simultaneous", 0, 0),
    ("rpgan", {}, "alternating", 0, 0.07),
    ("rpgan", {}, "simultaneous", 0, 0.45),
    ("rpgan", {"r1": 0.3, "r2": 0.3}, "alternating", 0, 0),
    ("rpgan", {"r1": 0.3, "r2": 0.3}, "simultaneous", 0, 0),
    ("f_reverse_kl", {}, "alternating", 0, 1.0),
]


@pytest.mark.parametrize(("text", "needs", "order", "mean", "largest"), TAILS)
def test_the_ends_of_known_games(text: str, needs: dict[str, Any], order: str, mean: float, largest: float) -> None:
    """Mean and amplitude at the end are those of a separate simulation, to the two digits that it kept."""
    tail = run(text, needs, order)[-2000:, 0]
    # Two digits; a mean over a tail that does not hold whole periods is off by a few hundredths of the amplitude.
    assert tail.mean() == pytest.approx(mean, abs=0.01 + 0.03 * np.abs(tail).max())
    if not math.isnan(largest):
        assert np.abs(tail).max() == pytest.approx(largest, rel=0.03, abs=0.006)


@pytest.mark.parametrize("name", ["f_kl", "f_pearson", "f_hellinger", "f_reverse_kl"])
def test_explosive_conjugates_diverge_with_simultaneous_steps(name: str) -> None:
    """Within 3,000 simultaneous steps they are beyond 100, or no number any more; with alternating steps they stay."""
    with np.errstate(invalid="ignore"):
        assert not (np.abs(run(name, order="simultaneous", steps=3000)[:, 0]) < 100).all()
        assert np.abs(run(name, steps=3000)[:, 0]).max() < 2


@pytest.mark.parametrize("biased", [True, False])
def test_looking_ahead_ends_the_rotation_of_minimax(biased: bool) -> None:
    """From radius 1.41, 5,000 simultaneous steps: optimistic and extragradient end at 0.003, plain ones outside 3."""
    for needs in ({"optimizer": "optimistic_adam"}, {"order": "extragradient"}):
        path = run("minimax", needs, "simultaneous", start=(1.0, 1.0, 0.0), steps=5000, biased=biased)
        assert np.linalg.norm(path[-1]) == pytest.approx(0.003, abs=0.0005)
    plain = run("minimax", order="simultaneous", start=(1.0, 1.0, 0.0), steps=5000, biased=biased)
    assert np.linalg.norm(plain[-1]) > 3


@pytest.mark.parametrize(("t", "measured"), [(0.6, 0.22361), (0.75, 0.35355), (1.0, 0.49998)])
def test_the_generators_label_sets_the_frequency(t: float, measured: float) -> None:
    """sqrt((t - 1/2)/2): 0.22361, 0.35355, 0.5. ``measured`` is a separate simulation at small steps, to three digits;
    here the flow is integrated from theta = 0.01.
    """
    assert label_frequency(t) == pytest.approx(angular_frequency(t), rel=1e-4)
    assert label_frequency(t) == pytest.approx(measured, rel=1e-3)


@settings(max_examples=20)
@given(st.floats(0.6, 1.0), st.floats(0.0, 0.4), st.floats(0.0, 1.0))
def test_soft_labels_of_d_move_the_law(a: float, b: float, share: float) -> None:
    """With labels a and b of D, and targets of least squares alike, the linearised flow has exactly the law's rates:
    imaginary above (a + b)/2, real below.
    """
    for text in (
        f"two_sided_smoothing|generator_label(a={a}, b={b}, t={share})",
        f"least_squares(a={b}, b={a}, c={share})",
    ):
        variant, params = parse_variant(text)
        played = game(variant, params)
        assert variant.equilibrium_logit is not None
        rest = float(variant.equilibrium_logit.subs({p.symbol: params[p.name] for p in variant.parameters}))
        found = eigenvalues(played, rest)
        assert found.imag.max() == pytest.approx(angular_frequency(share, a, b), abs=1e-7)
        assert found.real.max() == pytest.approx(escape_rate(share, a, b), abs=1e-7)


def test_the_threshold_is_half_way_between_ds_targets() -> None:
    """By halving on the linearised flow: 1/2 for labels 1 and 0, (a + b)/2 in general, for least squares alike."""
    assert label_threshold() == pytest.approx(threshold(), abs=1e-6)
    assert label_threshold(0.9, 0.3) == pytest.approx(0.6, abs=1e-6)
    assert squares_threshold(-1, 1) == pytest.approx(0.0, abs=1e-6)
    assert squares_threshold(0, 1) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("t", "offset"), [(0.1, 1.482), (0.25, 0.663), (0.4, 0.318)])
def test_where_a_label_below_one_half_parks(t: float, offset: float) -> None:
    """sqrt(0.1 |logit t|/t) under R1 of weight 0.1 with D(x) = psi x; sqrt(2) as far where D has a bias."""
    assert parked_offset(t, R1_WEIGHT) == pytest.approx(offset, abs=5e-4)
    assert parked(t) == pytest.approx(parked_offset(t, R1_WEIGHT), rel=1e-4)
    with_bias = run(f"generator_label(t={t})", {"r1": R1_WEIGHT})[-1, 0]
    assert with_bias == pytest.approx(parked_offset(t, R1_WEIGHT, biased=True), rel=1e-4)


def test_label_zero_leaves_at_rate_one_half() -> None:
    """The largest eigenvalue is 1/2, and theta grows at that rate while it is small: from 1e-6, time 20 to 22,
    steps of 0.001, whose own error is under 0.001.
    """
    assert label_escape() == pytest.approx(0.5, abs=1e-9) == escape_rate(0.0)
    path = run("generator_label(t=0)", start=(1e-6, 0.0, 0.0), steps=22_000, step=0.001)[:, 0]
    assert math.log(path[22_000] / path[20_000]) / 2 == pytest.approx(0.5, abs=1e-3)


def test_the_usual_label_arrives_first_and_lands_last() -> None:
    """From theta = 4, within 0.1: label 1 after 47 steps and for good after 8,828, label 1/2 after 140 and stays.
    A separate simulation, counting the steps from 0, found 46, 8,826 as the last step outside, and 139.
    """
    found = {label: (first, stays) for label, first, stays in landing()}
    assert found["1"] == (47, 8828)
    assert found["0.5"] == (140, 140)


def damped_pair(weight: float, slope: float = 0.5) -> tuple[complex, complex]:
    """-weight/2 +- sqrt(weight^2/4 - slope^2): the eigenvalues under R1, for f'(0) = slope (cross-entropy: 1/2).

    Source: Mescheder, Geiger, Nowozin 2018, arXiv:1801.04406, section 4.1.
    """
    root = np.emath.sqrt(weight**2 / 4 - slope**2)
    return complex(-weight / 2 + root), complex(-weight / 2 - root)


@pytest.mark.parametrize("weight", [0.1, 0.3, 1.0, 1.5, 10.0])
def test_eigenvalues_under_r1(weight: float) -> None:
    """-weight/2 +- sqrt(weight^2/4 - 1/4) for cross-entropy, with a bias or without; it stops rotating at weight 1."""
    expected = np.array(damped_pair(weight))
    for biased in (True, False):
        found = eigenvalues(made("non_saturating", {"r1": weight}, biased=biased))
        gaps = np.abs(found[:, None] - expected).min(axis=0)
        np.testing.assert_allclose(gaps, 0, atol=1e-7)
    assert (abs(expected[0].imag) > 1e-9) == (weight < 1)


def test_r1_damps_the_measured_rotation() -> None:
    """The frequency of the flow under weight 0.3 is the imaginary part of the pair, 0.47697."""
    found = measured_frequency(made("non_saturating", {"r1": 0.3}), time=60.0)
    assert found == pytest.approx(damped_pair(0.3)[0].imag, rel=1e-3)
