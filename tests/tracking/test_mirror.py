"""The mirror into MLflow: what it writes into a real SQLite file, and what is left of it after real kills."""

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from support.fabricated import ARMS
from support.mlflow_store import ALL_RUNS, assert_all_there, mirrored_now, publish, runs_by_key, wait_until
from support.paths import ROOT

from harness.errors import InputError
from harness.store import Store, locked, slug, write_whole
from harness.tracking import Mirror, find_members
from harness.tracking.run_content import tagged_members

# MLflow's own tables use a loader that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


# --- SQLite ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mirrored(committed_sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """``committed_sweep`` with winners' files and a report, mirrored as it grew into a database of the mirror's."""
    base = tmp_path_factory.mktemp("mirrored")
    folder, uri = publish(committed_sweep, base / "sweep", 0), f"sqlite:///{base}/new/mlflow.db"
    mirror = Mirror(folder, uri)
    mirror.start()
    publish(committed_sweep, folder, 1, 2)
    wait_until(lambda: (base / "new" / "mlflow.db").exists())
    publish(committed_sweep, folder, 3)
    for arm in ARMS:
        write_whole(folder / "winners" / slug(arm.label) / "sample.csv", f"x\n{arm.error}\n".encode())
    write_whole(folder / "report" / "figures" / "ks.svg", b"<svg/>")
    status = mirror.wait(lambda progress: None)
    assert (status.complete, status.written, status.code) == (True, ALL_RUNS, 0), status
    assert str(status) == f"{ALL_RUNS} runs written"
    return folder, uri


def test_runs_hold_what_was_committed(mirrored: tuple[Path, str]) -> None:
    """Read back through MLflow's public client, every trial's numbers equal the means of its committed members."""
    from mlflow import MlflowClient

    folder, uri = mirrored
    runs, frame = runs_by_key(uri), Store(folder).frame()
    uid = Store(folder).describe()["uid"]
    client = MlflowClient(tracking_uri=uri)
    for (arm, stage, trial), rows in frame.groupby(["arm", "stage", "trial"]):
        run = runs[f"{uid}:{arm}:{stage}:{trial}"]
        metrics, params, tags = run.data.metrics, run.data.params, run.data.tags
        assert run.info.run_name == (f"{arm} #{trial}" if stage == "search" else f"{arm} confirm")
        assert metrics["ks"] == pytest.approx(rows["ks"].mean())
        assert (metrics["ks_best_seed"], metrics["ks_worst_seed"]) == (rows["ks"].min(), rows["ks"].max())
        assert metrics["share_diverged"] == np.mean(rows["outcome"] == "diverged")
        for name in ("w1", "mean", "sd"):
            assert metrics.get(name, math.nan) == pytest.approx(rows[name].mean(), nan_ok=True)
        for name in ("lr_d", "lr_g", "ema", "steps", "hidden", "g_steps"):
            assert float(params[name]) == rows[name].iloc[0]
        told = rows["loss_params"].iloc[0]
        assert {name: float(params[f"param.{name}"]) for name in told} == told
        assert set(tagged_members(tags)) == set(rows["key"])
        assert (tags["variant"], tags["view"], tags["arm"]) == (params["loss"], params["view"], arm)
    # Curves in full: the first arm's trial 0, whose seeds are all scored. The last point of ks is the score.
    rows = frame[(frame["arm"] == ARMS[0].label) & (frame["stage"] == "search") & (frame["trial"] == 0)]
    run_id = runs[f"{uid}:{ARMS[0].label}:search:0"].info.run_id
    for name in ("ks", "loss_d", "loss_g"):
        curve = sorted((point.step, point.value) for point in client.get_metric_history(run_id, name))
        expected = list(np.mean([np.asarray(v) for v in rows[f"snapshot_{name}"]], axis=0))
        if name == "ks":
            expected[-1] = rows["ks"].mean()
        assert [step for step, _ in curve] == list(rows["snapshot_step"].iloc[0])
        assert [value for _, value in curve] == pytest.approx(expected)


def test_runs_are_nested_and_summarised(mirrored: tuple[Path, str]) -> None:
    """Trials hang under their arm, arms under the sweep; an arm bears its confirm stage's statistics."""
    folder, uri = mirrored
    runs, frame, description = runs_by_key(uri), Store(folder).frame(), Store(folder).describe()
    uid = description["uid"]
    sweep = runs[uid]
    assert sweep.info.run_name == "labels"
    assert sweep.data.tags["trials"] == "3"
    assert sweep.data.params["target"] == "norm(loc=4, scale=1.25)"
    assert sweep.data.tags["fingerprint"] == description["fingerprint"]
    assert sweep.data.tags["harness.git_commit"] == "0" * 40
    assert sweep.data.metrics["members"] == len(frame)
    assert sweep.data.metrics["share_diverged"] == np.mean(frame["outcome"] == "diverged")
    assert sweep.data.metrics["share_failed"] == 1 / len(frame)
    for arm in description["arms"]:
        run = runs[f"{uid}:{arm['arm']}"]
        confirmed = frame[(frame["arm"] == arm["arm"]) & (frame["stage"] == "confirm")]
        ks = confirmed["ks"].to_numpy()
        assert run.data.tags["mlflow.parentRunId"] == sweep.info.run_id
        assert arm["generator"] in run.data.tags["formula"]
        assert run.data.metrics["ks"] == pytest.approx(ks.mean())
        assert run.data.metrics["ks_p95"] == pytest.approx(np.quantile(ks, 0.95))
        assert run.data.metrics["success"] == np.mean(ks < 0.05)
        assert float(run.data.params["lr_g"]) == confirmed["lr_g"].iloc[0]
        for stage, trial in [("search", 0), ("search", 2), ("confirm", confirmed["trial"].iloc[0])]:
            child = runs[f"{uid}:{arm['arm']}:{stage}:{trial}"]
            assert child.data.tags["mlflow.parentRunId"] == run.info.run_id
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    failing = runs[f"{uid}:{ARMS[0].label}:confirm:{frame[frame['stage'] == 'confirm']['trial'].iloc[0]}"]
    assert "out of memory" in failing.data.tags["reason"]


def test_files_are_kept_beside_the_database(mirrored: tuple[Path, str]) -> None:
    """Winners' samples, sweep.json and the report can be fetched through MLflow; the database is in WAL mode."""
    from mlflow.artifacts import download_artifacts

    folder, uri = mirrored
    runs, uid = runs_by_key(uri), Store(folder).describe()["uid"]
    database = Path(uri.removeprefix("sqlite:///"))
    for arm in ARMS:
        run_id = runs[f"{uid}:{arm.label}"].info.run_id
        fetched = Path(download_artifacts(run_id=run_id, artifact_path="sample.csv", tracking_uri=uri))
        assert fetched.read_text() == f"x\n{arm.error}\n"
        assert (database.parent / "mlartifacts" / "labels" / run_id / "artifacts" / "sample.csv").is_file()
    for name, content in [("sweep.json", (folder / "sweep.json").read_bytes()), ("report/figures/ks.svg", b"<svg/>")]:
        fetched = Path(download_artifacts(run_id=runs[uid].info.run_id, artifact_path=name, tracking_uri=uri))
        assert fetched.read_bytes() == content
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (folder / "mirror.log").read_text() == ""


def test_members_are_found_by_run(mirrored: tuple[Path, str]) -> None:
    """A trial's run leads back to its folder and members; another run, or none, is refused in one line."""
    folder, uri = mirrored
    runs, frame, uid = runs_by_key(uri), Store(folder).frame(), Store(folder).describe()["uid"]
    rows = frame[(frame["arm"] == ARMS[1].label) & (frame["stage"] == "search") & (frame["trial"] == 1)]
    found = find_members(runs[f"{uid}:{ARMS[1].label}:search:1"].info.run_id, uri)
    assert found == (str(folder), list(rows.sort_values("seed")["key"]))
    with pytest.raises(InputError, match="not the run of a trial"):
        find_members(runs[uid].info.run_id, uri)
    with pytest.raises(InputError, match="absent"):
        find_members("absent", uri)


@pytest.mark.promise("P2", "F3")
def test_a_second_mirror_changes_only_what_is_new(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """Mirroring again writes nothing; later trials re-open the arms and the sweep; a deleted run stays deleted."""
    from mlflow import MlflowClient

    folder = publish(committed_sweep, tmp_path / "sweep", 0)
    assert mirrored_now(folder, uri).written == 9  # 4 trials, 4 arms, the sweep
    before = runs_by_key(uri)
    assert str(mirrored_now(folder, uri)) == "0 runs written"
    assert {k: r.to_dictionary() for k, r in runs_by_key(uri).items()} == {
        k: r.to_dictionary() for k, r in before.items()
    }
    uid = Store(folder).describe()["uid"]
    deleted = before[f"{uid}:{ARMS[0].label}:search:0"].info.run_id
    MlflowClient(tracking_uri=uri).delete_run(deleted)
    publish(committed_sweep, folder, 1, 2, 3)
    assert mirrored_now(folder, uri).written == 8 + 4 + 4 + 1  # 8 trials, 4 confirms, the arms and the sweep again
    after = runs_by_key(uri)
    assert len(after) == ALL_RUNS - 1
    assert after[uid].info.run_id == before[uid].info.run_id
    assert after[uid].data.metrics["members"] == 40  # 4 arms x (3 trials x 2 seeds + 4)
    assert {run.info.status for run in after.values()} == {"FINISHED"}


def _child(folder: Path, uri: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness.tracking", str(folder), uri],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.promise("P1", "P2", "F3")
def test_a_mirror_killed_anywhere_leaves_no_trace(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """SIGKILL after any answer of the store, several times over: in the end one finished run per key."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2, 3)
    for answers in (4, 12, 31):  # just after creating the sweep's run, within the first trials, further on
        child = _child(folder, uri)
        assert child.stdin is not None
        assert child.stdout is not None
        heard = 0
        while heard < answers:
            heard += json.loads(child.stdout.readline())["phase"] == "writing"
        child.kill()
        child.communicate()
    assert "RUNNING" in {run.info.status for run in runs_by_key(uri).values()}
    assert mirrored_now(folder, uri).complete
    assert_all_there(uri)


@pytest.mark.promise("P1", "F3")
def test_a_killed_parent_leaves_a_mirror_that_finishes(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """A mirror whose training process is killed still writes everything committed by then, and ends."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2, 3)
    code = (
        "import sys, time; from pathlib import Path; from harness.tracking import Mirror\n"
        "m = Mirror(Path(sys.argv[1]), sys.argv[2]); m.start(); print(m.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(folder), uri]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: _has_ended(pid))
    with locked(folder / "mirror.lock"):  # free again
        assert_all_there(uri)


def _has_ended(pid: int) -> bool:
    """True if the process is gone, or dead and not yet collected."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True
