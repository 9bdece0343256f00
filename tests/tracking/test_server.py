"""The mirror and a real ``mlflow server`` that lives, freezes and is killed."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.fabricated import ARMS
from support.mlflow_store import (
    assert_all_there,
    mirrored_now,
    publish,
    runs_by_key,
    served,
    wait_until,
)

from harness.store import Store, slug, write_whole
from harness.tracking import Mirror, Status

# MLflow's own tables use a loader that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


@pytest.fixture(scope="module")
def mlflow_server(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """``mlflow server`` with one worker on loopback, in a process group of its own: its address, database and group."""
    base = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, base / "mlflow.db")
    database = f"sqlite:///{base}/mlflow.db"
    with served(base, database) as (uri, group):
        yield {"uri": uri, "database": database, "group": group}


@pytest.mark.promise("P1", "P2", "P6", "F14")
def test_a_server_that_freezes_and_dies_loses_nothing(
    mlflow_server: Mapping[str, Any], committed_sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs go through a live server; when it freezes or is killed, finish returns and a later mirror completes.

    One test, for the steps build on each other: population 0 on the live server, 1 while it is frozen and again
    after, 2 while it is killed, the rest into its database directly. A machine that runs other tests may make even
    a live server slow, so that calls to it get more than the usual 2 s.
    """
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    folder = publish(committed_sweep, tmp_path / "sweep", 0)
    write_whole(folder / "winners" / slug(ARMS[0].label) / "sample.csv", b"x\n1\n")
    assert str(mirrored_now(folder, mlflow_server["uri"])) == "9 runs written"
    uid = Store(folder).describe()["uid"]
    arm = runs_by_key(mlflow_server["uri"])[f"{uid}:{ARMS[0].label}"]
    assert arm.info.artifact_uri.startswith("mlflow-artifacts:")

    status = _disturbed(committed_sweep, folder, mlflow_server, 1, signal.SIGSTOP)
    assert not status.complete
    assert status.waiting in range(4)  # of the population's 4 trials one at least was written before
    os.killpg(mlflow_server["group"], signal.SIGCONT)
    assert mirrored_now(folder, mlflow_server["uri"]).complete

    status = _disturbed(committed_sweep, folder, mlflow_server, 2, signal.SIGKILL)
    assert "store unreachable" in str(status)
    publish(committed_sweep, folder, 3)
    assert "can only be written through its MLflow server" in str(mirrored_now(folder, mlflow_server["database"]))
    assert_all_there(mlflow_server["database"])


def _disturbed(made: Path, folder: Path, server: Mapping[str, Any], population: int, sign: int) -> Status:
    """Commit a population and send ``sign`` to the server as soon as the mirror has begun to write its runs."""
    mirror = Mirror(folder, server["uri"])
    mirror.start()
    time.sleep(0.2)
    wait_until(lambda: mirror.progress.phase == "writing" and mirror.progress.mirrored == 4 * population)
    publish(made, folder, population)
    wait_until(lambda: mirror.progress.mirrored > 4 * population)
    os.killpg(server["group"], sign)
    return mirror.finish()
