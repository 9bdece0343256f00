"""``harness mirror``: copy a committed sweep into an MLflow store, and wait for the end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import SweepName

if TYPE_CHECKING:
    from harness.tracking.worker import Progress

#: Seconds between two lines of progress.
LINE_SECONDS = 2.0


def command(
    sweep: SweepName,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="URI", help="Address of the store (default: the one that `harness sweep` uses)."),
    ] = None,
) -> None:
    """Copy a committed sweep into an MLflow store, and wait until all runs are written.

    Existing runs are left alone, so the command can be interrupted and repeated. Exit status 1: the store stopped
    answering.

    Examples:

        harness mirror labels

        harness mirror sweeps/labels --to http://127.0.0.1:5000
    """
    from harness.errors import InputError
    from harness.sweep.lookup import existing_sweep
    from harness.text import visible
    from harness.tracking import Mirror, absolute_uri, default_uri, redact

    uri = default_uri() if to is None else absolute_uri(to)
    store = existing_sweep(sweep)
    store.describe()
    mirror = Mirror(store.folder.absolute(), uri)
    mirror.start()
    status = mirror.wait(_ProgressLines().show)
    if status.code == 2:
        raise InputError(status.reason)
    print(visible(f"MLflow ({redact(uri)}): {status}"))  # noqa: T201
    if status.code:
        raise typer.Exit(status.code)


class _ProgressLines:
    """Progress on standard error: a line when the phase changes, and every few seconds."""

    def __init__(self) -> None:
        self._phase, self._shown = "", 0.0

    def show(self, progress: Progress) -> None:
        """Print the progress, unless the same phase was printed just now."""
        text = {
            "waiting": "waiting for another mirror of this folder",
            "asking": "checking that the store answers",
            "loading": "loading mlflow" if not progress.written else "reading the folder",
            "writing": f"{progress.written} runs written, {progress.todo} trials to go",
        }.get(progress.phase, "")
        if text and (progress.phase != self._phase or time.monotonic() > self._shown + LINE_SECONDS):
            self._phase, self._shown = progress.phase, time.monotonic()
            print(text, file=sys.stderr, flush=True)  # noqa: T201
