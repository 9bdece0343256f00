"""The mirror of a sweep that changes after it was mirrored: populations revised, winners changed, trials added."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fabricated import ARMS
from support.mlflow_store import mirrored_now, publish, runs_by_key, wait_until

from harness.store import Store
from harness.tracking import Mirror
from harness.tracking.committed_trials import Trial, Trials
from harness.tracking.run_content import trial_run

# MLflow's own tables use a loader that SQLAlchemy 2.1 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"),
    pytest.mark.promise("P1", "P2"),
]

FIRST = ARMS[0].label


def revise(store: Store, index: int, revision: int, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Commit a population again with ``change`` applied to the rows of the first arm."""
    rows = store.population(index).to_pylist(maps_as_pydicts="strict")
    store.commit(index, [change(r) if r["arm"] == FIRST else r for r in rows], {}, revision)


def ended(outcome: str, ks: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A member that ended so."""
    reason = "out of memory" if outcome == "failed" else None
    return lambda row: {**row, "outcome": outcome, "ks": ks, "failure": reason}


def test_a_revised_population_changes_its_trials_alone(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """A trial that failed and then succeeded has one run, with the better numbers and without the old reason."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2, 3)
    store = Store(folder)
    revise(store, 1, 1, ended("failed", 1.0))
    assert mirrored_now(folder, uri).complete
    key = f"{store.describe()['uid']}:{FIRST}:search:1"
    before = runs_by_key(uri)
    assert (before[key].data.tags["outcome"], before[key].data.metrics["ks"]) == ("failed", 1.0)
    assert before[key].data.tags["reason"] == "out of memory"
    revise(store, 1, 2, ended("scored", 0.125))
    status = mirrored_now(folder, uri)
    after = runs_by_key(uri)
    assert status.written == 4 + 4 + 1  # the population's trials, one of each arm; the arms; the sweep
    assert after.keys() == before.keys()
    assert {k: run.info.run_id for k, run in after.items()} == {k: run.info.run_id for k, run in before.items()}
    assert {run.info.status for run in after.values()} == {"FINISHED"}
    tags, metrics = after[key].data.tags, after[key].data.metrics
    assert (tags["outcome"], tags["harness.populations"], "reason" in tags) == ("scored", "1.r2", False)
    assert (metrics["ks"], metrics["share_failed"]) == (0.125, 0.0)
    assert after[store.describe()["uid"]].data.metrics["members"] == store.table().num_rows
    assert mirrored_now(folder, uri).written == 0


def test_a_revision_is_seen_while_the_sweep_is_followed(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """A mirror at work reads a population again when it is revised; nothing of the earlier rows is counted."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0)
    store = Store(folder)
    mirror = Mirror(folder, uri)
    mirror.start()
    wait_until(lambda: mirror.progress.mirrored == 4)
    revise(store, 0, 1, ended("scored", 0.5))
    assert mirror.wait(lambda progress: None).complete
    uid = store.describe()["uid"]
    runs = runs_by_key(uri)
    assert runs[f"{uid}:{FIRST}:search:0"].data.metrics["ks"] == 0.5
    assert runs[uid].data.metrics["members"] == 8


def test_a_changed_winner_sets_the_earlier_confirm_run_aside(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """The confirm stage of another trial has a run of its own, under an arm that shows its parameters.

    MLflow never changes a parameter: the arm's run is made anew, and the arm's trials hang under the new one. Changed
    back, the first confirm run counts again.
    """
    folder = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2, 3)
    store = Store(folder)
    assert mirrored_now(folder, uri).complete
    uid, before = store.describe()["uid"], runs_by_key(uri)
    (old,) = (key for key in before if key.startswith(f"{uid}:{FIRST}:confirm:"))
    number = int(old.rpartition(":")[2])
    new = f"{uid}:{FIRST}:confirm:{number + 1}"
    was = float(before[old].data.params["lr_g"])
    revise(store, 3, 1, lambda row: {**row, "trial": number + 1, "lr_g": 0.25})
    assert mirrored_now(folder, uri).complete
    after = runs_by_key(uri)
    assert float(after[new].data.params["lr_g"]) == float(after[f"{uid}:{FIRST}"].data.params["lr_g"]) == 0.25
    assert "harness.superseded" in after[old].data.tags
    assert after[old].info.run_name == f"{FIRST} confirm (superseded)"
    arm = after[f"{uid}:{FIRST}"].info.run_id
    assert arm != before[f"{uid}:{FIRST}"].info.run_id
    children = [run for key, run in after.items() if key.startswith(f"{uid}:{FIRST}:search:")] + [after[new]]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {arm}
    assert mirrored_now(folder, uri).written == 0
    revise(store, 3, 2, lambda row: {**row, "trial": number, "lr_g": was})
    assert mirrored_now(folder, uri).complete
    again = runs_by_key(uri)
    assert again[old].info.run_name == f"{FIRST} confirm"
    assert "harness.superseded" not in again[old].data.tags
    assert "harness.superseded" in again[new].data.tags
    assert float(again[f"{uid}:{FIRST}"].data.params["lr_g"]) == was


def test_an_extended_sweep_keeps_its_run(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """With more trials in its budget than when it was mirrored, a sweep is RUNNING no more and has the same run."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2, 3)
    store = Store(folder)
    assert mirrored_now(folder, uri).complete
    description = store.describe()
    uid, before = description["uid"], runs_by_key(uri)
    description["spec"]["search"]["trials"] = 4
    store.amend({**description, "populations": 5})
    assert mirrored_now(folder, uri).complete
    half = runs_by_key(uri)[uid]
    assert (half.info.status, half.data.tags["trials"]) == ("KILLED", "4")
    rows = store.population(2).to_pylist(maps_as_pydicts="strict")
    store.commit(4, [{**row, "trial": 3, "key": row["key"][::-1]} for row in rows], {})
    assert mirrored_now(folder, uri).complete
    after = runs_by_key(uri)
    assert after[uid].info.run_id == before[uid].info.run_id
    assert (after[uid].info.status, after[uid].data.metrics["trials"]) == ("FINISHED", 16)
    assert len(after) == len(before) + len(ARMS)


def test_a_member_that_was_spared_says_nothing_of_its_trial(committed_sweep: Path) -> None:
    """A trial's numbers are means over the seeds that trained; a skipped one counts in the share of pruned alone."""
    store = Store(committed_sweep)
    trials = Trials(store, store.describe())
    trials.refresh()
    trained = trials.rows(Trial(FIRST, "search", 1))
    nothing = {name: None for name in trained[0] if name.startswith(("snapshot", "ks", "w1", "mean", "sd"))}
    spared = {**trained[1], **nothing, "outcome": "pruned", "stopped_step": 0}
    content = trial_run(store.describe(), Trial(FIRST, "search", 1), [trained[0], spared], "folder")
    points = {(name, step): value for name, value, step in content.metrics}
    last = int(trained[0]["steps"])
    for name, step in (("ks", last), ("ks_best_seed", 0), ("ks_worst_seed", 0)):
        assert points[name, step] == trained[0]["ks"]
    assert [points[f"share_{ended}", 0] for ended in ("pruned", "diverged", "failed")] == [0.5, 0.0, 0.0]
    first = int(trained[0]["snapshot_step"][0])
    assert points["ks", first] == trained[0]["snapshot_ks"][0]
    assert (content.tags["outcome"], content.tags["reason"]) == ("pruned", "pruned before its other seeds were trained")


def test_a_trial_is_ranked_by_the_seeds_that_trained(committed_sweep: Path, tmp_path: Path) -> None:
    """The mean of a trial one of whose seeds was spared is that of the other, and the trial counts as pruned."""
    store = Store(publish(committed_sweep, tmp_path / "sweep", 0))
    rows = store.population(0).to_pylist(maps_as_pydicts="strict")
    spared = {"outcome": "pruned", "stopped_step": 0, "ks": None}
    store.commit(0, [{**row, **spared} if row["seed"] == 1 else row for row in rows], {}, revision=1)
    trials = Trials(store, store.describe())
    trials.refresh()
    trial = Trial(FIRST, "search", 0)
    (kept,) = (row["ks"] for row in rows if row["arm"] == FIRST and row["seed"] == 0)
    assert trials.score(trial) == kept
    assert trials.pruned(trial)
    assert trials.complete(arm=FIRST) == [trial]
