"""The command line ended in every way, with real processes, real signals, real sockets and a real SQLite store.

One sweep of 15 populations of about half a second each. It was made once without interruption, in this process and
without a mirror; whatever else happens to it, its rows must be those.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.killed_sweeps import (
    EXPERIMENT,
    NOWHERE,
    POPULATIONS,
    SEARCH_TRIALS,
    assert_mirrored_once,
    finished_here,
    start,
)
from support.mlflow_store import HANG_SECONDS
from support.paths import ROOT
from support.sweeps import assert_same_rows

from harness.config import Experiment, load
from harness.store import Store
from harness.sweep.plan import planned


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """The experiment, read from its file as the command reads it."""
    path = tmp_path_factory.mktemp("spec") / "killed.toml"
    path.write_text(EXPERIMENT)
    return load(path, ())


@pytest.fixture(scope="module")
def uninterrupted_sweep(spec: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The sweep without any interruption."""
    store = finished_here(spec, tmp_path_factory.mktemp("whole") / "killed")
    assert store.committed() == list(range(POPULATIONS)) == [i for r in planned(spec) for i, _ in r.populations]
    return store


@pytest.fixture(scope="module")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a SQLite store that the first mirror creates; sweeps in it are told apart by their uid."""
    return tmp_path_factory.mktemp("database") / "mlflow.db"


#: Populations that can be on their way into the folder while one is committed: two that wait and one in training.
TRAINED_AHEAD = 3


def until_mirrored(folder: Path, uri: str) -> None:
    """Wait until the store has every run, whatever mirrors of earlier runs are still at it."""
    code = "from harness.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, "mirror", str(folder), "--to", uri]
    done = subprocess.run(
        command, cwd=folder.parent, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- SIGKILL --------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P1", "P2", "P3", "P4", "F1", "F2", "F3", "F24")
def test_killed_again_and_again_a_sweep_loses_and_doubles_nothing(
    uninterrupted_sweep: Store, mlflow_database: Path, tmp_path: Path
) -> None:
    """SIGKILL at random moments, then one undisturbed run: the uninterrupted sweep's rows, every trial mirrored once.

    Of six kills, drawn with a fixed seed, two come while the program loads, one as it gets to work, three after the
    first commit; every third takes the mirror with it, as a machine that goes down would. On a machine that is faster
    than the moment drawn, a run is killed at the latest as it begins to commit its first or third population.
    """
    folder, uri = tmp_path / "killed", f"sqlite:///{mlflow_database}"
    rng, seen = np.random.default_rng(20_240_607), [0]
    launched, working, committed = (), ("starting", "resuming"), ("population",)
    moments = [launched, committed, working, committed, launched, committed]
    for n, line in enumerate(moments):
        run = start(folder, uri, failpoint="commit.begun:3" if line is committed else "commit.begun:1")
        if line:
            run.wait_for(*line)
        time.sleep(rng.uniform(0.0, 0.5 if line is committed else 2.5))
        mirrors = psutil.Process(run.process.pid).children() if run.process.poll() is None else []
        run.process.kill()
        for mirror in mirrors if n % 3 == 2 else ():
            with suppress(psutil.NoSuchProcess):
                mirror.kill()
        assert run.ended() == -signal.SIGKILL, run.lines
        assert not any("Traceback" in line for line in run.lines)
        seen.append(len(Store(folder).committed()))
    assert seen == sorted(seen)
    assert 0 < seen[-1] < POPULATIONS
    run = start(folder, uri)
    assert run.ended() == 0, run.lines
    until_mirrored(folder, uri)
    assert_same_rows(Store(folder), uninterrupted_sweep)
    assert_mirrored_once(Store(folder), mlflow_database)
    assert (folder / "report/report.html").is_file()


@pytest.mark.promise("P1", "P7", "F4")
def test_killed_a_folder_holds_whole_populations_only(uninterrupted_sweep: Store, tmp_path: Path) -> None:
    """Killed in the very moment in which a population appears, a process leaves it whole and no part of another."""
    folder = tmp_path / "killed"
    run = start(folder, NOWHERE, failpoint="commit.begun:4")
    while len(Store(folder).committed()) < 2:
        assert run.process.poll() is None or len(Store(folder).committed()) >= 2, run.lines
    run.process.kill()
    assert run.ended() == -signal.SIGKILL
    store = Store(folder)
    for index in store.committed():
        assert repr(store.population(index).to_pylist()) == repr(uninterrupted_sweep.population(index).to_pylist())
    assert len(store.committed()) in (2, 3)


@pytest.mark.promise("P4", "F1")
def test_killed_in_a_race_a_halved_sweep_loses_the_round_alone(tmp_path: Path) -> None:
    """SIGKILL at random moments of rounds that halve their trials: the rows of a sweep that nothing interrupted.

    13 trials an arm in rounds of 1 and 2, of which one stops at step 150: 7 rounds, each committed as a whole, and 3
    populations of the confirm stage.
    """
    changes = ("search.trials=13", "search.halving=2", "search.rungs=1")
    options = [word for change in changes for word in ("--set", change)]
    (tmp_path / "killed.toml").write_text(EXPERIMENT)
    spec = load(tmp_path / "killed.toml", changes)
    undisturbed = finished_here(spec, tmp_path / "whole")
    assert undisturbed.committed() == list(range(10))
    assert set(undisturbed.frame()["outcome"]) == {"scored", "pruned"}
    folder, rng = tmp_path / "killed", np.random.default_rng(7)
    for _ in range(3):
        run = start(folder, NOWHERE, *options, failpoint="commit.begun:4")
        run.wait_for("population")
        time.sleep(rng.uniform(0.0, 0.4))
        run.process.kill()
        assert run.ended() == -signal.SIGKILL, run.lines
    assert 3 <= len(Store(folder).committed()) < 10
    assert_same_rows(finished_here(spec, folder), undisturbed)


# --- signals that ask -----------------------------------------------------------------------------------------------


@pytest.mark.promise("P1", "P4", "P12", "F5", "F6")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_sweep_and_leaves_it_resumable(
    spec: Experiment, uninterrupted_sweep: Store, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """With the usual status and no traceback; what was committed is kept and the rest can follow.

    The signal comes as the third population is committed. No more follow it than were trained by then or in training.
    """
    folder = tmp_path / "killed"
    run = start(folder, NOWHERE, failpoint=f"commit.begun:3:{number.name}")
    assert run.ended() == status, run.lines
    assert not any("Traceback" in line or "Error" in line for line in run.lines)
    assert 2 <= len(Store(folder).committed()) <= 3 + TRAINED_AHEAD
    assert [path.name for path in (folder / "populations").iterdir() if path.name.startswith(".")] == []
    assert_same_rows(finished_here(spec, folder), uninterrupted_sweep)


@pytest.mark.promise("P2", "P12", "F9")
def test_a_folder_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    """While this process writes the sweep, the command says so and ends with status 2, having written no row."""
    folder = tmp_path / "killed"
    with Store(folder).lock():
        run = start(folder, NOWHERE)
        assert run.ended() == 2
    (line,) = run.lines
    assert line.startswith("error: ")
    assert "another process is writing this sweep" in line
    assert Store(folder).committed() == []


# --- a store that does not answer -----------------------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a socket that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    kept.append(server.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in kept:
            connection.close()


@pytest.fixture
def closed() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.promise("P6", "F14")
@pytest.mark.parametrize("port", ["closed", "silent"])
def test_a_dead_server_costs_no_run(
    port: str, request: pytest.FixtureRequest, uninterrupted_sweep: Store, mlflow_database: Path, tmp_path: Path
) -> None:
    """The sweep ends as without a mirror, says how many trials wait, and ``--resume`` brings them to a live store.

    Those are 17 runs: 1 sweep, 2 arms, 12 trials of the search, 2 confirmed.
    """
    folder = tmp_path / "killed"
    run = start(folder, f"http://127.0.0.1:{request.getfixturevalue(port)}")
    assert run.ended() == 0, run.lines  # although the server never answers
    line = run.wait_for("MLflow (")
    assert "store unreachable" in line
    assert f"{SEARCH_TRIALS + 2} trials wait" in line or f"{SEARCH_TRIALS} trials wait" in line
    assert_same_rows(Store(folder), uninterrupted_sweep)

    resumed = start(folder, f"sqlite:///{mlflow_database}", "--resume")
    assert resumed.ended() == 0, resumed.lines
    until_mirrored(folder, f"sqlite:///{mlflow_database}")
    assert_mirrored_once(Store(folder), mlflow_database)
    assert not any(line.startswith("population") for line in resumed.lines)
