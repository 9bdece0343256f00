"""The training process's side of the mirror: start it, and at the end wait for it no longer than is agreed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import InputError
from harness.tracking.address import absolute_uri
from harness.tracking.follow import Progress, pending
from harness.tracking.trials import RUN_LIMIT

#: Seconds without an answer of the store after which ``finish`` gives it up; 2 s is promised with the ending.
PATIENCE_SECONDS = 1.5

#: Seconds allowed for starting Python, importing mlflow and creating a SQLite file's tables: 3 to 6, where the
#: machine is busy more.
LOADING_SECONDS = 60.0


@dataclass(frozen=True)
class Status:
    """How a mirror ended. ``waiting`` counts committed trials without a run; None where the folder cannot be read."""

    complete: bool
    written: int
    waiting: int | None
    reason: str = ""

    def __str__(self) -> str:
        if self.complete:
            return f"{self.written} runs written" + (f" ({self.reason})" if self.reason else "")
        trials = "committed trials" if self.waiting is None else f"{self.waiting} trials"
        return f"{self.reason}: {trials} wait for the next `harness sweep --resume`"


class Mirror:
    """Mirrors ``folder`` into the MLflow store ``uri`` from a process of its own, until ``finish``.

    When the process that called ``start`` dies, however it dies, its end of the pipe closes: the mirror writes
    what is committed by then and ends by itself. Nothing here raises or waits once constructed, but for ``finish``.

    Raises:
        InputError: ``uri`` is no store that MLflow 3 can write to.
    """

    def __init__(self, folder: Path, uri: str, limit: int = RUN_LIMIT) -> None:
        self._folder, self._limit = folder, limit
        self._uri = absolute_uri(uri)
        self._process: subprocess.Popen[bytes] | None = None
        self._progress = Progress(phase="loading")
        self._heard = time.monotonic()
        self._listener: threading.Thread | None = None
        self._problem = "mirror not started"

    def start(self) -> None:
        """Start the process; it returns at once, and a failure is told by ``finish``."""
        package_root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
        # The address goes through the environment, for it may hold a password and arguments are public. -P: a file
        # named mlflow.py in the working directory is not to be imported.
        command = [sys.executable, "-P", "-m", "harness.tracking", "--limit", str(self._limit), str(self._folder)]
        environment = {**os.environ, "PYTHONPATH": path, "MLFLOW_TRACKING_URI": self._uri}
        try:
            with (self._folder / "mirror.log").open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter, this package
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment,
                    start_new_session=True,  # an interrupt from the keyboard is for the training process
                )
        except OSError as error:
            self._problem = f"mirror not started ({error})"
            return
        self._problem = "mirror ended without a word (see mirror.log)"
        self._heard = time.monotonic()
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int | None:
        """Process id of the mirror; None before ``start``."""
        return None if self._process is None else self._process.pid

    @property
    def progress(self) -> Progress:
        """What the mirror told last."""
        return self._progress

    def finish(self, patience_seconds: float = PATIENCE_SECONDS) -> Status:
        """Ask for the last pass, wait while the store goes on answering, and say how it ended.

        Gives up and ends the mirror after ``patience_seconds`` without an answer of the store; the time that the
        mirror takes to get under way (``LOADING_SECONDS``) does not count, so a sweep of a few seconds is mirrored
        too. What was not written stays in the folder for the next mirror.
        """
        process = self._process
        if process is None:
            return self._status(self._problem)
        if process.stdin is not None:
            with suppress(OSError):  # the mirror has ended already
                process.stdin.close()
        asked, gave_up = time.monotonic(), False
        while process.poll() is None:
            allowed = LOADING_SECONDS if self._progress.phase == "loading" else patience_seconds
            if time.monotonic() > max(asked, self._heard) + allowed:
                process.kill()
                process.wait()
                gave_up = True
            time.sleep(0.01)
        if self._listener is not None:
            self._listener.join(timeout=0.2)
        self._process = None
        self._problem = "mirror finished already"
        if gave_up and self._progress.phase not in ("done", "failed"):
            return self._status(f"store unreachable: no answer within {patience_seconds:g} s")
        return self._status(self._progress.reason or f"mirror ended with status {process.returncode} (see mirror.log)")

    def _status(self, reason: str) -> Status:
        progress = self._progress
        if progress.phase == "done":
            return Status(True, progress.written, 0, progress.reason)
        try:
            waiting: int | None = pending(self._folder, progress.mirrored, self._limit)
        except (InputError, OSError, KeyError, TypeError, ValueError):
            waiting = None
        return Status(False, progress.written, waiting, reason)

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                try:
                    self._progress = Progress(**json.loads(line))
                except (ValueError, TypeError):
                    continue
                self._heard = time.monotonic()
