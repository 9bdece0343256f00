"""Control-C on a real terminal, once and twice, and processes that stand still for a while."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import psutil
import pytest
from support.clocks import Clock
from support.command_line import environment, hear_interrupts
from support.killed_sweeps import EXPERIMENT as LONG
from support.killed_sweeps import NOWHERE, assert_mirrored_once, finished_here, start
from support.mlflow_store import HANG_SECONDS, assert_all_there, finished_in_time, make_database, make_sweep, wait_until
from support.paths import ROOT
from support.sweeps import assert_same_rows

from harness.config import load
from harness.store import Store, locked
from harness.tracking import Mirror

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

    def wait_for(self, text: str) -> None:
        """Wait until a text is shown; fail where the program ends without it."""
        wait_until(lambda: text in self.shown or self.process.poll() is not None)
        assert text in self.shown, self.shown

    def press(self, keys: bytes) -> None:
        """Type on the keyboard."""
        os.write(self._keyboard, keys)

    def ended(self) -> int:
        """The exit status, once all was shown."""
        status = self.process.wait(HANG_SECONDS)
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
    """Status 130 and the usual line, no traceback, and what was committed stays: a small part of 600 populations."""
    (tmp_path / "killed.toml").write_text(LONG)
    words = ("sweep", "killed.toml", "--engine", "batched-cpu", "--set", "search.trials=300")
    with Terminal(tmp_path, *words) as terminal:
        terminal.wait_for("population 2/")
        terminal.press(CONTROL_C)
        assert terminal.ended() == 130, terminal.shown
    assert "interrupted; what was committed is kept" in terminal.shown
    assert f"to resume: harness {' '.join(words)}" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert 2 <= len(Store(tmp_path / "sweeps/killed").committed()) < 600


@pytest.mark.promise("P12", "F6")
def test_a_second_control_c_ends_at_once(tmp_path: Path) -> None:
    """While the first waits for a step of a thousand large updates, the second ends the process by the signal itself.

    No traceback either; the terminal is all that is left behind.
    """
    slow = ("--engine", "reference", "--set", "train.d_steps=1000", "--set", "train.hidden=300")
    with Terminal(tmp_path, "train", "--loss", "minimax", "--seeds", "1", "--steps", "50", *slow) as terminal:
        terminal.wait_for("training")
        terminal.press(CONTROL_C)
        wait_until(lambda: not catches(terminal.process.pid, signal.SIGINT))  # the first was heard
        terminal.press(CONTROL_C)
        assert terminal.ended() == -signal.SIGINT, terminal.shown
    assert "Traceback" not in terminal.shown


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process handles a signal itself, as its mask of caught signals says."""
    (mask,) = re.findall(r"^SigCgt:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.promise("P1", "P4", "P6")
def test_a_sweep_and_its_mirror_that_stand_still_go_on(tmp_path: Path) -> None:
    """Stopped for a second each, first both and then the mirror alone: the rows of any other, mirrored once.

    The sweep stops itself as it begins to commit its third population.
    """
    (tmp_path / "killed.toml").write_text(LONG)
    whole = finished_here(load(tmp_path / "killed.toml"), tmp_path / "whole")
    folder, database = tmp_path / "killed", tmp_path / "mlflow.db"
    run = start(folder, f"sqlite:///{database}", failpoint="commit.begun:3:SIGSTOP")
    sweep = psutil.Process(run.process.pid)
    wait_until(lambda: sweep.status() == psutil.STATUS_STOPPED)
    (mirror,) = sweep.children()
    mirror.send_signal(signal.SIGSTOP)
    assert Store(folder).committed() == [0, 1]
    time.sleep(1)
    assert Store(folder).committed() == [0, 1]
    run.process.send_signal(signal.SIGCONT)
    run.wait_for("population 5/")
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
    clock = Clock(tick=0.1)
    mirror = Mirror(folder, uri, clock=clock)
    mirror.start()
    wait_until(lambda: mirror.progress.written > 0)
    assert mirror.pid is not None
    frozen = mirror.pid
    os.kill(frozen, signal.SIGSTOP)
    status = finished_in_time(mirror, clock)
    assert not status.complete
    os.kill(frozen, signal.SIGCONT)
    with locked(folder / "mirror.lock", wait=True):
        pass
    assert_all_there(uri)
