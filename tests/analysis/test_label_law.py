"""The label law: times of arrival and settling, rhythm, bands over seeds, verdicts, and the command."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.label_law.__main__ import main
from analysis.label_law.arrival import arrival, landings, rhythm, settling, tail_median
from analysis.label_law.law_pages import LabelLawResult, label_figure, label_law_result
from analysis.label_law.verdicts import MIN_SEEDS, PREDICTIONS, Verdict, paragraph, verdicts
from harness.errors import InputError
from harness.store import SCHEMA, Store

GAP, COUNT = 50, 100
STEPS = GAP * np.arange(1, COUNT + 1)
END = float(STEPS[-1])
LABELS = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)
BELOW = 0.2


def path(*ks: float | None) -> tuple[Any, Any]:
    """Steps 10, 20, ... and these KS distances, None for an unknown one."""
    return np.arange(10.0, 10 * len(ks) + 1, 10), np.array(ks, dtype=np.float64)


def ideal(label: float, seed: int, view: str = "sample", **changes: Any) -> dict[str, Any]:
    """A committed row of a member that does what the law says, with what chance adds to it.

    It arrives at 1500 - 1000 t steps and rings at 1/400 sqrt((t - 1/2) / (1/2)) cycles a step until 1000 + 2000 t;
    below 1/2 it parks at KS 0.9 - t.
    """
    rng = np.random.default_rng([seed, round(1000 * label)])
    arrives, settles = 1500 - 1000 * label + 40 * seed, 1000 + 2000 * label + 40 * seed
    ks = np.where(arrives > STEPS, 0.9, np.where((settles > STEPS) & (STEPS // GAP % 3 == 0), 0.3, 0.1))
    wave = 0.5 * np.sin(2 * np.pi * math.sqrt(max(label - 0.5, 0) / 0.5) / 400 * STEPS)
    if label < 0.5:
        ks = np.full(COUNT, 0.96 - label)
    row: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    row |= {"key": f"{view}{label}{seed}", "stage": "confirm", "round": 0, "trial": 0, "loss": "generator_label"}
    row |= {"arm": f"generator_label(t={label:g}) / {view}", "loss_params": {"t": label}, "view": view, "seed": seed}
    row |= {"outcome": "scored", "ks": float(ks[-1]), "snapshot_step": STEPS.tolist(), "snapshot_ks": ks.tolist()}
    row |= {"snapshot_fake_mean": (4 + wave + 0.05 * rng.standard_normal(COUNT)).tolist()}
    row |= {"snapshot_d_fake": (min(label, 0.5) + 0.02 * rng.standard_normal(COUNT)).tolist()}
    row |= {
        name: (0.01 + label + 0.001 * rng.random(COUNT)).tolist() for name in ("snapshot_loss_d", "snapshot_loss_g")
    }
    return row | changes


def sweep(seeds: int = 8, change: Callable[[float, int], dict[str, Any]] = lambda label, seed: {}) -> pd.DataFrame:
    """Members of every label; ``change`` replaces columns of the row of a label and a seed."""
    return pd.DataFrame([ideal(t, s, **change(t, s)) for t in LABELS for s in range(seeds)])


def read(frame: pd.DataFrame) -> LabelLawResult:
    """The label law of these rows at the threshold of these tests."""
    return label_law_result({"spec": {"success_ks": BELOW}}, frame)


def judged(frame: pd.DataFrame) -> dict[str, Verdict]:
    """Verdicts by their prediction."""
    law = read(frame)
    return {v.prediction: v for v in verdicts(law.members, law.table, law.later)}


SUCCESS, ARRIVAL, SETTLING, RUNAWAY, PARKS, EQUILIBRIUM, RINGING = (name for name, _ in PREDICTIONS)


def test_a_curve_that_falls_once() -> None:
    """KS .9, .5, .1, .1 at steps 10..40 arrives and settles at step 30; a KS equal to the threshold has not arrived."""
    assert arrival(*path(0.9, 0.5, 0.1, 0.1), BELOW) == settling(*path(0.9, 0.5, 0.1, 0.1), BELOW, 40) == 30
    assert arrival(*path(0.9, BELOW, 0.1, 0.1), BELOW) == 30


def test_a_curve_that_rings() -> None:
    """KS .9, .1, .5, .1, .1 arrives at step 20 and settles at step 40."""
    rings = path(0.9, 0.1, 0.5, 0.1, 0.1)
    assert (arrival(*rings, BELOW), settling(*rings, BELOW, 50)) == (20, 40)


def test_a_curve_below_from_the_start() -> None:
    """One that is never above the threshold arrives and settles at the first snapshot."""
    assert arrival(*path(0.1, 0.1), BELOW) == settling(*path(0.1, 0.1), BELOW, 20) == 10


def test_what_never_comes_is_censored() -> None:
    """No arrival, no settling; and one that leaves again at the last snapshot has arrived but not settled."""
    assert math.isnan(arrival(*path(0.9, 0.8), BELOW))
    assert math.isnan(settling(*path(0.9, 0.8), BELOW, 20))
    left = path(0.1, 0.1, 0.3)
    assert arrival(*left, BELOW) == 10
    assert math.isnan(settling(*left, BELOW, 30))


def test_an_unknown_distance_is_not_below() -> None:
    """A null KS puts off settling, and a path that ends before the others (a stopped member) never settles."""
    assert settling(*path(0.1, None, 0.1), BELOW, 30) == 30
    assert math.isnan(settling(*path(0.1, 0.1), BELOW, 30))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_settling_is_never_before_arrival(ks: list[float], below: float) -> None:
    """From the step of settling on every KS is below, before it one is not; arrival is no later."""
    step, values = path(*ks)
    settles, arrives = settling(step, values, below, step[-1]), arrival(step, values, below)
    assert math.isnan(settles) == (not values[-1] < below)
    if not math.isnan(settles):
        place = int(settles / 10) - 1
        assert (values[place:] < below).all()
        assert place == 0 or values[place - 1] >= below
        assert arrives <= settles


def test_the_end_of_a_path_is_its_last_tenth() -> None:
    """Of 30 values 0..29 the last three, 27, 28, 29, have the median 28; unknown ones are skipped; none gives NaN."""
    values = np.arange(30.0)
    assert tail_median(values) == 28
    values[28] = np.nan
    assert tail_median(values) == 28
    assert tail_median(np.array([5.0])) == 5
    assert math.isnan(tail_median(np.full(4, np.nan)))


def test_rhythm_of_a_sine() -> None:
    """A sine of 10 periods in the window of 50 snapshots (2,500 steps) has its frequency, 1/250 cycles a step.

    Exactly: the window is a whole number of periods, so 10/2500 is one of the periodogram's frequencies, and the
    straight line fitted to it takes out less power than it leaves at that frequency.
    """
    assert rhythm(STEPS, np.sin(2 * np.pi * STEPS / 250)) == pytest.approx(1 / 250)


def test_no_rhythm_in_noise_or_drift() -> None:
    """At most 5 % of 400 paths of white noise, plus four standard errors (4.4 %), have a rhythm.

    A line and a constant have none, nor has a path whose snapshots are unevenly spaced, unknown in places, or few.
    """
    rng = np.random.default_rng(0)
    found = [rhythm(STEPS, rng.standard_normal(COUNT)) for _ in range(400)]
    assert np.mean(np.isfinite(found)) < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 400)
    wave = np.sin(2 * np.pi * STEPS / 250)
    uneven = STEPS.copy()
    uneven[-1] += 1
    unknown = wave.copy()
    unknown[-1] = np.nan
    for step, value in ((STEPS, 4 + 0.001 * STEPS), (STEPS, np.full(COUNT, 4.0)), (uneven, wave), (STEPS, unknown),
                        (STEPS[:20], wave[:20])):  # fmt: skip
        assert math.isnan(rhythm(step, value))


def test_stopped_members_are_kept() -> None:
    """A diverged member counts as KS 1, no success, not settled, though it arrived; a failed one has no path at all.

    D(fake) is over the other members only. Seed 0 of label 1 diverges at step 1000, after its arrival at 500.
    """
    half = {"snapshot_step": STEPS[:20].tolist(), "outcome": "diverged", "ks": 1.0}
    half |= {f"snapshot_{name}": [0.1] * 20 for name in ("ks", "d_fake", "fake_mean", "loss_d", "loss_g")}
    none = {"outcome": "failed", "ks": 1.0, "snapshot_step": [], "snapshot_ks": []}
    law = read(sweep(change=lambda t, s: (half if s == 0 else none if s == 1 else {}) if t == 1 else {}))
    line = law.table.set_index("label").loc[1.0]
    assert (line["n"], line["lost"], line["successes"], line["d_fake_n"]) == (8, 2, 6, 6)
    assert (line["arrival_censored"], line["settling_censored"]) == (1, 2)
    assert line["ks_high"] == 1.0
    assert line["d_fake_median"] == pytest.approx(0.5, abs=0.02)


def test_medians_over_seeds() -> None:
    """Of 7 members arriving at 100..700 the median is 400, inside its interval, which is inside their range."""
    frame = sweep(7, lambda t, s: {"snapshot_ks": np.where(100 * (s + 1) > STEPS, 0.9, 0.1).tolist()})
    line = read(frame).table.iloc[0]
    assert line["arrival_median"] == 400
    assert 100 <= line["arrival_low"] < 400 < line["arrival_high"] <= 700


def test_censored_members_bound_the_median() -> None:
    """With 5 of 8 members that never arrive the median stands one gap after the last snapshot, and 5 are counted."""
    line = read(sweep(change=lambda t, s: {"snapshot_ks": [0.9] * COUNT} if s < 5 else {})).table.set_index("label")
    assert line.loc[1.0, "arrival_median"] == END + GAP
    assert line.loc[1.0, "arrival_censored"] == 5


def test_bands_cover() -> None:
    """The 95 % band of 8 seeds holds the true median in at least 85 % of 60 draws of a sweep's final KS.

    KS is lognormal about 0.1, whose median is 0.1. An interval that covers in 95 % (or the 93 % that a bootstrap of
    eight values reaches) does so in fewer than 51 of 60 with probability below 1 %.
    """
    rng, held = np.random.default_rng(1), 0
    for _ in range(60):
        rows = pd.DataFrame([ideal(1.0, s, ks=0.1 * math.exp(0.3 * rng.standard_normal())) for s in range(8)])
        line = read(rows).table.iloc[0]
        held += line["ks_low"] <= 0.1 <= line["ks_high"]
    assert held >= 51


def test_the_law_holds_where_it_is_put_in() -> None:
    """Members made after the law confirm all seven predictions."""

    assert {v.state for v in judged(sweep()).values()} == {"holds"}


def late(label: float, seed: int) -> dict[str, Any]:
    """Arrival and settling turned round: it comes later with t, and does not ring."""
    return {"snapshot_ks": np.where(500 + 2000 * label + 40 * seed > STEPS, 0.9, 0.1).tolist()} if label >= 0.5 else {}


def early(label: float, seed: int) -> dict[str, Any]:
    """Both times fall with t."""
    return {"snapshot_ks": np.where(3000 - 2000 * label + 40 * seed > STEPS, 0.9, 0.1).tolist()} if label >= 0.5 else {}


Change = Callable[[float, int], dict[str, Any]]

FAILURES: dict[str, tuple[str, Change]] = {
    "a low label succeeds": (SUCCESS, lambda t, s: {"ks": 0.1} if t == 0.25 else {}),
    "a high label does not succeed": (SUCCESS, lambda t, s: {"ks": 0.9} if t == 0.75 else {}),
    "arrival is later with t": (ARRIVAL, late),
    "settling is earlier with t": (SETTLING, early),
    "label 0 is half right": (RUNAWAY, lambda t, s: {"ks": 0.5 + 0.01 * s} if t == 0 else {}),
    "another label looks better": (RUNAWAY, lambda t, s: {"snapshot_loss_g": [-1.0] * COUNT} if t == 0.25 else {}),
    "D cannot tell a parked generator": (PARKS, lambda t, s: {"snapshot_d_fake": [0.5] * COUNT} if t == 0.25 else {}),
    "D can tell an arrived one": (EQUILIBRIUM, lambda t, s: {"snapshot_d_fake": [0.4] * COUNT} if t == 0.9 else {}),
    "one frequency": (RINGING, lambda t, s: {"snapshot_fake_mean": np.sin(2 * np.pi * STEPS / 250).tolist()}),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_contradicts_the_law_fails(case: str) -> None:
    """Each prediction fails on members that do the opposite at one label, or at all where it is a trend."""
    name, change = FAILURES[case]
    assert judged(sweep(change=change))[name].state == "fails"


UNKNOWN: dict[str, tuple[str, Change]] = {
    "nobody succeeds": (SUCCESS, lambda t, s: {"ks": 0.9}),
    "half succeed": (SUCCESS, lambda t, s: {"ks": 0.9} if t == 0.6 and s % 2 else {}),
    "nobody arrives": (ARRIVAL, lambda t, s: {"snapshot_ks": [0.9] * COUNT}),
    "all settle at once": (SETTLING, lambda t, s: {"snapshot_ks": [0.1] * COUNT}),
    "label 0 on both sides of 0.9": (RUNAWAY, lambda t, s: {"ks": 0.85 + 0.02 * s} if t == 0 else {}),
    "D within and without": (PARKS, lambda t, s: {"snapshot_d_fake": [0.25 + 0.02 * s] * COUNT} if t == 0.25 else {}),
    "nobody settles": (EQUILIBRIUM, lambda t, s: {"snapshot_ks": [0.9] * COUNT}),
    "no rhythm": (RINGING, lambda t, s: {"snapshot_fake_mean": [4.0] * COUNT}),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_does_not_decide_is_said(case: str) -> None:
    """No verdict where nothing arrives, all is equal, or intervals lie on both sides: it cannot be told yet."""
    name, change = UNKNOWN[case]
    assert judged(sweep(change=change))[name].state == "cannot be told yet"


def test_few_seeds_decide_nothing() -> None:
    """With five seeds at a label no prediction holds or fails."""
    assert {v.state for v in judged(sweep(MIN_SEEDS - 1)).values()} == {"cannot be told yet"}


def test_a_paragraph_names_every_view() -> None:
    """One sentence a prediction, with the verdict and the numbers of each view."""
    lines = [Verdict("A", "sample", "holds", "1"), Verdict("A", "raw", "fails", "2"), Verdict("B", "raw", "fails", "3")]
    assert (
        paragraph(lines) == "A: holds in the view sample (1), fails in the view raw (2). B: fails in the view raw (3)."
    )


def test_the_figure_shows_members_and_law() -> None:
    """Six panels; a dot for each known arrival; and the number of censored members above every label."""
    law = read(sweep(change=lambda t, s: {"snapshot_ks": [0.9] * COUNT} if t == 1 and s < 3 else {}))
    axes = label_figure(law).axes
    assert len(axes) == 6
    assert len(axes[1].collections[0].get_offsets()) == int(law.members["arrival"].notna().sum())
    assert [t.get_text() for t in axes[1].texts] == ["8", "8", "8", "8", "0", "0", "0", "0", "3"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It writes figure and table where it says, the table with a line per view and label, and prints the verdicts."""
    store = Store(tmp_path / "dial")
    store.start({"uid": "0" * 32, "name": "dial", "spec": {"success_ks": BELOW}, "arms": []})
    rows = [ideal(t, s, view) for view in ("sample", "variances") for t in LABELS for s in range(6)]
    store.commit(0, rows, {})
    assert main([str(store.folder), "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == [str(tmp_path / "out" / name) for name in ("label_law.png", "label_law.csv")]
    assert "Arrival time falls with t: holds in the view sample" in printed[3]
    assert (tmp_path / "out" / "label_law.png").read_bytes().startswith(b"\x89PNG")
    lines = list(csv.DictReader((tmp_path / "out" / "label_law.csv").read_text().splitlines()))
    assert [(line["view"], float(line["label"])) for line in lines] == [
        (v, t) for v in ("sample", "variances") for t in LABELS
    ]


def test_another_sweep_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of other variants, and a folder without a sweep: one line and status 2."""
    with pytest.raises(InputError, match="generator_label"):
        read(pd.DataFrame([ideal(1.0, 0, loss="minimax")]))
    assert main([str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_members_are_ordered_and_complete() -> None:
    """A line per member, by view, label and seed, whatever the order of the rows."""
    frame = sweep(2)
    found = landings(frame.iloc[::-1], "t", BELOW)
    assert list(zip(found["label"], found["seed"], strict=True)) == [(t, s) for t in LABELS for s in range(2)]
