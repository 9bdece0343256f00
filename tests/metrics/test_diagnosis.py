"""Diagnoses of members whose laws are known: each word for the case it is meant for, and one word for every row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.paths import ROOT

from harness.data.target import Target
from harness.metrics.diagnosis import DIAGNOSES, Yardstick, columns, diagnose
from harness.store import QUANTILE_LEVELS, SCHEMA

MU, SIGMA, SUCCESS = 4.0, 1.25, 0.05
TARGET = Target("norm", {"loc": MU, "scale": SIGMA})
LEVELS = np.asarray(QUANTILE_LEVELS)
STEPS = tuple(range(100, 1100, 100))


def row(law: Any, means: list[float] | None = None, push: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A scored member that generates ``law``, with the KS distance that its quantiles have to the target."""
    quantiles = law.ppf(LEVELS)
    path = means if means is not None else [float(law.mean())] * len(STEPS)
    return {
        "outcome": "scored", "ks": float(np.abs(TARGET.cdf(quantiles) - LEVELS).max()),
        "mean": float(law.mean()), "sd": float(law.std()), "quantiles": quantiles, "steps": 1000, "batch": 100,
        "snapshot_step": np.array(STEPS), "snapshot_fake_mean": np.array(path),
        "snapshot_grad_norm_g": np.full(len(STEPS), push),
        **changes,
    }  # fmt: skip


def diagnosis(*members: dict[str, Any]) -> list[str]:
    """The words for some rows."""
    return diagnose(pd.DataFrame(members), TARGET, SUCCESS).tolist()


def along(*misses: float) -> list[float]:
    """A path of means with these misses in target standard deviations, after five snapshots on the target."""
    return [MU] * 5 + [MU + SIGMA * e for e in misses]


class TwoModes:
    """Half of N(mu - d, s^2) and half of N(mu + d, s^2): mean mu, variance s^2 + d^2."""

    def __init__(self, d: float, s: float) -> None:
        self.d, self.s = d, s

    def mean(self) -> float:
        """mu."""
        return MU

    def std(self) -> float:
        """sqrt(s^2 + d^2)."""
        return math.hypot(self.d, self.s)

    def ppf(self, levels: np.ndarray) -> np.ndarray:
        """Read off its distribution function on a fine grid."""
        x = np.linspace(MU - self.d - 8 * self.s, MU + self.d + 8 * self.s, 20_001)
        cdf = (stats.norm(MU - self.d, self.s).cdf(x) + stats.norm(MU + self.d, self.s).cdf(x)) / 2
        return np.interp(levels, cdf, x)


CASES = {
    "the target itself": (row(stats.norm(MU, SIGMA)), "converged"),
    "within success": (row(stats.norm(MU + 0.1 * SIGMA, SIGMA)), "converged"),
    "half a sigma off": (row(stats.norm(MU + 0.5 * SIGMA, SIGMA)), "offset"),
    "half a sigma off, too wide": (row(stats.norm(MU - 0.5 * SIGMA, 1.3 * SIGMA)), "offset"),
    "half as wide": (row(stats.norm(MU, SIGMA / 2)), "wrong shape"),
    "skew": (row(stats.gamma(1, loc=MU - SIGMA, scale=SIGMA)), "wrong shape"),
    "two modes of right mean and sd": (row(TwoModes(0.9 * SIGMA, math.sqrt(0.19) * SIGMA)), "wrong shape"),
    "a narrow heap on the mean": (row(stats.norm(MU, 0.05 * SIGMA)), "collapsed"),
    "the same without push": (row(stats.norm(MU, 0.05 * SIGMA), push=1e-5), "collapsed"),
    "one value": (row(stats.norm(MU, SIGMA), mean=2.0, sd=0.0, ks=0.95), "collapsed"),
    "left at the start, no push": (row(stats.norm(0.0, 0.1), push=1e-5), "dead"),
    "left at the start, pushed": (row(stats.norm(0.0, 0.1)), "collapsed"),
    "four sigma off, having been there": (row(stats.norm(MU + 4 * SIGMA, SIGMA), along(0, 1, 2, 3, 4)), "runaway"),
    "four sigma off, on its way": (row(stats.norm(MU - 4 * SIGMA, SIGMA), [MU - 4.5 * SIGMA] * 10), "offset"),
    "twenty times as wide": (row(stats.norm(MU, 20 * SIGMA)), "runaway"),
    "swinging, at the target by luck": (row(stats.norm(MU, SIGMA), along(0.8, -0.7, 0.6, -0.5, 0)), "ringing"),
    "swung, and settled": (row(stats.norm(MU, SIGMA), along(0.8, -0.1, 0.1, -0.1, 0)), "converged"),
    "out and back once": (row(stats.norm(MU, SIGMA), along(0.8, 0.1, -0.8, -0.1, 0)), "converged"),
    "swings of small batches": (
        row(stats.norm(MU, SIGMA), along(0.8, -0.8, 0.8, -0.8, 0), batch=16),
        "converged",
    ),
    "diverged": (row(stats.norm(MU, SIGMA), outcome="diverged", ks=1.0), "diverged"),
    "failed": (row(stats.norm(MU, SIGMA), outcome="failed", ks=1.0), "failed"),
    "pruned": (row(stats.norm(MU, SIGMA), outcome="pruned"), "pruned"),
    "without a score": (row(stats.norm(MU, SIGMA), ks=None), "failed"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_case_has_its_word(name: str) -> None:
    """A law made for a diagnosis gets it."""
    member, word = CASES[name]
    assert diagnosis(member) == [word]


def test_the_cases_use_every_word() -> None:
    """No word of the table is left without a case, and no case has a word of its own."""
    assert {word for _, word in CASES.values()} == set(DIAGNOSES)


def test_rows_do_not_change_each_other() -> None:
    """All cases in one frame get the words that each gets alone: paths of other lengths change nothing."""
    short = row(stats.norm(MU, SIGMA), [MU, MU]) | {n: np.array([1.0, 2.0]) for n in ("snapshot_step",)}
    members = [member for member, _ in CASES.values()]
    assert diagnosis(short, *members)[1:] == [word for _, word in CASES.values()]


@pytest.mark.parametrize("miss", [0.0, 0.3, 1.0, 2.5])
def test_shift_distance_of_normal_laws(miss: float) -> None:
    """A normal law moved by e of its sd is at KS distance 2 Phi(e/2) - 1 from itself, to the table's 1e-3."""
    found = Yardstick.of(TARGET).shift_ks(np.array([miss, -miss]))
    assert found == pytest.approx(2 * stats.norm.cdf(miss / 2) - 1, abs=1e-3)


def test_a_target_without_moments_is_measured_by_quartiles() -> None:
    """A Cauchy target: itself moved by two half interquartile ranges is an offset, half as wide a wrong shape."""
    cauchy = Target("cauchy", {"loc": 0.0, "scale": 1.0})
    assert "quantiles" in columns(cauchy)
    assert "quantiles" not in columns(TARGET)
    cells = [stats.cauchy(2.0, 1.0).ppf(LEVELS), stats.cauchy(0.0, 0.5).ppf(LEVELS)]
    ks = [float(np.abs(cauchy.cdf(q) - LEVELS).max()) for q in cells]
    rows = pd.DataFrame([row(stats.norm(MU, SIGMA), quantiles=q, ks=k) for q, k in zip(cells, ks, strict=True)])
    assert diagnose(rows, cauchy, SUCCESS).tolist() == ["offset", "wrong shape"]


def test_one_mode_of_two_is_no_offset() -> None:
    """Of N(2, 1/4) and N(6, 1/4) in equal parts, mean 4 and sd 2.06, the first alone: KS 1/2, a wrong shape."""
    two = Target("mixture", {"weight1": 0.5, "loc1": 2.0, "scale1": 0.5, "weight2": 0.5, "loc2": 6.0, "scale2": 0.5})
    yard = Yardstick.of(two)
    assert (yard.location, yard.scale) == (pytest.approx(4.0), pytest.approx(math.sqrt(4.25)))
    mode, both = row(stats.norm(2.0, 0.5), ks=0.5), row(TwoModes(2.0, 0.5), ks=0.01)
    assert diagnose(pd.DataFrame([mode, both]), two, SUCCESS).tolist() == ["wrong shape", "converged"]


NUMBER = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(-10, 10))
LIST = st.one_of(st.none(), st.lists(NUMBER, max_size=4))
ROW = st.fixed_dictionaries(
    {
        "outcome": st.sampled_from(["scored", "diverged", "failed", "pruned", None]),
        **dict.fromkeys(("ks", "mean", "sd", "steps", "batch"), NUMBER),
        **dict.fromkeys(("snapshot_step", "snapshot_fake_mean", "snapshot_grad_norm_g", "quantiles"), LIST),
    }
)


@given(st.lists(ROW, max_size=5), st.sampled_from([TARGET, Target("cauchy", {"loc": 0.0, "scale": 1.0}), None]))
def test_every_row_gets_one_word(rows: list[dict[str, Any]], target: Target | None) -> None:
    """Nulls, NaN, infinities and ragged lists anywhere: one word of the table a row, the outcome's where it has one."""
    frame = pd.DataFrame(rows, columns=["outcome", *columns(Target("cauchy", {"loc": 0.0, "scale": 1.0}))[1:]])
    found = diagnose(frame, target, SUCCESS)
    assert len(found) == len(rows)
    assert set(found) <= set(DIAGNOSES)
    for one, word in zip(rows, found, strict=True):
        if one["outcome"] in ("diverged", "failed", "pruned"):
            assert word == one["outcome"]


def test_it_reads_columns_of_the_store() -> None:
    """Every column named is one of the row's."""
    assert set(columns(Target("cauchy", {"loc": 0.0, "scale": 1.0}))) <= set(SCHEMA.names)


def test_the_documentation_has_the_rules() -> None:
    """docs/statistics.md shows every word with its rule, as the table has them."""
    text = (ROOT / "docs/statistics.md").read_text().replace("\\|", "|")
    for word, rule in DIAGNOSES.items():
        assert f"| {word} | {rule} |" in text
