"""The mirror into MLflow, against real SQLite files, a real server, a socket that never answers and real kills."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricate import ARMS, fabricate_sweep
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.store import Store, locked, slug, write_whole
from harness.tracking import Mirror, absolute_uri, default_uri, find_members, redact
from harness.tracking.address import scrub
from harness.tracking.runs import tagged_members, trial_run
from harness.tracking.trials import UNSCORED_PER_ARM, Trial, Trials

# MLflow's own tables use a loader that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

ROOT = Path(__file__).resolve().parents[1]

#: The promise is 2 s; the rest is for a machine that does other things too.
BOUND_SECONDS = 2.5

#: Trials of the sweep ``made``: 4 arms x 3, and with confirm runs, arm runs and the parent 12 + 4 + 4 + 1 runs.
SEARCH_TRIALS, ALL_RUNS = 12, 21


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed sweep of 4 arms, 3 trials, 2 seeds and 4 confirm seeds: populations 0, 1, 2 and the confirm's 3."""
    folder = tmp_path_factory.mktemp("made") / "sweep"
    fabricate_sweep(folder, trials=3, seeds=2, confirm=4, failure="out of memory")
    return folder


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with tables and no runs, to copy: creating one takes seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def uri(empty_database: Path, tmp_path: Path) -> str:
    """A fresh SQLite store."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


def publish(source: Path, folder: Path, *indices: int) -> Path:
    """Commit populations of ``source`` to ``folder`` the way the store does: whole, under their final names."""
    write_whole(folder / "sweep.json", (source / "sweep.json").read_bytes())
    for index in indices:
        name = f"populations/{index:06d}.parquet"
        write_whole(folder / name, (source / name).read_bytes())
    return folder


def runs_by_key(uri: str) -> dict[str, Any]:
    """Every run in the experiment ``labels``, by ``harness.key``; no key may have two."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("labels")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    counts = Counter(run.data.tags["harness.key"] for run in runs)
    assert set(counts.values()) == {1}, counts
    return {run.data.tags["harness.key"]: run for run in runs}


def assert_all_there(uri: str) -> None:
    """One finished run for every key of ``made``."""
    runs = runs_by_key(uri)
    assert len(runs) == ALL_RUNS
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def timed_finish(mirror: Mirror, **options: float) -> tuple[Any, float]:
    """What ``finish`` returns and how many seconds it took."""
    begin = time.monotonic()
    status = mirror.finish(**options)
    return status, time.monotonic() - begin


def wait_until(condition: Any, seconds: float = 60) -> None:
    """Poll ``condition`` until it holds; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- addresses ------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1, max_size=20))
def test_no_password_survives_redaction(password: str) -> None:
    """Whatever characters a password has, it is not in the shown address, nor in a message that quotes it."""
    shown = "postgresql+psycopg://user:***@db.example:5432/runs?sslmode=require"
    address = shown.replace("***", password)
    assert redact(address) == shown
    assert password not in scrub(f"<{address}>", address).replace(shown, "")
    assert password not in scrub(f"<{password}>", address).replace("***", "")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://me:pw@host:5000/prefix", "https://me:***@host:5000/prefix"),
        ("postgresql://db/x?user=me&password=pw&sslmode=on", "postgresql://db/x?user=me&password=***&sslmode=on"),
        ("https://host/?access_token=abc", "https://host/?access_token=***"),
    ],
)
def test_only_secrets_are_hidden(address: str, shown: str) -> None:
    """An address without a secret is shown as it is; passwords and tokens among its fields are hidden."""
    assert redact(address) == shown


def test_default_store_is_the_one_mlflow_ui_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without configuration runs go to mlflow.db of the working directory; MLflow's environment variable wins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert default_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other/runs.db?timeout=5")
    assert default_uri() == f"sqlite:///{tmp_path}/other/runs.db?timeout=5"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert default_uri() == "http://127.0.0.1:5000"


@pytest.mark.parametrize("address", ["mlruns", "file:///tmp/mlruns", "sqlite:///:memory:", "", "ftp://u:secret@host"])
def test_what_is_no_store_is_refused_in_one_line(address: str, tmp_path: Path) -> None:
    """An address MLflow 3 cannot write runs to is refused before anything starts, naming what is allowed."""
    with pytest.raises(InputError, match="allowed are sqlite:///FILE") as refusal:
        Mirror(tmp_path, address)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)
    with pytest.raises(InputError):
        absolute_uri(address)


def test_importing_the_package_leaves_mlflow_alone() -> None:
    """The training process never imports mlflow by importing harness.tracking."""
    code = "import sys, harness.tracking; sys.exit('mlflow' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# --- what a run holds -----------------------------------------------------------------------------------------------

SNAPSHOTS = 5
_MAYBE = st.none() | st.floats(0, 2) | st.sampled_from([math.nan, math.inf, -math.inf])


@settings(max_examples=60)
@given(st.lists(st.tuples(_MAYBE, _MAYBE, st.lists(_MAYBE, min_size=SNAPSHOTS, max_size=SNAPSHOTS)), min_size=1))
def test_only_finite_numbers_are_sent(made: Path, values: list[tuple[Any, Any, list[Any]]]) -> None:
    """Whatever numbers members bear, a run's are finite; a KS distance that is missing counts 1; absences are named."""
    trials = Trials(Store(made), Store(made).describe())
    trials.refresh()
    template = trials.rows(trials.wanted()[0])[0]
    rows = [
        {
            **template,
            "ks": ks,
            "w1": w1,
            "lr_d": w1,
            "snapshot_step": list(range(1, SNAPSHOTS + 1)),
            "snapshot_ks": curve,
            "snapshot_loss_d": curve,
        }
        for ks, w1, curve in values
    ]
    content = trial_run(Store(made).describe(), Trial("a", "search", 0), rows, "folder")
    assert all(math.isfinite(value) for _, value, _ in content.metrics)
    points = {(name, step): value for name, value, step in content.metrics}
    finite = [
        [v for v in seed if v is not None and math.isfinite(v)] for seed in zip(*(c for *_, c in values), strict=True)
    ]
    for step, kept in enumerate(finite, start=1):
        ones = len(values) - len(kept)
        assert points["ks", step] == pytest.approx((sum(kept) + ones) / len(values))
        assert (("loss_d", step) in points) == bool(kept)
    has_w1 = any(w1 is not None and math.isfinite(w1) for _, w1, _ in values)
    assert ("w1" in content.tags.get("harness.absent", "")) == (not has_w1)
    assert ("lr_d" in content.params) == (values[0][1] is not None and math.isfinite(values[0][1]))


def test_long_lists_of_members_are_whole(made: Path) -> None:
    """300 member keys of 64 characters exceed one tag of 8,000; they are split and come back in order."""
    trials = Trials(Store(made), Store(made).describe())
    trials.refresh()
    template = trials.rows(trials.wanted()[0])[0]
    keys = [f"{i:064x}" for i in range(300)]
    rows = [{**template, "key": key} for key in keys]
    tags = trial_run(Store(made).describe(), Trial("a", "confirm", 0), rows, "folder").tags
    assert max(map(len, tags.values())) <= 8000
    assert tagged_members(tags) == keys


def test_beyond_the_limit_the_telling_trials_are_kept(tmp_path: Path) -> None:
    """With a quota of 2 trials an arm, best, median and unscored ones of a finished search are added, no others."""
    store = fabricate_sweep(tmp_path / "sweep", trials=9, seeds=1, confirm=0)
    trials = Trials(store, store.describe(), limit=8)
    trials.refresh()
    frame = store.frame()
    assert trials.quota == 2
    assert {t.number for t in trials.wanted()} == {0, 1}
    assert len(trials.wanted()) == 2 * len(ARMS)
    expected = set()
    for arm, rows in frame.groupby("arm"):
        ranked = rows.sort_values(["ks", "trial"])
        unscored = ranked[ranked["outcome"] != "scored"]["trial"].head(UNSCORED_PER_ARM)
        picks = {int(ranked["trial"].iloc[0]), int(ranked["trial"].iloc[4]), *map(int, unscored)}
        expected |= {(str(arm), number) for number in picks if number >= 2}
    assert {(t.arm, t.number) for t in trials.beyond()} == expected
    unfinished = Trials(store, {**store.describe(), "spec": {"search": {"trials": 10, "seeds": 1}}}, limit=8)
    unfinished.refresh()
    assert unfinished.beyond() == []


# --- SQLite ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mirrored(made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """``made`` with winners' files and a report, mirrored while it grew into a database the mirror created."""
    base = tmp_path_factory.mktemp("mirrored")
    folder, uri = publish(made, base / "sweep", 0), f"sqlite:///{base}/new/mlflow.db"
    mirror = Mirror(folder, uri)
    mirror.start()
    publish(made, folder, 1, 2)
    wait_until(lambda: (base / "new" / "mlflow.db").exists())
    publish(made, folder, 3)
    for arm in ARMS:
        write_whole(folder / "winners" / slug(arm.label) / "sample.csv", f"x\n{arm.error}\n".encode())
    write_whole(folder / "report" / "figures" / "ks.svg", b"<svg/>")
    status = mirror.finish()
    assert (status.complete, status.written) == (True, ALL_RUNS), status
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
        assert metrics["diverged"] == np.mean(rows["outcome"] == "diverged")
        for name in ("w1", "mean", "sd"):
            assert metrics.get(name, math.nan) == pytest.approx(rows[name].mean(), nan_ok=True)
        for name in ("lr_d", "lr_g", "ema", "steps", "hidden", "g_steps"):
            assert float(params[name]) == rows[name].iloc[0]
        assert {name: float(params[name]) for name in rows["loss_params"].iloc[0]} == rows["loss_params"].iloc[0]
        assert set(tagged_members(tags)) == set(rows["key"])
        assert (tags["variant"], tags["view"], tags["arm"]) == (params["loss"], params["view"], arm)
    # one curve in full: the first arm's trial 0, whose seeds are all scored
    rows = frame[(frame["arm"] == ARMS[0].label) & (frame["stage"] == "search") & (frame["trial"] == 0)]
    run_id = runs[f"{uid}:{ARMS[0].label}:search:0"].info.run_id
    for name in ("ks", "loss_d", "loss_g"):
        curve = sorted((point.step, point.value) for point in client.get_metric_history(run_id, name))
        expected = list(np.mean([np.asarray(v) for v in rows[f"snapshot_{name}"]], axis=0))
        assert [step for step, _ in curve] == list(rows["snapshot_step"].iloc[0])
        assert [value for _, value in curve] == pytest.approx(expected)


def test_runs_are_nested_and_summarised(mirrored: tuple[Path, str]) -> None:
    """Trials hang under their arm, arms under the sweep; an arm bears its confirm stage's statistics."""
    folder, uri = mirrored
    runs, frame, description = runs_by_key(uri), Store(folder).frame(), Store(folder).describe()
    uid = description["uid"]
    sweep = runs[uid]
    assert sweep.info.run_name == "labels"
    assert sweep.data.params["trials"] == "3"
    assert sweep.data.params["target"] == "norm(loc=4, scale=1.25)"
    assert sweep.data.tags["fingerprint"] == description["fingerprint"]
    assert sweep.data.tags["harness.git_commit"] == "0" * 40
    assert sweep.data.metrics["members"] == len(frame)
    assert sweep.data.metrics["diverged"] == np.mean(frame["outcome"] == "diverged")
    assert sweep.data.metrics["failed"] == 1 / len(frame)
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
        assert (database.parent / "mlartifacts" / "labels") in fetched.parents
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


def test_a_second_mirror_changes_only_what_is_new(made: Path, tmp_path: Path, uri: str) -> None:
    """Mirroring again writes nothing; later trials re-open the arms and the sweep; a deleted run stays deleted."""
    from mlflow import MlflowClient

    folder = publish(made, tmp_path / "sweep", 0)
    mirror = Mirror(folder, uri)
    mirror.start()
    assert mirror.finish().written == 9  # 4 trials, 4 arms, the sweep
    before = runs_by_key(uri)
    again = Mirror(folder, uri)
    again.start()
    assert str(again.finish()) == "0 runs written"
    assert {k: r.to_dictionary() for k, r in runs_by_key(uri).items()} == {
        k: r.to_dictionary() for k, r in before.items()
    }
    uid = Store(folder).describe()["uid"]
    deleted = before[f"{uid}:{ARMS[0].label}:search:0"].info.run_id
    MlflowClient(tracking_uri=uri).delete_run(deleted)
    publish(made, folder, 1, 2, 3)
    later = Mirror(folder, uri)
    later.start()
    assert later.finish().written == 8 + 4 + 4 + 1  # 8 trials, 4 confirms, the arms and the sweep again
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


def test_a_mirror_killed_anywhere_leaves_no_trace(made: Path, tmp_path: Path, uri: str) -> None:
    """SIGKILL after any answer of the store, several times over: in the end one finished run per key."""
    folder = publish(made, tmp_path / "sweep", 0, 1, 2, 3)
    for answers in (4, 7, 12, 19, 31):  # after creating the sweep's run, an arm's, within trials and further on
        child = _child(folder, uri)
        assert child.stdin is not None
        assert child.stdout is not None
        heard = 0
        while heard < answers:
            heard += json.loads(child.stdout.readline())["phase"] == "writing"
        child.kill()
        child.communicate()
    assert "RUNNING" in {run.info.status for run in runs_by_key(uri).values()}
    mirror = Mirror(folder, uri)
    mirror.start()
    assert mirror.finish().complete
    assert_all_there(uri)


def test_a_killed_parent_leaves_a_mirror_that_finishes(made: Path, tmp_path: Path, uri: str) -> None:
    """When the training process is killed, its mirror still writes everything committed by then, and ends."""
    folder = publish(made, tmp_path / "sweep", 0, 1, 2, 3)
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
    """Whether the process is gone, or dead and not yet collected."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


# --- stores that do not answer --------------------------------------------------------------------------------------


@pytest.fixture
def tarpit() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["closed port", "tarpit", "database server", "locked file"])
def test_a_dead_store_costs_two_seconds_at_most(kind: str, made: Path, tmp_path: Path, tarpit: str, uri: str) -> None:
    """Nothing listening, no answer ever, a file that another process has locked: finish keeps its bound and its word.

    The lock on the file is then released, and the next mirror catches up.
    """
    folder = publish(made, tmp_path / "sweep", 0, 1, 2)
    port = free_port()
    address = {
        "closed port": f"http://127.0.0.1:{port}",
        "tarpit": tarpit,
        "database server": f"postgresql://me:hidden-pw@127.0.0.1:{port}/runs",
        "locked file": uri,
    }[kind]
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        mirror = Mirror(folder, address)
        begin = time.monotonic()
        mirror.start()
        assert time.monotonic() - begin < 1
        assert b"hidden-pw" not in Path(f"/proc/{mirror.pid}/cmdline").read_bytes()
        wait_until(lambda: (folder / "mirror.lock").exists())  # under way
        status, seconds = timed_finish(mirror)
        assert seconds < BOUND_SECONDS
    assert (status.complete, status.written, status.waiting) == (False, 0, SEARCH_TRIALS)
    assert str(status).startswith("store unreachable: ")
    assert str(status).endswith(f"{SEARCH_TRIALS} trials wait for the next `harness sweep --resume`")
    assert "hidden-pw" not in str(status) + (folder / "mirror.log").read_text()
    if kind == "locked file":
        publish(made, folder, 3)
        again = Mirror(folder, uri)
        again.start()
        assert again.finish().complete
        assert_all_there(uri)


def test_nothing_a_mirror_meets_raises(made: Path, tmp_path: Path, uri: str) -> None:
    """A folder that is missing, holds no sweep or a damaged one, and a finish without start end in a sentence."""
    assert "not started" in str(Mirror(tmp_path, uri).finish())
    absent = Mirror(tmp_path / "absent", uri)
    absent.start()
    assert "not started" in str(absent.finish())
    (tmp_path / "bare").mkdir()
    damaged = publish(made, tmp_path / "damaged", 0)
    (damaged / "populations" / "000000.parquet").write_bytes(b"PAR1 and no more")
    for folder, word in [(tmp_path / "bare", "no sweep here"), (damaged, "000000.parquet: damaged")]:
        mirror = Mirror(folder, uri)
        mirror.start()
        status = mirror.finish()
        assert word in str(status)
        assert (status.complete, status.waiting) == (False, None)


def test_a_deleted_experiment_is_named(made: Path, tmp_path: Path, uri: str) -> None:
    """An experiment that a user deleted is not brought back behind their back; the sentence says what to do."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    client.delete_experiment(client.create_experiment("labels"))
    mirror = Mirror(publish(made, tmp_path / "sweep", 0), uri)
    mirror.start()
    status = mirror.finish()
    assert "experiment 'labels' was deleted" in str(status)
    assert status.waiting == 4  # one trial of each arm


# --- a server -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """``mlflow server`` with one worker on loopback, in a process group of its own: its address, database and group."""
    base, port = tmp_path_factory.mktemp("server"), free_port()
    shutil.copy(empty_database, base / "mlflow.db")
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{base}/mlflow.db", "--artifacts-destination", str(base / "files")]
    quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=base, env=quiet, stdout=log, stderr=log, start_new_session=True)

    def answers() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
            return True
        return False

    wait_until(answers, 120)
    yield {"uri": f"http://127.0.0.1:{port}", "database": f"sqlite:///{base}/mlflow.db", "group": process.pid}
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_server_that_freezes_and_dies_loses_nothing(server: Mapping[str, Any], made: Path, tmp_path: Path) -> None:
    """Runs go through a live server; when it freezes or is killed, finish keeps its bound and a later mirror completes.

    One test, for the steps build on each other: population 0 on the live server, 1 while it is frozen and again
    after, 2 while it is killed, the rest into its database directly.
    """
    folder = publish(made, tmp_path / "sweep", 0)
    write_whole(folder / "winners" / slug(ARMS[0].label) / "sample.csv", b"x\n1\n")
    live = Mirror(folder, server["uri"])
    live.start()
    assert str(live.finish(patience_seconds=10)) == "9 runs written"
    uid = Store(folder).describe()["uid"]
    arm = runs_by_key(server["uri"])[f"{uid}:{ARMS[0].label}"]
    assert arm.info.artifact_uri.startswith("mlflow-artifacts:")

    status, seconds = _disturbed(made, folder, server, 1, signal.SIGSTOP)
    assert seconds < BOUND_SECONDS
    assert not status.complete
    assert status.waiting is not None
    assert 0 < status.waiting <= 4
    os.killpg(server["group"], signal.SIGCONT)
    caught_up = Mirror(folder, server["uri"])
    caught_up.start()
    assert caught_up.finish(patience_seconds=10).complete

    status, seconds = _disturbed(made, folder, server, 2, signal.SIGKILL)
    assert seconds < BOUND_SECONDS
    assert "store unreachable" in str(status)
    publish(made, folder, 3)
    direct = Mirror(folder, server["database"])
    direct.start()
    assert "through its MLflow server only" in str(direct.finish())
    assert_all_there(server["database"])


def _disturbed(made: Path, folder: Path, server: Mapping[str, Any], population: int, sign: int) -> tuple[Any, float]:
    """Commit a population and send ``sign`` to the server as soon as the mirror has begun to write its runs."""
    mirror = Mirror(folder, server["uri"])
    mirror.start()
    time.sleep(0.2)
    wait_until(lambda: mirror._progress.phase == "writing" and mirror._progress.mirrored == 4 * population)
    publish(made, folder, population)
    wait_until(lambda: mirror._progress.mirrored > 4 * population)
    os.killpg(server["group"], sign)
    return timed_finish(mirror)
