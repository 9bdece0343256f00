"""Runs that say RUNNING although nobody is at work on them: machines and processes die, and their word stays."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.store import Store, locked
from harness.store.status import SweepStatus
from harness.tracking.paging import runs_found

if TYPE_CHECKING:
    from mlflow import MlflowClient


def close_orphans(client: MlflowClient, uid: str, progress: Callable[[], None]) -> int:
    """End the RUNNING runs of this machine's other sweeps that nobody trains or mirrors; how many were ended.

    A sweep and its arms end FINISHED where all of the sweep is committed. Else they end KILLED, as does a trial's run,
    which was cut off half written. Left alone are the runs of ``uid``, of other machines, and all that are not the
    harness's own.
    """
    closed = 0
    for other, runs in _running(client, progress).items():
        if other == uid:
            continue
        folder = next((run.data.tags["harness.folder"] for run in runs if "harness.folder" in run.data.tags), "")
        with suppress(InputError, OSError), _left(Path(folder), other) as complete:
            # The sweep's own run last: without it the folder of the others might not be known.
            for run in sorted(runs, key=lambda run: "harness.stage" not in run.data.tags):
                whole = complete and run.data.tags.get("harness.stage") not in ("search", "confirm")
                client.set_terminated(run.info.run_id, "FINISHED" if whole else "KILLED")
                progress()
                closed += 1
    return closed


@contextmanager
def _left(folder: Path, uid: str) -> Iterator[bool]:
    """Hold a sweep that nobody is at work on, and tell whether it is complete.

    Raises:
        InputError: somebody is at work on it, or nothing can be said of it.
        OSError: its locks cannot be looked at.
    """
    if not folder.is_absolute():
        raise InputError(f"{folder}: where the sweep is cannot be told")
    store = Store(folder)
    if not store.exists or store.describe()["uid"] != uid:
        yield False  # gone, or another sweep has its place
        return
    # Held meanwhile, so that a mirror of the sweep which starts now waits, and then finds its runs as they were left.
    with locked(folder / "mirror.lock"):
        now = SweepStatus.of(store)
        if now.state == "running":
            raise InputError(f"{folder}: in work")
        yield now.complete is True


def _running(client: MlflowClient, progress: Callable[[], None]) -> dict[str, list[Any]]:
    """The RUNNING runs of this machine, by the uid of their sweep."""
    host = platform.node()
    if "'" in host:
        return {}
    found: dict[str, list[Any]] = defaultdict(list)
    query = f"attributes.status = 'RUNNING' AND tags.`harness.host` = '{host}'"
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    progress()
    for run in runs_found(client, experiments, query, progress):
        if {"harness.sweep", "harness.key"} <= run.data.tags.keys():
            found[run.data.tags["harness.sweep"]].append(run)
    return found
