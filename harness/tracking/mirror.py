"""The training process's side of the mirror: start it, and at the end wait for it no longer than is agreed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import InputError
from harness.tracking.committed_trials import RUN_LIMIT
from harness.tracking.uri import absolute_uri
from harness.tracking.worker import Progress, pending

#: Seconds that the end of a sweep waits for its mirror; what the mirror has left then it does by itself. 2 s are
#: promised, with the counting of what waits.
FINISH_SECONDS = 1.7

#: Seconds without an answer of the store after which its mirror does not count as being merely behind.
PATIENCE_SECONDS = 1.5


@dataclass(frozen=True)
class Status:
    """How a mirror ended, or stands. ``waiting`` counts committed trials without a run; None where it cannot be told.

    ``behind``: it has not ended; the store answers, and it goes on by itself. ``code`` is the exit status that suits:
    0 complete, 1 the store stopped answering, 2 the folder or the store is a wrong one.
    """

    folder: Path
    complete: bool
    written: int
    waiting: int | None
    reason: str = ""
    behind: bool = False
    code: int = 1

    def __str__(self) -> str:
        if self.complete:
            return f"{self.written} runs written" + (f" ({self.reason})" if self.reason else "")
        again = f"`harness mirror {self.folder}`"
        if self.behind:
            left = f"{self.waiting} trials are" if self.waiting else "the last of them are"
            return (
                f"{self.written} runs written, {left} still being written in the background ({self.reason}); "
                f"`mlflow ui` shows them as they come. {again} waits for them: call it where a container ends with its "
                "command"
            )
        trials = "committed trials" if self.waiting is None else f"{self.waiting} trials"
        return f"{self.reason}: {trials} wait for {again} or the next `harness sweep --resume`"


class Mirror:
    """Mirrors ``folder`` into the MLflow store ``uri`` from a process of its own, until ``finish``.

    When the process that called ``start`` ends, however it ends, its end of the pipe closes: the mirror writes
    what is committed by then and ends by itself. Nothing here raises once constructed, and only ``finish`` and
    ``wait`` wait. ``clock`` tells the time in seconds.

    Raises:
        InputError: ``uri`` is no store that MLflow 3 can write to.
    """

    def __init__(
        self, folder: Path, uri: str, limit: int = RUN_LIMIT, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._limit, self._clock = folder, limit, clock
        self._uri = absolute_uri(uri)
        self._process: subprocess.Popen[bytes] | None = None
        self._progress = Progress(phase="loading")
        self._heard = self._clock()
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
        self._heard = self._clock()
        self._listener = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int | None:
        """Process id of the mirror; None before ``start``."""
        return None if self._process is None else self._process.pid

    @property
    def progress(self) -> Progress:
        """What the mirror told last."""
        return self._progress

    def finish(self) -> Status:
        """Ask for the last pass, wait for it up to ``FINISH_SECONDS``, and say how it ended or stands.

        A mirror that needs longer goes on by itself, and ends by itself where the store is silent. What a killed one
        has not written stays in the folder for the next.
        """
        process, asked = self._ask()
        if process is None:
            return self._status(self._problem)
        # Its last word is enough: with all that mlflow loaded, ending the process may take seconds more.
        while process.poll() is None and self._progress.phase not in ("done", "failed"):
            if self._clock() > asked + FINISH_SECONDS:
                return self._standing()
            time.sleep(0.01)
        return self._ended(process)

    def wait(self, tell: Callable[[Progress], None]) -> Status:
        """Ask for the last pass, wait as long as the store answers, and say how it ended; ``tell`` hears on the way.

        Where the wait is interrupted, the mirror is ended too; the next one goes on where it was.
        """
        process, _ = self._ask()
        if process is None:
            return self._status(self._problem)
        told: Progress | None = None
        try:
            while process.poll() is None:
                if self._progress != told:
                    told = self._progress
                    tell(told)
                time.sleep(0.02)
        except BaseException:
            process.terminate()
            raise
        return self._ended(process)

    def _ask(self) -> tuple[subprocess.Popen[bytes] | None, float]:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            self._problem = "mirror finished already"
            with suppress(OSError):  # the mirror has ended already
                process.stdin.close()
        return process, self._clock()

    def _standing(self) -> Status:
        """How a mirror stands that has not ended."""
        phase, silent = self._progress.phase, self._clock() - self._heard
        if phase in ("asking", "writing") and silent > PATIENCE_SECONDS:
            return self._status(f"store unreachable: no answer within {PATIENCE_SECONDS:g} s")
        reason = {
            "waiting": "another mirror of this folder is at work",
            "asking": "the store was asked just now",
            "loading": "mlflow is being loaded",
        }
        return replace(self._status(reason.get(phase, "the store answers")), behind=True)

    def _ended(self, process: subprocess.Popen[bytes]) -> Status:
        if self._listener is not None:
            self._listener.join(timeout=0.2)
        reason = self._progress.reason or f"mirror ended with status {process.returncode} (see mirror.log)"
        return self._status(reason, process.returncode)

    def _status(self, reason: str, code: int = 1) -> Status:
        progress = self._progress
        if progress.phase == "done":
            return Status(self._folder, True, progress.written, 0, progress.reason, code=0)
        try:
            waiting: int | None = pending(self._folder, progress.mirrored, self._limit)
        except (InputError, OSError, KeyError, TypeError, ValueError):
            waiting = None
        return Status(self._folder, False, progress.written, waiting, reason, code=2 if code == 2 else 1)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - a pipe, see start()
        with process.stdout as stream:
            for line in stream:
                try:
                    self._progress = Progress(**json.loads(line))
                except (ValueError, TypeError):
                    continue
                self._heard = self._clock()
        process.wait()  # a mirror that outlives the wait for it is collected here
