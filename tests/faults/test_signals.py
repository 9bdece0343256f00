"""Control-C on a real terminal, once and twice, and processes that stand still for a while."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import psutil
import pytest
from support.command_line import environment, hear_interrupts
from support.killed_sweeps import EXPERIMENT as LONG
from support.killed_sweeps import NOWHERE, assert_mirrored_once, finished_here, start
from support.mlflow_store import assert_all_there, make_database, make_sweep, timed_finish, wait_until
from support.paths import ROOT
from support.sweeps import assert_same_rows

from harness.config import load
from harness.store import Store, locked
from harness.tracking import Mirror
from harness.tracking.mirror import PATIENCE_SECONDS

# From inside mlflow, where the tests read its store.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

#: What the keyboard sends for Control-C; the terminal makes a signal of it.
CONTROL_C = b"\x03"


class Terminal:
    """A program on a terminal of its own, and all that it shows there. A context manager."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._keyboard, screen = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from harness.cli import main; main()", *arguments],
            cwd=folder,
            env=environment(MLFLOW_TRACKING_URI=NOWHERE, PYTHONPATH=str(ROOT), TERM="xterm"),
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(screen)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._keyboard)

    def press(self, keys: bytes) -> None:
        """Type on the keyboard."""
        os.write(self._keyboard, keys)

    def ended(self, seconds: float) -> int:
        """The exit status, once all was shown."""
        status = self.process.wait(seconds)
        self._reader.join()
        return status

    def _read(self) -> None:
        try:
            while data := os.read(self._keyboard, 4096):
                self.shown += data.decode(errors="replace")
        except OSError:  # the last process has let go of the terminal
            return


def _own_terminal() -> None:
    hear_interrupts()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.promise("P12", "F6")
def test_control_c_on_a_terminal_ends_a_sweep_in_a_line(tmp_path: Path) -> None:
    """Status 130 and the usual line within 5 s, no traceback, and what was committed stays."""
    (tmp_path / "killed.toml").write_text(LONG)
    with Terminal(tmp_path, "sweep", "killed.toml", "--engine", "batched-cpu") as terminal:
        wait_until(lambda: "population 2/" in terminal.shown, seconds=120)
        terminal.press(CONTROL_C)
        assert terminal.ended(seconds=5) == 130, terminal.shown
    assert "interrupted; what was committed is kept" in terminal.shown
    assert "to go on: harness sweep killed.toml --engine batched-cpu" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert len(Store(tmp_path / "sweeps/killed").committed()) >= 2


@pytest.mark.promise("P12", "F6")
def test_a_second_control_c_ends_at_once(tmp_path: Path) -> None:
    """While the first waits for a step of five hundred updates, the second ends the process by the signal itself.

    No traceback either; the terminal is all that is left behind.
    """
    slow = ("--engine", "reference", "--set", "train.d_steps=500")
    with Terminal(tmp_path, "train", "--loss", "minimax", "--seeds", "1", "--steps", "50", *slow) as terminal:
        wait_until(lambda: "training" in terminal.shown, seconds=120)
        terminal.press(CONTROL_C)
        wait_until(lambda: "^C" in terminal.shown)
        time.sleep(0.2)  # the first was heard
        terminal.press(CONTROL_C)
        assert terminal.ended(seconds=5) == -signal.SIGINT, terminal.shown
    assert "Traceback" not in terminal.shown


@pytest.mark.promise("P1", "P4", "P6")
def test_a_sweep_and_its_mirror_that_stand_still_go_on(tmp_path: Path) -> None:
    """Stopped for two seconds each, first both and then the mirror alone: the rows of any other, mirrored once."""
    (tmp_path / "killed.toml").write_text(LONG)
    whole = finished_here(load(tmp_path / "killed.toml"), tmp_path / "whole")
    folder, database = tmp_path / "killed", tmp_path / "mlflow.db"
    run = start(folder, f"sqlite:///{database}")
    run.wait_for("population 2/")
    (mirror,) = psutil.Process(run.process.pid).children()
    for process in (run.process, mirror):
        process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)  # what was being written when the signal came
    committed = Store(folder).committed()
    time.sleep(1.5)
    assert Store(folder).committed() == committed
    run.process.send_signal(signal.SIGCONT)
    time.sleep(2)
    mirror.send_signal(signal.SIGCONT)
    assert run.ended() == 0, run.lines
    with locked(folder / "mirror.lock", wait=True):  # it may be behind, and goes on by itself
        pass
    assert_same_rows(Store(folder), whole)
    assert_mirrored_once(Store(folder), database)


@pytest.mark.promise("P6")
def test_a_mirror_that_stands_still_is_not_waited_for_and_goes_on_when_it_may(tmp_path: Path) -> None:
    """Stopped between two runs it holds up nobody for longer than is stated; woken, it writes the rest by itself."""
    folder, uri = make_sweep(tmp_path / "labels"), f"sqlite:///{make_database(tmp_path / 'mlflow.db')}"
    mirror = Mirror(folder, uri)
    mirror.start()
    wait_until(lambda: mirror.progress.phase == "writing" and mirror.progress.written > 0)
    assert mirror.pid is not None
    frozen = mirror.pid
    os.kill(frozen, signal.SIGSTOP)
    status, seconds = timed_finish(mirror)
    assert not status.complete
    assert status.waiting
    assert seconds < PATIENCE_SECONDS + 1
    os.kill(frozen, signal.SIGCONT)
    with locked(folder / "mirror.lock", wait=True):
        pass
    assert_all_there(uri)
