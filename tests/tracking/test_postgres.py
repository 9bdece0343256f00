"""The mirror and a real PostgreSQL: written to directly, behind an MLflow server, and killed in the middle of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.mlflow_store import ALL_RUNS, assert_all_there, mirrored_now, publish, runs_by_key, served, wait_until
from support.postgres import PASSWORD, PostgreSQL, postgres

from harness.store import Store
from harness.tracking import Mirror, redact

__all__ = ["postgres"]  # a fixture

# MLflow's own tables use a loader that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


def assert_no_password(folder: Path, uri: str, *texts: str) -> None:
    """It stands in no text, in no file of the folder and in no tag or parameter of a run."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert PASSWORD.encode() not in path.read_bytes(), path
    held = [str(run.to_dictionary()) for run in runs_by_key(uri).values()]
    assert not any(PASSWORD in text for text in (*texts, *held))


@pytest.mark.promise("P1", "P2", "P12")
def test_a_sweep_goes_into_postgresql_directly(
    postgres: PostgreSQL, committed_sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into an empty database, while the sweep grows: one finished run a key, nothing to write the second time."""
    monkeypatch.chdir(tmp_path)  # where files go of a store that has no folder of its own
    folder, uri = publish(committed_sweep, tmp_path / "sweep", 0), postgres.database()
    mirror = Mirror(folder, uri)
    mirror.start()
    publish(committed_sweep, folder, 1, 2, 3)
    status = mirror.wait(lambda progress: None)
    assert (status.complete, status.written) == (True, ALL_RUNS), status
    assert_all_there(uri)
    again = mirrored_now(folder, uri)
    assert again.written == 0
    assert PASSWORD not in redact(uri)
    assert_no_password(folder, uri, str(status), str(again))


@pytest.mark.promise("P1", "P2", "P6", "F10")
def test_a_database_killed_while_runs_are_written_loses_and_doubles_nothing(
    postgres: PostgreSQL, committed_sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL to the server in the middle of writing: told in a line without the password, made up for afterwards."""
    monkeypatch.chdir(tmp_path)
    folder, uri = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2), postgres.database()
    mirror = Mirror(folder, uri)
    mirror.start()
    wait_until(lambda: mirror.progress.mirrored >= 2)
    postgres.kill()
    publish(committed_sweep, folder, 3)
    try:
        broken = mirror.wait(lambda progress: None)
        dead = mirrored_now(folder, uri)
    finally:
        postgres.start()
    for status in (broken, dead):
        assert (status.complete, status.code) == (False, 1)
        assert str(status).startswith("store unreachable: ")
        assert "\n" not in str(status)
    assert mirrored_now(folder, uri).complete
    assert_all_there(uri)
    assert_no_password(folder, uri, str(broken), str(dead))


@pytest.mark.promise("P1", "P2", "P6", "F10", "F14")
def test_a_server_whose_database_is_killed_loses_and_doubles_nothing(
    postgres: PostgreSQL, committed_sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through an MLflow server: the database behind it dies and comes back, the server stays, every run is there once.

    A machine that runs other tests may make even a live server slow, so that calls get more than the usual 2 s.
    """
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    folder, database = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2), postgres.database()
    with served(tmp_path, database) as (uri, _):
        mirror = Mirror(folder, uri)
        mirror.start()
        wait_until(lambda: mirror.progress.mirrored >= 2)
        postgres.kill()
        publish(committed_sweep, folder, 3)
        try:
            broken = mirror.wait(lambda progress: None)
        finally:
            postgres.start()
        assert (broken.complete, broken.code) == (False, 1), broken
        # The server's own pool holds connections that died; the first call may meet one of them.
        for _ in range(3):
            if (status := mirrored_now(folder, uri)).complete:
                break
        assert status.complete, status
        assert_all_there(uri)
        assert_all_there(database)
        uid = Store(folder).describe()["uid"]
        assert runs_by_key(uri)[uid].info.artifact_uri.startswith("mlflow-artifacts:")
        assert_no_password(folder, uri, str(broken), str(status))
