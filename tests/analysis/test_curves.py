"""The small tables that the figures draw."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.fabricated import ARMS, LOC, SCALE, fabricate_sweep, normal_ks

from analysis.curves import LEVELS, gap_to_target, law_density, law_table, member_of, over_steps, seed_table
from harness.data.target import Target


def path(steps: list[int], ks: list[float | None], outcome: str = "scored") -> dict[str, Any]:
    """A row that holds only a KS path."""
    return {"snapshot_step": np.array(steps), "snapshot_ks": ks, "outcome": outcome}


def test_median_and_quartiles_over_members() -> None:
    """Three members .1, .2, .6 at step 10: median .2, quartiles .15 and .4 by linear interpolation."""
    rows = pd.DataFrame([path([10, 20], [v, v / 2]) for v in (0.1, 0.2, 0.6)])
    found = over_steps(rows, "ks").set_index("step")
    assert found.loc[10, ["median", "q25", "q75", "n"]].tolist() == pytest.approx([0.2, 0.15, 0.4, 3])


def test_a_diverged_member_stays_at_one() -> None:
    """A path that stops at step 10 counts as 1 at the later steps of the others, and null elements are skipped."""
    rows = pd.DataFrame([path([10, 20], [0.1, 0.2]), path([10], [0.5], "diverged"), path([10, 20], [None, 0.4])])
    found = over_steps(rows, "ks").set_index("step")
    assert found.loc[20, "median"] == pytest.approx(0.4)
    assert found["n"].tolist() == [2, 3]


def test_unusable_paths_give_an_empty_table() -> None:
    """Missing lists and lists of other length than the steps are no data, not an error."""
    rows = pd.DataFrame([path([10], [0.1, 0.2]), {"snapshot_step": None, "snapshot_ks": None, "outcome": None}])
    assert over_steps(rows, "ks").empty


def test_density_of_a_normal_law() -> None:
    """From the 200 quantiles of N(4, 1.25^2) the density is within 2 % of its exact value between +-1.5 sd.

    The error of the difference quotient over 8 levels is the curvature of the quantile function: below 1 % there.
    """
    x, f = law_density(np.asarray(stats.norm.ppf(LEVELS, LOC, SCALE)))
    inner = np.abs(x - LOC) < 1.5 * SCALE
    assert inner.sum() > 150
    np.testing.assert_allclose(f[inner], stats.norm.pdf(x[inner], LOC, SCALE), rtol=0.02)


def test_an_atom_has_no_density() -> None:
    """A constant law gives no points rather than infinite ones."""
    assert law_density(np.full(200, 4.0))[0].size == 0


def test_median_and_best_member(tmp_path: Path) -> None:
    """Of four scored members the lower median and the least KS are chosen; rows without a law are passed over."""
    law = np.linspace(0, 1, 200)
    rows = pd.DataFrame([{"ks": k, "seed": i, "quantiles": law} for i, k in enumerate((0.4, 0.1, 0.3, 0.2))])
    rows.loc[len(rows)] = {"ks": 0.01, "seed": 9, "quantiles": None}
    median, best = member_of(rows, "median"), member_of(rows, "best")
    assert median is not None
    assert best is not None
    assert (median["ks"], best["ks"]) == (0.2, 0.1)
    assert member_of(rows.iloc[4:], "best") is None


def test_tables_of_a_sweep(tmp_path: Path) -> None:
    """The member table has every compared member, the law table every arm."""
    frame = fabricate_sweep(tmp_path, trials=1, seeds=2, confirm=4).frame()
    arms = [a.label for a in ARMS]
    assert len(seed_table(frame, arms)) == len(arms) * 4
    assert law_table(frame, None, arms)["arm"].tolist() == arms


def test_a_member_that_diverged_at_once_counts_from_the_start() -> None:
    """Without any snapshot of its own it is 1 at every step of the others: median of .1, 1, 1 and of .2, 1, 1."""
    rows = pd.DataFrame([path([10, 20], [0.1, 0.2]), path([], [], "diverged"), path([], [], "failed")])
    found = over_steps(rows, "ks").set_index("step")
    assert found["median"].tolist() == [1.0, 1.0]
    assert found["n"].tolist() == [3, 3]


@pytest.mark.parametrize(("loc", "scale"), [(4.5, 1.25), (4.0, 2.0), (30.0, 1.0)])
def test_the_largest_gap_is_the_ks_distance(loc: float, scale: float) -> None:
    """Between normal laws the exact KS distance is known; 200 quantiles tell it within half a level, 1/400."""
    law = np.asarray(stats.norm.ppf(LEVELS, loc, scale))
    x, gap = gap_to_target(law, Target(), np.linspace(-2, 10, 100))
    assert np.all(np.diff(x) >= 0)
    assert np.abs(gap).max() == pytest.approx(normal_ks(loc, scale), abs=1 / 400)
