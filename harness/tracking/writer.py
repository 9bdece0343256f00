"""Writer of a sweep's runs in an MLflow store, one per key; mlflow is imported only when it is called."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.tracking.client import search_runs
from harness.tracking.notes import is_own_note, view_links
from harness.tracking.run_content import RunContent
from harness.tracking.uri import artifact_root, redact

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Tags that say where a sweep is trained; it may be resumed on another machine or in another folder.
_LOCATION_TAGS = ("harness.host", "harness.folder")

#: Tags that a run may lose when it is written again.
_REMOVABLE_TAGS = ("reason", "harness.absent", "harness.superseded", "harness.left_out")


@dataclass
class _Run:
    """A run as the store has it."""

    run_id: str
    status: str
    deleted: bool
    tags: dict[str, str]
    params: Mapping[str, str]


class RunWriter:
    """The runs of one sweep in the experiment of its name, found again by their tag ``harness.key``.

    ``progress`` is called after every answer of the store. A run that a killed mirror left unfinished is logged again:
    MLflow counts equal parameters and equal metric points (value, step and time) once. A run that a user has deleted
    stays deleted. Every run has the name of this machine, where its sweep's locks can be read.

    Raises:
        InputError: the experiment of that name was deleted in this store.
    """

    def __init__(
        self, client: MlflowClient, uri: str, description: Mapping[str, Any], progress: Callable[[], None]
    ) -> None:
        self._client = client
        self._progress = progress
        self._uid = str(description["uid"])
        # Metric points are equal only at equal times, so all get the time at which the sweep was created.
        self._time = int(datetime.fromisoformat(description["created"]).timestamp() * 1000)
        self._note = ""
        self._experiment, location = self._open_experiment(uri, str(description["name"]))
        #: Reason why files cannot be stored; empty if they can.
        self.no_artifacts = ""
        if location.startswith("mlflow-artifacts:") and not uri.startswith("http"):
            self.no_artifacts = "files of this experiment can only be written through its MLflow server"
        self._runs = self._find_runs()
        self.written = 0

    def settled(self, key: str, source: str) -> bool:
        """True if a trial's run needs no writing: it is finished and made of ``source``, or deleted by a user."""
        known = self._runs.get(key)
        if known is None or known.deleted:
            return known is not None
        return known.status == "FINISHED" and known.tags.get("harness.populations") == source

    def unfinished(self) -> list[str]:
        """Keys of runs that were started and not finished."""
        return [key for key, known in self._runs.items() if not known.deleted and known.status != "FINISHED"]

    def trials(self) -> list[str]:
        """Keys of trials that have a run, except runs that are already marked as superseded."""
        return [
            key
            for key, known in self._runs.items()
            if not known.deleted
            and known.tags.get("harness.stage") in ("search", "confirm")
            and "harness.superseded" not in known.tags
        ]

    def start(self, content: RunContent, parent: RunContent | None = None) -> None:
        """Create the run of ``content.key`` or set it to RUNNING, with tags and parameters, on this machine."""
        known = self._current(content)
        if known is None:
            self._log(self._create(content, parent), content, metrics=False, tags=False)
        elif not known.deleted:
            moved = {k: v for k, v in _tags(content).items() if k in _LOCATION_TAGS and known.tags.get(k) != v}
            if moved:
                self._tag(known, moved)
            self._reopen(known)

    def finish(self, content: RunContent, files: Mapping[str, Path] | None = None, status: str = "FINISHED") -> None:
        """Log everything in a started run and end it with ``status``, unless that is RUNNING.

        ``files`` maps a path in the run to a local file.
        """
        known = self._runs[content.key]
        if known.deleted:
            return
        content = replace(content, tags={**content.tags, "harness.content": content.digest})
        self._log(known, content, metrics=True)
        for target, path in (files or {}).items() if not self.no_artifacts else ():
            self._client.log_artifact(known.run_id, str(path), os.path.dirname(target) or None)
            self._progress()
        # Last, so that after a kill the next mirror writes the run again.
        self._end(known, status)
        self.written += 1

    def write(self, content: RunContent, parent: RunContent) -> None:
        """Create, log and finish the run of one trial, in three calls; update it if it exists."""
        known = self._current(content)
        if known is None:
            known = self._create(content, parent)
            self._log(known, content, metrics=True, tags=False)
        elif known.deleted:
            return
        else:
            self._reopen(known)
            self._log(known, content, metrics=True)
        self._end(known, "FINISHED")
        self.written += 1

    def up_to_date(self, content: RunContent, status: str) -> bool:
        """True if the run of ``content.key`` has this status and content, or was deleted by a user."""
        known = self._runs.get(content.key)
        if known is None or known.deleted:
            return known is not None
        return known.status == status and known.tags.get("harness.content") == content.digest

    def adopt(self, key: str, parent: str) -> None:
        """Make the run of ``parent``, which may be a new one, the parent of the run of ``key``, if both exist."""
        child, parent_run = self._runs.get(key), self._runs.get(parent)
        if child and parent_run and not child.deleted and child.tags.get("mlflow.parentRunId") != parent_run.run_id:
            self._tag(child, {"mlflow.parentRunId": parent_run.run_id})

    def views(self, trials: Iterable[str], winners: Iterable[str]) -> list[str]:
        """Markdown links to charts that compare the runs of these keys; keys without a run are left out."""
        run_ids = {key: known.run_id for key, known in self._runs.items() if not known.deleted}
        ids = ([run_ids[key] for key in keys if key in run_ids] for keys in (trials, winners))
        return view_links(self._experiment, self._uid, *ids)

    def describe(self, note: str) -> None:
        """Set the experiment's description to ``note``, unless a user has written another."""
        if note != self._note and (not self._note or is_own_note(self._note)):
            self._client.set_experiment_tag(self._experiment, "mlflow.note.content", note)
            self._note = note
            self._progress()

    def supersede(self, key: str, reason: str) -> None:
        """Mark a run whose content the sweep no longer has."""
        known = self._runs[key]
        self._tag(known, {"harness.superseded": reason})
        name = f"{known.tags.get('mlflow.runName', key)} (superseded)"
        self._client.update_run(known.run_id, name=name)
        known.tags["mlflow.runName"] = name
        if known.status == "RUNNING":
            self._end(known, "KILLED")
        self._progress()

    def _current(self, content: RunContent) -> _Run | None:
        """The run of a key; None if its parameters differ, which MLflow cannot change: then it is set aside."""
        known = self._runs.get(content.key)
        if known is None or known.deleted:
            return known
        if all(known.params.get(name, value) == value for name, value in content.params.items()):
            return known
        self.supersede(content.key, "its parameters have changed since; a later run replaces it")
        # Only now, so that after a kill the next mirror sets the run aside again.
        self._tag(known, {"harness.key": f"{content.key}:superseded:{known.run_id}"})
        del self._runs[content.key]
        return None

    def _create(self, content: RunContent, parent: RunContent | None) -> _Run:
        tags = {**_tags(content), "harness.key": content.key}
        if parent is not None:
            tags["mlflow.parentRunId"] = self._runs[parent.key].run_id
        run = self._client.create_run(self._experiment, run_name=content.name, tags=tags)
        tags["mlflow.runName"] = content.name
        known = _Run(run.info.run_id, "RUNNING", deleted=False, tags=tags, params=content.params)
        self._runs[content.key] = known
        self._progress()
        return known

    def _reopen(self, known: _Run) -> None:
        if known.status != "RUNNING":
            self._client.update_run(known.run_id, status="RUNNING")
            known.status = "RUNNING"
            self._progress()

    def _end(self, known: _Run, status: str) -> None:
        if status != "RUNNING":
            self._client.set_terminated(known.run_id, status)
        known.status = status
        self._progress()

    def _tag(self, known: _Run, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(known.run_id, tags=[RunTag(k, v) for k, v in tags.items()])
        known.tags |= tags
        self._progress()

    def _log(self, known: _Run, content: RunContent, *, metrics: bool, tags: bool = True) -> None:
        from mlflow.entities import Metric, Param, RunTag

        new_tags = _tags(content) if tags else {}
        for name in [name for name in known.tags if tags and name in _REMOVABLE_TAGS and name not in new_tags]:
            self._client.delete_tag(known.run_id, name)
            del known.tags[name]
        if tags and known.tags.get("mlflow.runName", content.name) != content.name:
            self._client.update_run(known.run_id, name=content.name)
        time = self._time + content.revision  # of two values at one step MLflow shows the later
        self._client.log_batch(
            known.run_id,
            metrics=[Metric(k, v, time, step) for k, v, step in content.metrics] if metrics else [],
            params=[Param(k, v) for k, v in content.params.items()],
            tags=[RunTag(k, v) for k, v in new_tags.items()],
        )
        known.tags |= new_tags
        self._progress()

    def _open_experiment(self, uri: str, name: str) -> tuple[str, str]:
        from mlflow.exceptions import MlflowException

        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            try:
                self._client.create_experiment(name, artifact_location=artifact_root(uri, name))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise  # another mirror may have created it in this instant
            experiment = self._client.get_experiment_by_name(name)
        self._progress()
        if experiment is None or experiment.lifecycle_stage != "active":
            raise InputError(
                f"experiment {name!r} was deleted in {redact(uri)}; restore it (mlflow experiments restore) or rename "
                "the sweep"
            )
        self._note = experiment.tags.get("mlflow.note.content", "")
        return experiment.experiment_id, experiment.artifact_location

    def _find_runs(self) -> dict[str, _Run]:
        if not self._uid.isalnum():
            raise InputError(f"sweep.json: uid {self._uid!r} is not letters and digits; restore the file")
        runs: dict[str, _Run] = {}
        query = f"tags.`harness.sweep` = '{self._uid}'"
        for run in search_runs(self._client, [self._experiment], query, self._progress, deleted=True):
            info, tags = run.info, dict(run.data.tags)
            known = _Run(info.run_id, info.status, info.lifecycle_stage != "active", tags, run.data.params)
            twin = runs.get(tags["harness.key"])
            runs[tags["harness.key"]] = known if twin is None else self._delete_twin(twin, known)
        return runs

    def _delete_twin(self, *twins: _Run) -> _Run:
        """Delete one of two runs of the same key and return the other.

        There are two when a frozen server creates a run after its client has given up and asked again.
        """
        keep, spare = sorted(twins, key=lambda run: (run.deleted, run.status != "FINISHED"))
        if not spare.deleted:
            self._client.delete_run(spare.run_id)
            self._progress()
        return keep


def _tags(content: RunContent) -> dict[str, str]:
    return {**content.tags, "harness.host": platform.node()}
