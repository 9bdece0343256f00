"""The training process's side of the mirror: start it, and at the end wait for it a limited time."""

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

#: Seconds that the end of a sweep waits for its mirror, which then goes on by itself. 2 s are promised, including the
#: time to count the trials that wait.
FINISH_SECONDS = 1.7

#: Seconds without an answer of the store after which it counts as unreachable, not as slow.
PATIENCE_SECONDS = 1.5


@dataclass(frozen=True)
class Status:
    """Result or progress of a mirror. ``waiting`` counts committed trials without a run; None if unknown.

    ``behind``: it has not ended; the store answers, and the mirror goes on by itself. ``code`` is the exit status for
    it: 0 complete, 1 the store stopped answering, 2 the folder or the store is wrong.
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
            rest = f"{self.waiting} trials are" if self.waiting else "the last of them are"
            return (
                f"{self.written} runs written, {rest} still being written in the background ({self.reason}); "
                f"`mlflow ui` shows them as they come. If this is a container, run {again} before it exits: that waits "
                "for the rest"
            )
        trials = "committed trials" if self.waiting is None else f"{self.waiting} trials"
        return f"{self.reason}: {trials} wait for {again} or the next `harness sweep --resume`"


class Mirror:
    """Mirrors ``folder`` into the MLflow store ``uri`` from a process of its own, until ``finish``.

    When the process that called ``start`` ends, however it ends, its end of the pipe closes: the mirror writes
    what is committed by then and ends by itself. Once constructed, nothing here raises, and only ``finish`` and
    ``wait`` wait. ``clock`` returns seconds.

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
        self._answered = self._clock()
        self._listener: threading.Thread | None = None
        self._problem = "mirror not started"

    def start(self) -> None:
        """Start the process and return at once; ``finish`` reports a failure."""
        package_root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
        # The address goes through the environment: it may hold a password, and arguments are public. -P: a file
        # named mlflow.py in the working directory must not be imported.
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
        self._problem = "mirror ended without a message (see mirror.log)"
        self._answered = self._clock()
        self._listener = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int | None:
        """Process id of the mirror; None before ``start``."""
        return None if self._process is None else self._process.pid

    @property
    def progress(self) -> Progress:
        """The mirror's last message."""
        return self._progress

    def finish(self) -> Status:
        """Ask for the last pass, wait for it up to ``FINISH_SECONDS``, and return its result or progress.

        A mirror that needs longer goes on by itself, and ends by itself if the store is silent. What a killed one has
        not written, the next one writes.
        """
        process, asked = self._ask()
        if process is None:
            return self._status(self._problem)
        # Its last message is enough: ending a process that has loaded mlflow may take seconds more.
        while process.poll() is None and self._progress.phase not in ("done", "failed"):
            if self._clock() > asked + FINISH_SECONDS:
                return self._unfinished()
            time.sleep(0.01)
        return self._ended(process)

    def wait(self, listener: Callable[[Progress], None]) -> Status:
        """Ask for the last pass, wait as long as the store answers, and return its result; ``listener`` gets progress.

        If the wait is interrupted, the mirror is ended too; the next one continues.
        """
        process, _ = self._ask()
        if process is None:
            return self._status(self._problem)
        reported: Progress | None = None
        try:
            while process.poll() is None:
                if self._progress != reported:
                    reported = self._progress
                    listener(reported)
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

    def _unfinished(self) -> Status:
        """Progress of a mirror that has not ended."""
        phase, silent = self._progress.phase, self._clock() - self._answered
        if phase in ("asking", "writing") and silent > PATIENCE_SECONDS:
            return self._status(f"store unreachable: no answer within {PATIENCE_SECONDS:g} s")
        reason = {
            "waiting": "another mirror of this folder is running",
            "asking": "the store has just been asked for an answer",
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
                self._answered = self._clock()
        process.wait()  # a mirror that outlives the wait for it is collected here
