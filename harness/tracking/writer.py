"""Runs in an MLflow store, one per key; mlflow is imported only when called."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.tracking.notes import is_own_note, view_links
from harness.tracking.paging import runs_found
from harness.tracking.run_content import RunContent
from harness.tracking.uri import artifact_root, redact

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Tags that say where a sweep is at work; a sweep may go on elsewhere than it began.
_PLACE = ("harness.host", "harness.folder")

#: Tags that a run may lose when it is written again.
_PASSING = ("reason", "harness.absent", "harness.superseded", "harness.left_out")


@dataclass
class _Known:
    run_id: str
    status: str
    deleted: bool
    tags: dict[str, str]
    params: Mapping[str, str]


class RunWriter:
    """The runs of one sweep in the experiment of its name, found again by their tag ``harness.key``.

    ``progress`` is called after every answer of the store. A run that a killed mirror left unfinished is logged
    again: equal parameters and equal metric points (value, step and time) are one to MLflow. A run that a user has
    deleted stays deleted. Every run bears the name of this machine, on which its sweep's locks can be looked at.

    Raises:
        InputError: the experiment of that name was deleted in this store.
    """

    def __init__(
        self, client: MlflowClient, uri: str, description: Mapping[str, Any], progress: Callable[[], None]
    ) -> None:
        self._client = client
        self._progress = progress
        self._uid = str(description["uid"])
        # Metric points are equal only at equal times, so all bear the time the sweep was created.
        self._time = int(datetime.fromisoformat(description["created"]).timestamp() * 1000)
        self._note = ""
        self._experiment, location = self._open_experiment(uri, str(description["name"]))
        #: Why files cannot be stored, or an empty text.
        self.no_artifacts = ""
        if location.startswith("mlflow-artifacts:") and not uri.startswith("http"):
            self.no_artifacts = "files of this experiment can be written through its MLflow server only"
        self._known = self._find_runs()
        self.written = 0

    def settled(self, key: str, source: str) -> bool:
        """Whether a trial's run needs nothing: it is finished and made of ``source``, or deleted by a user."""
        known = self._known.get(key)
        if known is None or known.deleted:
            return known is not None
        return known.status == "FINISHED" and known.tags.get("harness.populations") == source

    def unfinished(self) -> list[str]:
        """Keys of the runs that were started and not finished."""
        return [key for key, known in self._known.items() if not known.deleted and known.status != "FINISHED"]

    def trials(self) -> list[str]:
        """Keys of the trials that have a run, but for those of runs that say already that they are out of date."""
        return [
            key
            for key, known in self._known.items()
            if not known.deleted
            and known.tags.get("harness.stage") in ("search", "confirm")
            and "harness.superseded" not in known.tags
        ]

    def start(self, content: RunContent, parent: RunContent | None = None) -> None:
        """Make the run of ``content.key`` be there and be running, on this machine, with tags and parameters."""
        known = self._current(content)
        if known is None:
            self._log(self._create(content, parent), content, metrics=False, tags=False)
        elif not known.deleted:
            here = {k: v for k, v in _tags(content).items() if k in _PLACE and known.tags.get(k) != v}
            if here:
                self._tag(known, here)
            self._reopen(known)

    def finish(self, content: RunContent, files: Mapping[str, Path] | None = None, status: str = "FINISHED") -> None:
        """Log everything of a started run and end it as ``status``; of RUNNING it stays so.

        ``files`` maps a path in the run to a local file.
        """
        known = self._known[content.key]
        if known.deleted:
            return
        content = replace(content, tags={**content.tags, "harness.content": content.digest})
        self._log(known, content, metrics=True)
        for inside, path in (files or {}).items() if not self.no_artifacts else ():
            self._client.log_artifact(known.run_id, str(path), os.path.dirname(inside) or None)
            self._progress()
        # Last of all, so that a mirror killed before it does the run again.
        self._end(known, status)
        self.written += 1

    def write(self, content: RunContent, parent: RunContent) -> None:
        """Create, log and finish the run of one trial, in three calls; one that is there is brought up to date."""
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
        """Whether the run of ``content.key`` ended as ``status`` and holds exactly this, or was deleted by a user."""
        known = self._known.get(content.key)
        if known is None or known.deleted:
            return known is not None
        return known.status == status and known.tags.get("harness.content") == content.digest

    def adopt(self, key: str, parent: str) -> None:
        """Hang the run of ``key``, where there is one, under the run of ``parent``, which may have been made anew."""
        known, above = self._known.get(key), self._known.get(parent)
        if known and above and not known.deleted and known.tags.get("mlflow.parentRunId") != above.run_id:
            self._tag(known, {"mlflow.parentRunId": above.run_id})

    def views(self, trials: Iterable[str], winners: Iterable[str]) -> list[str]:
        """Markdown links to the pages on which the runs of these keys, as far as there are any, compare well."""
        there = {key: known.run_id for key, known in self._known.items() if not known.deleted}
        ids = ([there[key] for key in keys if key in there] for keys in (trials, winners))
        return view_links(self._experiment, self._uid, *ids)

    def describe(self, note: str) -> None:
        """Make ``note`` the experiment's description, unless a user has written another."""
        if note != self._note and (not self._note or is_own_note(self._note)):
            self._client.set_experiment_tag(self._experiment, "mlflow.note.content", note)
            self._note = note
            self._progress()

    def supersede(self, key: str, reason: str) -> None:
        """Say of a run that the sweep no longer has what it shows."""
        known = self._known[key]
        self._tag(known, {"harness.superseded": reason})
        name = f"{known.tags.get('mlflow.runName', key)} (superseded)"
        self._client.update_run(known.run_id, name=name)
        known.tags["mlflow.runName"] = name
        if known.status == "RUNNING":
            self._end(known, "KILLED")
        self._progress()

    def _current(self, content: RunContent) -> _Known | None:
        """The run of a key, unless its parameters are others, which MLflow would not change: then it is set aside."""
        known = self._known.get(content.key)
        if known is None or known.deleted:
            return known
        if all(known.params.get(name, value) == value for name, value in content.params.items()):
            return known
        self.supersede(content.key, "its parameters have changed since; a later run has its place")
        # Only now, so that a mirror killed before it sets the run aside again.
        self._tag(known, {"harness.key": f"{content.key}:superseded:{known.run_id}"})
        del self._known[content.key]
        return None

    def _create(self, content: RunContent, parent: RunContent | None) -> _Known:
        tags = {**_tags(content), "harness.key": content.key}
        if parent is not None:
            tags["mlflow.parentRunId"] = self._known[parent.key].run_id
        run = self._client.create_run(self._experiment, run_name=content.name, tags=tags)
        tags["mlflow.runName"] = content.name
        known = _Known(run.info.run_id, "RUNNING", deleted=False, tags=tags, params=content.params)
        self._known[content.key] = known
        self._progress()
        return known

    def _reopen(self, known: _Known) -> None:
        if known.status != "RUNNING":
            self._client.update_run(known.run_id, status="RUNNING")
            known.status = "RUNNING"
            self._progress()

    def _end(self, known: _Known, status: str) -> None:
        if status != "RUNNING":
            self._client.set_terminated(known.run_id, status)
        known.status = status
        self._progress()

    def _tag(self, known: _Known, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(known.run_id, tags=[RunTag(k, v) for k, v in tags.items()])
        known.tags |= tags
        self._progress()

    def _log(self, known: _Known, content: RunContent, *, metrics: bool, tags: bool = True) -> None:
        from mlflow.entities import Metric, Param, RunTag

        told = _tags(content) if tags else {}
        for name in [name for name in known.tags if tags and name in _PASSING and name not in told]:
            self._client.delete_tag(known.run_id, name)
            del known.tags[name]
        if tags and known.tags.get("mlflow.runName", content.name) != content.name:
            self._client.update_run(known.run_id, name=content.name)
        time = self._time + content.revision  # of two values at one step MLflow shows the later
        self._client.log_batch(
            known.run_id,
            metrics=[Metric(k, v, time, step) for k, v, step in content.metrics] if metrics else [],
            params=[Param(k, v) for k, v in content.params.items()],
            tags=[RunTag(k, v) for k, v in told.items()],
        )
        known.tags |= told
        self._progress()

    def _open_experiment(self, uri: str, name: str) -> tuple[str, str]:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                self._client.create_experiment(name, artifact_location=artifact_root(uri, name))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise  # another mirror may have created it in this instant
            found = self._client.get_experiment_by_name(name)
        self._progress()
        if found is None or found.lifecycle_stage != "active":
            raise InputError(
                f"experiment {name!r} was deleted in {redact(uri)}; restore it (mlflow experiments restore) or rename "
                "the sweep"
            )
        self._note = found.tags.get("mlflow.note.content", "")
        return found.experiment_id, found.artifact_location

    def _find_runs(self) -> dict[str, _Known]:
        if not self._uid.isalnum():
            raise InputError(f"sweep.json: uid {self._uid!r} is not letters and digits")
        known: dict[str, _Known] = {}
        query = f"tags.`harness.sweep` = '{self._uid}'"
        for run in runs_found(self._client, [self._experiment], query, self._progress, deleted=True):
            info, tags = run.info, dict(run.data.tags)
            found = _Known(info.run_id, info.status, info.lifecycle_stage != "active", tags, run.data.params)
            held = known.get(tags["harness.key"])
            known[tags["harness.key"]] = found if held is None else self._one_of(held, found)
        return known

    def _one_of(self, one: _Known, other: _Known) -> _Known:
        """Of two runs of one key the one to keep.

        A server that was frozen may create a run after its client, told nothing, has given up and asked again.
        """
        kept, spare = sorted((one, other), key=lambda run: (run.deleted, run.status != "FINISHED"))
        if not spare.deleted:
            self._client.delete_run(spare.run_id)
            self._progress()
        return kept


def _tags(content: RunContent) -> dict[str, str]:
    return {**content.tags, "harness.host": platform.node()}
