"""The mirror and stores that are dead, silent, locked or broken: what it costs, what is said, what is made up for."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clocks import Clock, HeardClock
from support.fabricated import ARMS, fabricate_sweep
from support.mlflow_store import (
    SEARCH_TRIALS,
    assert_all_there,
    finished_in_time,
    free_port,
    mirrored_now,
    publish,
    runs_by_key,
    wait_until,
)
from support.paths import ROOT

from harness.store import locked
from harness.tracking import Mirror

# MLflow's own tables use a loader that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


@pytest.fixture
def tarpit() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


class _Broken(http.server.BaseHTTPRequestHandler):
    """Answers every question with status 500, but for that about its health, as a server without its database does."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" and self.server.well else 500)  # type: ignore[attr-defined]
        self.end_headers()
        self.wfile.write(b"OK" if self.path == "/health" else b"<html>no</html>")

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture(params=[True, False], ids=["well", "ill"])
def broken(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that answers 500, with or without saying that it is well."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Broken) as server:
        server.well = request.param  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.promise("P6", "P12", "F14")
@pytest.mark.parametrize("kind", ["closed port", "tarpit", "database server"])
def test_a_dead_store_costs_two_seconds_at_most(kind: str, committed_sweep: Path, tmp_path: Path, tarpit: int) -> None:
    """Nothing listening, or no answer ever: start waits for nothing, finish for two seconds, no password is told."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2)
    address = {
        "closed port": f"http://127.0.0.1:{free_port()}",
        "tarpit": f"http://127.0.0.1:{tarpit}",
        "database server": f"postgresql://me:hidden-pw@127.0.0.1:{free_port()}/runs",
    }[kind]
    clock = Clock(tick=0.1)
    mirror = Mirror(folder, address, clock=clock)
    mirror.start()
    assert mirror.progress.phase == "loading"  # the sweep went on before the store was asked
    assert b"hidden-pw" not in Path(f"/proc/{mirror.pid}/cmdline").read_bytes()
    wait_until(lambda: mirror.progress.phase in ("asking", "failed"))
    status = finished_in_time(mirror, clock)
    assert (status.complete, status.written, status.waiting, status.code) == (False, 0, SEARCH_TRIALS, 1)
    assert str(status).startswith("store unreachable: ")
    assert str(status).endswith(
        f"{SEARCH_TRIALS} trials wait for `harness mirror {folder}` or the next `harness sweep --resume`"
    )
    assert "hidden-pw" not in str(status) + (folder / "mirror.log").read_text()


@pytest.mark.promise("P6", "P12", "F14")
def test_a_server_that_answers_500_is_given_up_at_once(broken: str, committed_sweep: Path, tmp_path: Path) -> None:
    """A server that fails at everything, whatever it says of its health, ends the mirror with a line and status 1."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0)
    mirror = Mirror(folder, broken)
    mirror.start()
    wait_until(lambda: mirror.progress.phase == "failed")
    status = mirror.finish()
    assert (status.complete, status.waiting, status.code) == (False, len(ARMS), 1)
    assert str(status).startswith("store unreachable: ")
    assert "500" in str(status)
    assert "\n" not in str(status)


@pytest.mark.promise("P6", "F14")
def test_a_store_that_falls_silent_does_not_hold_its_mirror_for_ever(
    committed_sweep: Path, tmp_path: Path, tarpit: int
) -> None:
    """A database that takes the connection and never answers: once told to end, the mirror ends by itself."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0)
    code = (
        "import sys, harness.tracking.__main__ as program\n"
        "program.SILENCE_SECONDS = 1.0\n"
        "sys.exit(program.main(sys.argv[1:]))"
    )
    address = f"postgresql+psycopg://me:hidden-pw@127.0.0.1:{tarpit}/runs"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), address],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    assert "store unreachable: no answer within 1 s" in done.stdout.splitlines()[-1]
    assert "hidden-pw" not in done.stdout + done.stderr
    with locked(folder / "mirror.lock"):
        pass  # free for the next


# --- a locked database ----------------------------------------------------------------------------------------------

_HOLD = (
    "import sqlite3, sys\n"
    "held = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    "held.execute('BEGIN EXCLUSIVE')\n"
    "print('held', flush=True)\n"
    "sys.stdin.read()"
)


@pytest.fixture
def holder(uri: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the write lock of ``uri`` until its input ends."""
    command = [sys.executable, "-c", _HOLD, uri.removeprefix("sqlite:///")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def _release(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


@pytest.mark.promise("P1", "P6", "F9", "F15")
def test_a_database_locked_for_a_while_is_waited_for(
    holder: subprocess.Popen[bytes], committed_sweep: Path, tmp_path: Path, uri: str
) -> None:
    """A lock that another process holds for a while when the mirror comes delays it, and loses nothing."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2, 3)
    mirror = Mirror(folder, uri)
    mirror.start()
    wait_until(lambda: mirror.progress.phase == "asking")
    time.sleep(0.3)
    assert mirror.progress.phase == "asking"
    _release(holder)
    assert mirror.wait(lambda progress: None).complete
    assert_all_there(uri)


@pytest.mark.promise("P1", "P6", "P12", "F9", "F15")
def test_a_database_locked_beyond_patience_costs_two_seconds_and_no_run(
    holder: subprocess.Popen[bytes], committed_sweep: Path, tmp_path: Path, uri: str
) -> None:
    """The end of the sweep waits no longer than agreed and says why; when the lock goes, all is written after all."""
    folder, clock = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2, 3), Clock(tick=0.1)
    mirror = Mirror(folder, uri, clock=clock)
    mirror.start()
    wait_until(lambda: mirror.progress.phase == "asking")
    status = finished_in_time(mirror, clock)
    assert (status.complete, status.waiting, status.code) == (False, SEARCH_TRIALS, 1)
    assert str(status).startswith("store unreachable: ")
    _release(holder)
    assert mirrored_now(folder, uri).complete  # waits for the first mirror, which goes on by itself
    assert_all_there(uri)


# --- slow, but alive ------------------------------------------------------------------------------------------------


@pytest.mark.promise("P1", "P6")
def test_a_mirror_that_is_behind_goes_on_by_itself(tmp_path: Path, uri: str) -> None:
    """A sweep that ends long before its mirror waits two seconds, says how it stands, and loses no run.

    80 trials of the search, 4 of the confirm stage, 4 arms and the sweep. On the clock of this test a second passes
    with every message of the mirror, so that the wait ends after two of them.
    """
    store = fabricate_sweep(tmp_path / "sweep", trials=20, seeds=1, confirm=1)
    mirror = Mirror(store.folder, uri, clock=HeardClock())
    mirror.start()
    wait_until(lambda: (store.folder / "mirror.lock").exists())
    status = mirror.finish()
    assert (status.complete, status.behind) == (False, True)
    assert status.waiting in range(1, 81)
    assert f"{status.waiting} trials are still being written in the background" in str(status)
    assert f"run `harness mirror {store.folder}` before it exits" in str(status)
    with locked(store.folder / "mirror.lock", wait=True):  # nobody but the mirror itself has gone on
        runs = runs_by_key(uri)
    assert len(runs) == 89
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


# --- the folder -----------------------------------------------------------------------------------------------------


@pytest.mark.promise("P1", "P6", "F11")
def test_a_full_disk_for_the_log_loses_no_run(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """If mirror.log takes no byte, the runs are written all the same, and errors of a store are reported."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2, 3)
    (folder / "mirror.log").symlink_to("/dev/full")
    assert mirrored_now(folder, uri).complete
    assert_all_there(uri)
    dead = mirrored_now(folder, f"http://127.0.0.1:{free_port()}")
    assert (dead.complete, dead.code) == (False, 1)
    assert "Connection refused" in str(dead)


@pytest.mark.promise("P6", "P12", "F13")
def test_nothing_a_mirror_meets_raises(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """A folder that is missing, holds no sweep or a damaged one, and a finish without start end in a sentence."""
    assert "not started" in str(Mirror(tmp_path, uri).finish())
    absent = Mirror(tmp_path / "absent", uri)
    absent.start()
    assert "not started" in str(absent.finish())
    (tmp_path / "bare").mkdir()
    damaged = publish(committed_sweep, tmp_path / "damaged", 0)
    (damaged / "populations" / "000000.parquet").write_bytes(b"PAR1 and no more")
    for folder, word in [(tmp_path / "bare", "no sweep here"), (damaged, "000000.parquet: damaged")]:
        status = mirrored_now(folder, uri)
        assert word in str(status)
        assert (status.complete, status.waiting, status.code) == (False, None, 2)


@pytest.mark.promise("P12")
def test_a_deleted_experiment_is_named(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """An experiment that a user deleted is not brought back behind their back; the sentence says what to do."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    client.delete_experiment(client.create_experiment("labels"))
    status = mirrored_now(publish(committed_sweep, tmp_path / "sweep", 0), uri)
    assert "experiment 'labels' was deleted" in str(status)
    assert (status.waiting, status.code) == (4, 2)  # one trial of each arm
