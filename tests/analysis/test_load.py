"""Reading for a report: the few rows that are kept give the same results as all of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.fabricated import ARMS, fabricate_sweep

from analysis import load
from analysis.comparison import compare_described
from analysis.load import best_of, read_sweep
from analysis.rows import best_trials, select, target_of, tidy
from harness.errors import StoreError
from harness.metrics.diagnosis import diagnose
from harness.store import Store


@pytest.fixture(scope="module")
def lossy_sweep(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A sweep with members that diverged and one that failed, to read only."""
    return fabricate_sweep(tmp_path_factory.mktemp("read") / "labels", seeds=3, failure="no memory")


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as Python objects: a column without a value is of one type in few rows and of another in many."""
    return frame.astype(object).where(frame.notna(), None)


def agrees(store: Store) -> None:
    """The compared rows, the best trials and the comparison are those of all rows."""
    frame = store.frame()
    found = read_sweep(store)
    chosen, whole = select(found.frame), select(frame)
    assert chosen.stage == whole.stage
    pd.testing.assert_frame_equal(plain(chosen.frame), plain(whole.frame))
    rows, _ = tidy(frame)
    assert best_of(found.trials) == best_trials(rows[rows["stage"] == "search"])
    assert compare_described(found.description, found.frame).arms == compare_described(store.describe(), frame).arms
    assert found.members == len(frame)
    assert found.diagnoses["members"].sum() == len(frame)


def test_confirm_rows_are_read_whole(lossy_sweep: Store) -> None:
    """A finished sweep is compared as if every row had been read, also where files are looked at one by one."""
    agrees(lossy_sweep)


def test_files_together_or_alone(lossy_sweep: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of files that are read at a time changes nothing."""
    together = read_sweep(lossy_sweep)
    monkeypatch.setattr(load, "BATCH", 2)
    alone = read_sweep(lossy_sweep)
    for name in ("frame", "trials", "diagnoses"):
        pd.testing.assert_frame_equal(getattr(together, name), getattr(alone, name))


def test_search_only(tmp_path: Path) -> None:
    """Without confirm rows, the search rows of each arm's best trial are what is compared."""
    agrees(fabricate_sweep(tmp_path / "s", confirm=0))


def test_trials_by_hand(lossy_sweep: Store) -> None:
    """Score, halves, lost seeds, rates and diagnosis of each trial are those of its rows."""
    description, frame = lossy_sweep.describe(), lossy_sweep.frame()
    found = read_sweep(lossy_sweep).trials
    search = frame[frame["stage"] == "search"].assign(
        word=lambda rows: diagnose(rows, target_of(description), description["spec"]["success_ks"])
    )
    assert len(found) == search.groupby(["arm", "trial"]).ngroups == len(ARMS) * 6
    for _, trial in found.iterrows():
        own = search[(search["arm"] == trial["arm"]) & (search["trial"] == trial["trial"])].sort_values("seed")
        assert trial["seeds"] == len(own) == 3
        assert trial["score"] == pytest.approx(own["ks"].mean())
        assert trial["half_a"] == pytest.approx((own["ks"].iloc[0] + own["ks"].iloc[2]) / 2)
        assert trial["half_b"] == pytest.approx(own["ks"].iloc[1])
        assert trial["lost"] == own["outcome"].isin(["diverged", "failed"]).sum()
        assert trial["lr_g"] == own["lr_g"].iloc[0]
        assert (own["word"] == trial["diagnosis"]).sum() == own["word"].value_counts().max()


def test_diagnoses_are_of_all_members(lossy_sweep: Store) -> None:
    """The counts are those of every row, search and confirm apart."""
    description, frame = lossy_sweep.describe(), lossy_sweep.frame()
    words = diagnose(frame, target_of(description), description["spec"]["success_ks"])
    expected = frame.assign(diagnosis=words).groupby(["arm", "stage", "diagnosis"]).size().to_dict()
    told = read_sweep(lossy_sweep).diagnoses
    assert {(r.arm, r.stage, r.diagnosis): r.members for r in told.itertuples()} == expected


def test_a_damaged_file_is_named(lossy_sweep: Store, tmp_path: Path) -> None:
    """A file with altered bytes is left out, with a remark; all others are read."""
    shutil.copytree(lossy_sweep.folder, tmp_path / "copy")
    path = tmp_path / "copy/populations/000002.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    found = read_sweep(Store(tmp_path / "copy"))
    assert any("Population 2 is left out" in remark for remark in found.remarks)
    assert set(found.trials["trial"]) == {0, 1, 3, 4, 5}


def test_spared_members_are_no_scores(tmp_path: Path) -> None:
    """A trial that was given up has the mean of the seeds that were trained, and stands behind all others."""
    store = fabricate_sweep(tmp_path / "s", confirm=0, seeds=2)
    rows = store.population(0).to_pylist(maps_as_pydicts="strict")
    nothing = dict.fromkeys(("ks", "ks_iid", "ks_pvalue", "mean", "sd", "quantiles"))
    lists = {n: [] for n in rows[0] if n.startswith("snapshot")}
    rows[1] |= {"outcome": "pruned", "stopped_step": 0, **nothing, **lists}
    store.commit(0, rows, {"seconds": "1.5", "device": "cpu", "reused": "2"}, revision=1)
    found = read_sweep(store)
    trial = found.trials.iloc[0]
    assert (trial["seeds"], trial["pruned"], trial["score"]) == (1, True, rows[0]["ks"])
    assert np.isnan(trial["half_b"])
    assert any("1 of 48 members were not trained" in remark for remark in found.remarks)
    assert (found.cost.seconds, found.cost.devices, found.cost.reused) == (1.5, ("cpu",), 2)
    agrees(store)


def test_an_empty_sweep(tmp_path: Path) -> None:
    """A sweep that has only begun has no trials and no rows; a folder without one is refused."""
    found = read_sweep(fabricate_sweep(tmp_path / "s", confirm=0, trials=0))
    assert len(found.frame) == len(found.trials) == len(found.diagnoses) == found.members == 0
    assert select(found.frame).stage == "no rows"
    with pytest.raises(StoreError, match="no sweep"):
        read_sweep(Store(tmp_path / "none"))


def test_a_real_sweep(finished_sweep: Store) -> None:
    """A trained sweep reads the same; its searched keys are columns of the trials."""
    agrees(finished_sweep)
    found = read_sweep(finished_sweep)
    assert found.searched
    assert set(found.searched) <= set(found.trials.columns)
    assert found.trials[list(found.searched)].notna().all(axis=None)
    assert found.cost.seconds > 0


def test_an_unfinished_sweep_is_said(lossy_sweep: Store, tmp_path: Path) -> None:
    """Missing populations, or a budget that is being raised, give a remark; else there is none."""
    shutil.copytree(lossy_sweep.folder, tmp_path / "s")
    store, there = Store(tmp_path / "s"), len(lossy_sweep.committed())
    told = []
    for populations, finished in ((there + 2, None), (there, None), (there, "2026-01-01"), ("many", None)):
        store.amend(lossy_sweep.describe() | {"populations": populations, "finished": finished})
        told.append([remark for remark in read_sweep(store).remarks if "not finished" in remark])
    assert told[0] == [f"The sweep is not finished: {there} of {there + 2} populations are committed."]
    assert told[1][0].startswith("The sweep is not finished: a raised budget")
    assert told[2:] == [[], []]
