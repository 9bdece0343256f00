"""The mirror's process: ``python -m harness.tracking [--limit N] FOLDER [URI]``.

It follows the sweep in FOLDER until its standard input ends, then makes a last pass and exits: 0 when all is written,
1 when the store stopped answering, after ``SILENCE_SECONDS`` at the latest, 2 when FOLDER or URI is wrong. URI is
``MLFLOW_TRACKING_URI`` or ``mlflow.db`` in the working directory by default. Standard output has a line of JSON for
every answer of the store.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TextIO, cast

from harness.errors import InputError
from harness.tracking.client import mlflow_environment
from harness.tracking.committed_trials import RUN_LIMIT
from harness.tracking.uri import UnreachableError, absolute_uri, default_uri, scrub
from harness.tracking.worker import Progress, Worker

#: Seconds of silence in the last pass after which the store is given up: three times what MLflow itself waits for
#: another writer of the same SQLite file (20 s).
SILENCE_SECONDS = 60.0


def main(arguments: list[str] | None = None) -> int:
    """Run the mirror and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m harness.tracking", description="mirror a sweep into MLflow")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("uri", nargs="?", metavar="URI")
    parser.add_argument("--limit", type=int, default=RUN_LIMIT, metavar="N", help="trial runs at most [%(default)s]")
    options = parser.parse_args(arguments)
    try:
        uri = absolute_uri(options.uri) if options.uri else default_uri()
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    protocol = _claim_output()
    sys.stderr = cast(TextIO, _Scrubbed(sys.stderr, uri))
    os.nice(10)  # training comes first; the mirror catches up when the processors are free
    watch = _Watch(protocol)
    worker = Worker(options.folder, uri, watch.report, options.limit)
    status, reason = 0, ""
    with mlflow_environment():
        try:
            worker.run(watch.wait_for_end)
        except InputError as error:
            status, reason = 1 if isinstance(error, UnreachableError) else 2, str(error)
        except ModuleNotFoundError as error:
            status, reason = 1, f"{error.name} is not installed; python -m pip install {error.name}"
        except Exception as error:  # mlflow, SQLAlchemy and requests have no common base
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            status, reason = 1, f"store unreachable: {text}"
    if status:
        reason = scrub(reason, uri)[:300]
        sys.stderr.write(f"{reason}\n")
        worker.fail(reason)
    return status


def _claim_output() -> int:
    """Keep standard output for the protocol; send what libraries print to standard error."""
    protocol = os.dup(1)
    os.dup2(2, 1)
    return protocol


class _Watch:
    """Passes progress on to the parent, waits for the end of training, and from then on ends a silent store's mirror.

    During training a store may take all the time it likes.
    """

    def __init__(self, protocol: int) -> None:
        self._protocol = protocol
        self._progress = Progress()
        self._answered = time.monotonic()
        self._ending = threading.Event()
        # A thread of its own: the store may be silent from the first call on.
        threading.Thread(target=self._guard, daemon=True).start()

    def report(self, progress: Progress) -> None:
        """Tell the parent; if it no longer listens, the work goes on all the same."""
        self._progress, self._answered = progress, time.monotonic()
        with suppress(OSError):
            os.write(self._protocol, f"{progress.line()}\n".encode())

    def wait_for_end(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the end of standard input; whether it has ended."""
        return self._ending.wait(seconds)

    def _guard(self) -> None:
        with suppress(OSError):  # started without standard input
            while os.read(0, 4096):  # whatever is sent before its end is ignored
                pass
        self._answered = time.monotonic()
        self._ending.set()
        while self._progress.phase != "writing" or time.monotonic() < self._answered + SILENCE_SECONDS:
            time.sleep(1)
        reason = f"store unreachable: no answer within {SILENCE_SECONDS:g} s"
        sys.stderr.write(f"{reason}\n")
        self.report(replace(self._progress, phase="failed", reason=reason))
        os._exit(1)  # the call that is never answered cannot be cut off otherwise


class _Scrubbed(io.TextIOBase):
    """A text stream that hides the secrets of ``uri``; on a full disk text is lost and the mirror goes on."""

    def __init__(self, stream: TextIO, uri: str) -> None:
        self._stream, self._uri = stream, uri

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(scrub(text, self._uri))
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


if __name__ == "__main__":
    sys.exit(main())
