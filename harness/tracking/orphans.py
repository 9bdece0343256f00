"""Runs that MLflow still shows as RUNNING although the process that wrote them is dead."""

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
from harness.tracking.client import search_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient


def close_orphans(client: MlflowClient, uid: str, progress: Callable[[], None]) -> int:
    """End the RUNNING runs of this machine's other sweeps that no process trains or mirrors; return their number.

    A sweep and its arms end FINISHED if the whole sweep is committed, else KILLED. A trial's run ends KILLED: it was
    interrupted while it was written. Runs of ``uid``, of other machines and of other programs are left alone.
    """
    closed = 0
    for other, runs in _running(client, progress).items():
        if other == uid:
            continue
        folder = next((run.data.tags["harness.folder"] for run in runs if "harness.folder" in run.data.tags), "")
        with suppress(InputError, OSError), _abandoned(Path(folder), other) as complete:
            # The sweep's own run last: without it the folder of the others might not be known.
            for run in sorted(runs, key=lambda run: "harness.stage" not in run.data.tags):
                whole = complete and run.data.tags.get("harness.stage") not in ("search", "confirm")
                client.set_terminated(run.info.run_id, "FINISHED" if whole else "KILLED")
                progress()
                closed += 1
    return closed


@contextmanager
def _abandoned(folder: Path, uid: str) -> Iterator[bool]:
    """Lock a sweep that no process works on; yields whether it is complete.

    Raises:
        InputError: a process works on it, or that cannot be known.
        OSError: its locks cannot be read.
    """
    if not folder.is_absolute():
        raise InputError(f"{folder}: not an absolute path, so the sweep cannot be found")
    store = Store(folder)
    if not store.exists or store.describe()["uid"] != uid:
        yield False  # gone, or another sweep has its place
        return
    # Locked meanwhile, so that a mirror of the sweep that starts now waits until its runs are ended.
    with locked(folder / "mirror.lock"):
        status = SweepStatus.of(store)
        if status.state == "running":
            raise InputError(f"{folder}: a process is training it")
        yield status.complete is True


def _running(client: MlflowClient, progress: Callable[[], None]) -> dict[str, list[Any]]:
    """The RUNNING runs of this machine, by the uid of their sweep."""
    host = platform.node()
    if "'" in host:
        return {}
    by_sweep: dict[str, list[Any]] = defaultdict(list)
    query = f"attributes.status = 'RUNNING' AND tags.`harness.host` = '{host}'"
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    progress()
    for run in search_runs(client, experiments, query, progress):
        if {"harness.sweep", "harness.key"} <= run.data.tags.keys():
            by_sweep[run.data.tags["harness.sweep"]].append(run)
    return by_sweep
