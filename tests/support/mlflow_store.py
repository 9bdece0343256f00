"""What the tests of harness.tracking share: a sweep to mirror, an empty MLflow store, a server, how to read back."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.store import write_whole
from harness.tracking import Mirror, Status
from support.clocks import Clock
from support.fabricated import fabricate_sweep

#: The end of a sweep waits no longer for its mirror: seconds on the mirror's own clock.
PROMISED_SECONDS = 2.0

#: Guards only against an endless wait: nothing that works takes so long, however busy the machine is.
HANG_SECONDS = 400.0

#: Of ``make_sweep``: 4 arms x 3 trials; with 4 confirm runs, 4 arm runs and the parent 21 runs.
SEARCH_TRIALS, ALL_RUNS = 12, 21


def make_sweep(folder: Path) -> Path:
    """A committed sweep of 4 arms, 3 trials, 2 seeds and 4 confirm seeds: populations 0, 1, 2 and the confirm's 3."""
    store = fabricate_sweep(folder, trials=3, seeds=2, confirm=4, failure="out of memory")
    store.amend({**store.describe(), "populations": 4})
    return folder


def make_database(path: Path) -> Path:
    """An MLflow database with tables and no runs, in one file; creating it takes seconds."""
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def publish(source: Path, folder: Path, *indices: int) -> Path:
    """Commit populations of ``source`` to ``folder`` the way the store does: whole, under their final names."""
    write_whole(folder / "sweep.json", (source / "sweep.json").read_bytes())
    for index in indices:
        name = f"populations/{index:06d}.parquet"
        write_whole(folder / name, (source / name).read_bytes())
    return folder


def runs_by_key(uri: str, name: str = "labels") -> dict[str, Any]:
    """Every run in the experiment ``name``, by ``harness.key``; no key may have two."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    counts = Counter(run.data.tags["harness.key"] for run in runs)
    assert set(counts.values()) <= {1}, counts
    return {run.data.tags["harness.key"]: run for run in runs}


def assert_all_there(uri: str) -> None:
    """One finished run for every key of ``made``."""
    runs = runs_by_key(uri)
    assert len(runs) == ALL_RUNS
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def mirrored_now(folder: Path, uri: str) -> Status:
    """Mirror what is committed and wait to the end, however long the machine takes."""
    mirror = Mirror(folder, uri)
    mirror.start()
    return mirror.wait(lambda progress: None)


def finished_in_time(mirror: Mirror, clock: Clock) -> Status:
    """The status from ``finish``, which waits no longer than is promised on the mirror's ``clock``, one that ticks."""
    begin = clock.now
    status = mirror.finish()
    assert clock.now - begin < PROMISED_SECONDS
    return status


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll ``condition`` until it holds; fail where it never does."""
    end = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(base: Path, database: str) -> Iterator[tuple[str, int]]:
    """``mlflow server`` with one worker on loopback whose runs are in ``database``: its address and process group."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--artifacts-destination", str(base / "files")]
    quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_BACKEND_STORE_URI": database}
    with (base / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=base, env=quiet, stdout=log, stderr=log, start_new_session=True)

    def answers() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
            return True
        return False

    try:
        wait_until(answers)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
