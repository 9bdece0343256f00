"""``harness mirror``: a committed sweep into an MLflow store, now and to the end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.tracking.worker import Progress

#: Seconds between two lines about how far the mirror is.
TELL_EVERY_SECONDS = 2.0


def command(
    sweep: Annotated[str, typer.Argument(help="A sweep's folder, or a name below sweeps/.")],
    to: Annotated[
        str | None, typer.Option("--to", metavar="URI", help="The store (default: as `harness sweep`).")
    ] = None,
) -> None:
    """Write the runs of a committed sweep that an MLflow store lacks, and wait until all are there.

    Runs that are there are left alone, so it can be repeated and interrupted. Exit status 1: the store stopped
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
    status = mirror.wait(_Lines().tell)
    if status.code == 2:
        raise InputError(status.reason)
    print(visible(f"MLflow ({redact(uri)}): {status}"))  # noqa: T201
    if status.code:
        raise typer.Exit(status.code)


class _Lines:
    """A line on standard error when the mirror goes over to something else, and every few seconds."""

    def __init__(self) -> None:
        self._phase, self._told = "", 0.0

    def tell(self, progress: Progress) -> None:
        """Say how far the mirror is, unless that was said just now."""
        text = {
            "waiting": "waiting for another mirror of this folder",
            "asking": "asking whether the store answers",
            "loading": "loading mlflow" if not progress.written else "reading the folder",
            "writing": f"{progress.written} runs written, {progress.todo} trials to go",
        }.get(progress.phase, "")
        if text and (progress.phase != self._phase or time.monotonic() > self._told + TELL_EVERY_SECONDS):
            self._phase, self._told = progress.phase, time.monotonic()
            print(text, file=sys.stderr, flush=True)  # noqa: T201
