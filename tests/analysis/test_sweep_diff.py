"""``harness compare``: two real sweeps side by side, against their own rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support.command_line import harness, tree
from support.sweeps import RATES, STEPS, InterruptingListener, carry_on, experiment

from analysis.sweep_diff import diff_sweeps
from harness.store import Store

HOSTILE = "[red]\x1b]0;x\x07<b>"
MINIMAX, LEAST = "minimax / variances", "least_squares(a=0, b=1, c=1) / variances"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A sweep with another loss in place of one, wider networks, and seven confirm seeds, two of them shared."""
    spec = experiment(
        variants=["least_squares", "hinge"],
        search={"sampler": "random", "trials": 2, "seeds": 2, "space": RATES},
        confirm={"seeds": 7},
        train={"steps": STEPS, "batch": 20, "hidden": 12, "snapshots": [STEPS // 2, STEPS]},
    )
    store = carry_on(spec, tmp_path_factory.mktemp("other") / "other", reuse=False)
    store.amend({**store.describe(), "name": HOSTILE})  # no experiment may be called so, but a folder can be anybody's
    return store


def test_differences_are_b_minus_a_over_the_shared_seeds(finished_sweep: Store, other: Store) -> None:
    """Of the arm in both, the median of the two seeds' differences, and p of numpy's and scipy's own making."""
    found = diff_sweeps(finished_sweep, other)
    arms = {arm.arm: arm for arm in found.arms}
    frames = [
        store.frame().query("stage == 'confirm' and arm == @LEAST").set_index("seed")
        for store in (finished_sweep, other)
    ]
    gaps = (frames[1]["ks"] - frames[0]["ks"]).dropna().to_numpy()
    gap = arms[LEAST].gap
    assert gap is not None
    assert (gap.pairs, gap.same) == (2, 0)
    assert gap.median.estimate == pytest.approx(np.median(gaps))
    assert gap.mean.estimate == pytest.approx(gaps.mean())
    assert gap.p == gap.p_holm == stats.wilcoxon(gaps, zero_method="pratt").pvalue
    assert [(a.arm, a.a is None, a.b is None, a.unpaired) for a in found.arms] == [
        (LEAST, False, False, ""),
        (MINIMAX, False, True, "in one of them alone"),
        ("hinge(m_real=1, m_fake=1) / variances", True, False, "in one of them alone"),
    ]
    reached = arms[LEAST].b
    assert reached is not None
    assert (reached.n, reached.ks_median.estimate) == (7, pytest.approx(frames[1]["ks"].median()))


def test_sides_and_settings_are_those_of_the_sweeps(finished_sweep: Store, other: Store) -> None:
    """Names, numbers of arms and trials, time; each setting that decides results, and no name or label."""
    found = diff_sweeps(finished_sweep, other)
    assert (found.a.name, found.a.finished, found.a.arms, found.a.trials) == ("small", True, 2, 8)
    assert (found.b.name, found.b.trials) == (HOSTILE, 4)
    seconds = sum(float(other.metadata(index)["seconds"]) for index in other.committed())
    assert found.b.seconds == pytest.approx(seconds)
    assert [change.partition(":")[0] for change in found.settings] == [
        *("confirm.seeds", "search.trials", "train.hidden", "variants"),
    ]


def test_a_sweep_beside_itself_has_no_difference(finished_sweep: Store) -> None:
    """Every pair is one member, by its key, and no setting differs."""
    found = diff_sweeps(finished_sweep, finished_sweep)
    assert found.settings == ()
    for arm in found.arms:
        assert arm.gap is not None
        assert arm.gap.same == arm.gap.pairs == 2
        assert (arm.gap.median.estimate, arm.gap.p_holm) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"target": {"law": "norm", "loc": 0, "scale": 1}}, "the targets differ"),
        ({"seed": 5}, "the sweeps' own seeds differ"),
        ({"train": {"steps": 10, "batch": 20, "hidden": 8, "snapshots": [10]}}, "the steps differ"),
    ],
)
def test_seeds_that_are_no_pairs_are_not_paired(
    finished_sweep: Store, tmp_path: Path, change: dict[str, object], why: str
) -> None:
    """Another target, seed of the sweep or number of steps: both arms stand side by side, with the reason."""
    found = diff_sweeps(finished_sweep, carry_on(experiment(**change), tmp_path / "changed", reuse=False))
    assert {(arm.gap, arm.unpaired) for arm in found.arms} == {(None, why)}
    assert all(arm.a and arm.b and arm.a.n == arm.b.n == 2 for arm in found.arms)


def test_a_sweep_without_confirm_seeds_is_told_as_such(finished_sweep: Store, tmp_path: Path) -> None:
    """Interrupted after its second commit it has search rows alone: no pairs, said in words, and no number lost."""
    with pytest.raises(KeyboardInterrupt):
        carry_on(experiment(), tmp_path / "half", InterruptingListener(commits=2), reuse=False)
    found = diff_sweeps(finished_sweep, Store(tmp_path / "half"))
    assert not found.b.finished
    assert {arm.unpaired for arm in found.arms} == {"no confirm seeds"}
    assert any("No confirm rows yet" in remark for remark in found.b.remarks)


def test_the_command_prints_both_and_changes_neither(finished_sweep: Store, other: Store, tmp_path: Path) -> None:
    """Text with names as they are, JSON that is the record, a missing sweep in one line; files stay as they were."""
    before = tree(finished_sweep.folder), tree(other.folder)
    shown = harness(tmp_path, "compare", str(finished_sweep.folder), str(other.folder))
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("A: small (")
    assert lines[1].startswith("B: [red]\\x1b]0;x\\x07<b> (")
    assert "  search.trials: 4 -> 2" in lines
    assert any("only in A" in line for line in lines)
    assert any("only in B" in line for line in lines)
    told = harness(tmp_path, "compare", str(finished_sweep.folder), str(other.folder), "--json")
    assert json.loads(told.stdout) == json.loads(json.dumps(diff_sweeps(finished_sweep, other).as_json()))
    missing = harness(tmp_path, "compare", str(finished_sweep.folder), "nowhere")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert (
        missing.stderr
        == "error: nowhere: no sweep here (no sweep.json) and none of that name in sweeps/; see `harness sweeps`\n"
    )
    assert (tree(finished_sweep.folder), tree(other.folder)) == before
