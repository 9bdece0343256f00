"""The mirror's process: ``python -m harness.tracking [--limit N] FOLDER [URI]``.

Follows the sweep in FOLDER until its standard input ends, then does a last pass and exits: 0 when all is written,
1 when the store stopped answering, 2 when FOLDER or URI is wrong. Without URI, ``MLFLOW_TRACKING_URI`` or
``mlflow.db`` here. A line of JSON on standard output tells of every answer of the store.
"""

from __future__ import annotations

import argparse
import io
import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

from harness.errors import InputError
from harness.tracking.address import UnreachableError, absolute_uri, default_uri, scrub
from harness.tracking.follow import Follower, Progress
from harness.tracking.trials import RUN_LIMIT
from harness.tracking.writer import mlflow_settings


def main(arguments: list[str] | None = None) -> int:
    """Run the mirror; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m harness.tracking", description="mirror a sweep into MLflow")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("uri", nargs="?", metavar="URI")
    parser.add_argument("--limit", type=int, default=RUN_LIMIT, metavar="N", help="trial runs at most [%(default)s]")
    given = parser.parse_args(arguments)
    try:
        uri = absolute_uri(given.uri) if given.uri else default_uri()
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    protocol = _claim_output()
    sys.stderr = cast(TextIO, _Scrubbed(sys.stderr, uri))
    os.nice(10)  # training comes first; the mirror catches up when the processors are free
    follower = Follower(given.folder, uri, lambda progress: _send(protocol, progress), given.limit)
    status, reason = 0, ""
    with mlflow_settings():
        try:
            follower.run(_input_ended)
        except InputError as error:
            status, reason = 1 if isinstance(error, UnreachableError) else 2, str(error)
        except Exception as error:  # mlflow, SQLAlchemy and requests have no common base
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            status, reason = 1, f"store unreachable: {text}"
    if status:
        reason = scrub(reason, uri)[:300]
        sys.stderr.write(f"{reason}\n")
        follower.fail(reason)
    return status


def _claim_output() -> int:
    """Keep standard output for the protocol; what a library prints goes to standard error."""
    protocol = os.dup(1)
    os.dup2(2, 1)
    return protocol


def _send(protocol: int, progress: Progress) -> None:
    with suppress(OSError):  # where nobody listens any more, the work is done all the same
        os.write(protocol, f"{progress.line()}\n".encode())


def _input_ended(seconds: float) -> bool:
    """Wait up to ``seconds`` for the end of standard input; whatever is sent before it is ignored."""
    try:
        ready, _, _ = select.select([0], [], [], seconds)
        return bool(ready) and os.read(0, 4096) == b""
    except OSError:
        return True  # started without standard input


class _Scrubbed(io.TextIOBase):
    """A text stream that takes the secrets of ``uri`` out of what is written."""

    def __init__(self, stream: TextIO, uri: str) -> None:
        self._stream, self._uri = stream, uri

    def write(self, text: str) -> int:
        self._stream.write(scrub(text, self._uri))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


if __name__ == "__main__":
    sys.exit(main())
