"""The comparison of arms: what is counted, what is paired, and what is said when data are missing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fabricated import ARMS, fabricate_sweep

from analysis.comparison import ArmResult, Comparison, compare, compare_described
from analysis.load import read_sweep
from analysis.report.tables import arm_cells
from harness.store import SCHEMA, Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Four arms with 8 confirm seeds, some members diverged, the last of the first arm failed."""
    folder = tmp_path_factory.mktemp("sweep")
    return fabricate_sweep(folder, trials=3, seeds=2, confirm=8, failure="out of memory")


def row(
    arm: str, seed: int, ks: float, *, loss: str = "a", view: str = "raw", outcome: str = "scored"
) -> dict[str, Any]:
    """A confirm row by hand."""
    return {"arm": arm, "seed": seed, "ks": ks, "loss": loss, "view": view, "outcome": outcome, "stage": "confirm",
            "trial": 0, "mean": 4.0, "sd": 1.0}  # fmt: skip


def compare_committed(store: Store) -> Comparison:
    """The comparison of a sweep's folder, as its report has it."""
    read = read_sweep(store)
    return compare_described(read.description, read.frame, read.remarks)


def of(comparison: Comparison, arm: str) -> ArmResult:
    """The result of one arm."""
    return next(a for a in comparison.arms if a.arm == arm)


def assert_no_nan(value: object) -> None:
    """No float in a nested value is NaN or infinite: JSON without NaN can hold it."""
    json.dumps(value, allow_nan=False)


def test_numbers_of_a_sweep(store: Store) -> None:
    """Median, mean, success and lost members equal those counted from the rows directly; arms ascend in median KS."""
    found, frame = compare_committed(store), store.frame()
    assert found.stage == "confirm"
    medians = []
    for arm in found.arms:
        rows = frame[(frame["arm"] == arm.arm) & (frame["stage"] == "confirm")]
        assert arm.n == len(rows) == 8
        assert arm.ks_median.estimate == pytest.approx(float(np.median(rows["ks"])))
        assert arm.ks_mean.estimate == pytest.approx(float(np.mean(rows["ks"])))
        assert arm.successes == int(((rows["ks"] < 0.05) & (rows["outcome"] == "scored")).sum())
        assert arm.diverged == int((rows["outcome"] == "diverged").sum())
        assert arm.mean == pytest.approx(float(rows["mean"].dropna().median()))
        medians.append(arm.ks_median.estimate)
    assert medians == sorted(medians)
    assert of(found, ARMS[0].label).failed == 1
    assert_no_nan(found.as_json())


def test_order_of_rows_does_not_matter(store: Store) -> None:
    """Shuffled rows give the same comparison: intervals are seeded and sorted samples resampled alike."""
    frame = store.frame()
    shuffled = frame.sample(frac=1, random_state=3).reset_index(drop=True)
    assert compare(frame).records() == compare(shuffled).records()


def test_lost_members_count_as_one_and_no_success() -> None:
    """A diverged member with a flattering KS, and a failed one without any, both enter as KS = 1."""
    rows = [row("a / raw", 0, 0.01), row("a / raw", 1, 0.001, outcome="diverged"),
            row("a / raw", 2, float("nan"), outcome="failed")]  # fmt: skip
    result = of(compare(pd.DataFrame(rows)), "a / raw")
    assert (result.n, result.scored, result.diverged, result.failed, result.successes) == (3, 1, 1, 1, 1)
    assert result.ks_mean.estimate == pytest.approx((0.01 + 1 + 1) / 3)


def test_pairs_by_seed() -> None:
    """Differences are taken on equal seeds, whatever the rows' order: b is worse by exactly 0.1 on each of 6 seeds.

    Equal differences have no interval but a point; six of one sign give p = 2/2^6 = 0.03125.
    """
    ks = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32]
    rows = [row("n / raw", i, k, loss="non_saturating") for i, k in enumerate(ks)]
    rows += [row("b / raw", 5 - i, k + 0.1) for i, k in enumerate(reversed(ks))]
    found = compare(pd.DataFrame(rows))
    paired = of(found, "b / raw").paired
    assert paired is not None
    assert paired.pairs == 6
    assert paired.median.estimate == pytest.approx(0.1)
    assert paired.p == pytest.approx(0.03125)
    assert paired.floors == pytest.approx(0.1 / found.noise_floor)
    assert of(found, "n / raw").paired_state == "baseline"


def test_equal_arms_have_p_one() -> None:
    """An arm equal to the baseline on every seed differs by 0 with p = 1, not NaN."""
    rows = [row(f"{x} / raw", i, 0.01 * i, loss=x) for x in ("non_saturating", "b") for i in range(5)]
    paired = of(compare(pd.DataFrame(rows)), "b / raw").paired
    assert paired is not None
    assert (paired.p, paired.median.estimate, paired.median.method) == (1.0, 0.0, "all values equal")


def test_baseline_is_of_the_same_view_and_named() -> None:
    """Each view has its own baseline; where non_saturating is absent the first arm is it, and a remark says so."""
    pairs = [("a", "raw"), ("non_saturating", "raw"), ("a", "moments"), ("b", "moments")]
    rows = [row(f"{x} / {v}", s, 0.1, loss=x, view=v) for x, v in pairs for s in range(3)]
    found = compare(pd.DataFrame(rows))
    assert dict(found.baselines) == {"raw": "non_saturating / raw", "moments": "a / moments"}
    assert [r for r in found.remarks if "moments" in r] == [
        "View moments: no arm of non_saturating has rows; differences are to a / moments."
    ]


def test_unequal_seeds_are_intersected_and_said() -> None:
    """Seeds 0-5 against 3-8 share three; disjoint seeds share none and have no difference."""
    rows = [row("n / raw", s, 0.1 + s, loss="non_saturating") for s in range(6)]
    rows += [row("b / raw", s, 0.2 + s) for s in range(3, 9)] + [row("c / raw", s, 0.2) for s in range(20, 23)]
    found = compare(pd.DataFrame(rows))
    paired = of(found, "b / raw").paired
    assert paired is not None
    assert paired.pairs == 3
    assert "b / raw: 6 seeds, n / raw: 6; the 3 shared ones are paired." in found.remarks
    assert of(found, "c / raw").paired_state == "no shared seeds"


def test_large_seeds_stay_apart() -> None:
    """Seeds 2^62 and 2^62 + 1, which one float stands for, are two members."""
    assert of(compare(pd.DataFrame([row("a / raw", 2**62 + i, 0.1) for i in range(2)])), "a / raw").n == 2


def test_without_confirm_rows_it_is_no_comparison(tmp_path: Path) -> None:
    """Search rows alone give each arm's best trial, no differences, and a remark in clear words."""
    found = compare_committed(fabricate_sweep(tmp_path, trials=3, seeds=2, confirm=0))
    assert found.stage == "search only"
    assert "search only, not a comparison" in found.remarks[0]
    assert all(a.n == 2 and a.paired is None for a in found.arms)


def test_search_only_reads_the_best_trial() -> None:
    """Of three trials with mean KS .5, .1 and .3 the second is read, on both of its seeds."""
    scores = ((0, 0.5), (1, 0.1), (2, 0.3))
    rows = [row("a / raw", s, ks) | {"stage": "search", "trial": t} for t, ks in scores for s in range(2)]
    result = of(compare(pd.DataFrame(rows)), "a / raw")
    assert (result.trial, result.n, result.ks_median.estimate) == (1, 2, 0.1)


def test_an_empty_sweep_and_a_missing_arm_are_said(store: Store) -> None:
    """No rows at all, and an arm that sweep.json names but no row has, are results with remarks."""
    empty = compare(SCHEMA.empty_table().to_pandas(), arms=store.describe()["arms"])
    assert empty.stage == "no rows"
    assert [a.n for a in empty.arms] == [0] * len(ARMS)
    assert_no_nan(empty.as_json())
    frame = store.frame()
    partial = compare(frame[frame["arm"] != ARMS[1].label], arms=store.describe()["arms"])
    assert f"{ARMS[1].label}: no rows to compare." in partial.remarks
    assert partial.arms[-1].arm == ARMS[1].label


def test_one_seed_has_a_point_and_says_so(tmp_path: Path) -> None:
    """A single confirm seed gives intervals named "one value" and p = 1."""
    for arm in compare_committed(fabricate_sweep(tmp_path, trials=1, confirm=1)).arms:
        assert arm.ks_median.method == "one value"
        assert arm.paired is None or arm.paired.p == 1.0


def test_several_confirmed_trials_are_not_mixed() -> None:
    """Confirm rows of two trials of one arm are two samples: one is read, and which is said."""
    rows = [row("a / raw", s, 0.1) | {"trial": t} for s in range(3) for t in (2, 5)]
    found = compare(pd.DataFrame(rows))
    assert of(found, "a / raw").n == 3
    assert "a / raw: confirm rows of trials 2, 5; trial 2 is read." in found.remarks


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_missing_rows_and_columns_give_named_results(store: Store, data: st.DataObject) -> None:
    """Rows dropped, columns emptied or removed at random: a comparison without NaN that accounts for every arm."""
    frame = store.frame()
    keep = data.draw(st.lists(st.integers(0, len(frame) - 1), unique=True, max_size=len(frame)))
    frame = frame.iloc[keep].copy()
    for name in data.draw(st.lists(st.sampled_from(SCHEMA.names), unique=True, max_size=6)):
        frame[name] = None
    frame = frame.drop(columns=data.draw(st.lists(st.sampled_from(SCHEMA.names), unique=True, max_size=3)))
    found = compare(frame, arms=store.describe()["arms"])
    assert {a.arm for a in found.arms} == {a.label for a in ARMS}
    assert_no_nan(found.as_json())
    assert len(found.to_frame()) == len(ARMS)
    assert {arm_cells(a)[0] for a in found.arms} == {a.label for a in ARMS}


def test_a_damaged_file_is_named_and_the_rest_compared(tmp_path: Path) -> None:
    """A truncated population is left out with a remark that names the file; the others still count."""
    store = fabricate_sweep(tmp_path, arms=ARMS[:2], trials=2, confirm=3)
    path = tmp_path / "populations" / "000000.parquet"
    path.write_bytes(path.read_bytes()[:200])
    found = compare_committed(store)
    assert "000000.parquet" in found.remarks[0]
    assert all(a.n == 3 for a in found.arms)
