"""Runs in an MLflow store, one per key: the only file that imports mlflow, and only when called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.tracking.address import ANSWER_SECONDS, absolute_uri, artifact_root, check, redact, scrub
from harness.tracking.runs import RunContent, tagged_members

if TYPE_CHECKING:
    from mlflow import MlflowClient

# A page of a search must be answered within the request timeout; 200 runs take about 0.3 s.
_PAGE = 200

_SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # No retries: MLflow would wait minutes on a dead server, and would repeat a create_run that was slow to answer,
    # which makes a second run of the same key.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}


@contextmanager
def mlflow_settings() -> Iterator[None]:
    """Environment under which mlflow is quiet, sends no telemetry and gives up on a server after one short try."""
    # A user whose server is slow may have given it more time; how long training waits, `Mirror.finish` bounds.
    timeout = os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or str(ANSWER_SECONDS)
    switches = {**_SWITCHES, "MLFLOW_HTTP_REQUEST_TIMEOUT": timeout}
    before = {name: os.environ.get(name) for name in switches}
    os.environ.update(switches)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass
class _Known:
    run_id: str
    finished: bool
    deleted: bool
    tags: Mapping[str, str]


class RunWriter:
    """The runs of one sweep in the experiment of its name, found again by their tag ``harness.key``.

    ``progress`` is called after every answer of the store. A run that a killed mirror left unfinished is logged
    again: equal parameters and equal metric points (value, step and time) are one to MLflow. A run that a user has
    deleted stays deleted.

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
        self._experiment, location = self._open_experiment(uri, str(description["name"]))
        #: Why files cannot be stored, or an empty text.
        self.no_artifacts = ""
        if location.startswith("mlflow-artifacts:") and not uri.startswith("http"):
            self.no_artifacts = "files of this experiment can be written through its MLflow server only"
        self._known = self._find_runs()
        self.written = 0

    def finished(self, key: str) -> bool:
        """Whether there is nothing left to do for ``key``: its run is finished, or deleted by a user."""
        known = self._known.get(key)
        return known is not None and (known.finished or known.deleted)

    def unfinished(self) -> list[str]:
        """Keys of the runs that were started and not finished."""
        return [key for key, known in self._known.items() if not (known.finished or known.deleted)]

    def start(self, content: RunContent, parent: RunContent | None = None) -> None:
        """Make the run of ``content.key`` be there and be running, with tags and parameters."""
        known = self._known.get(content.key)
        if known is None:
            tags = {**content.tags, "harness.key": content.key}
            if parent is not None:
                tags["mlflow.parentRunId"] = self._known[parent.key].run_id
            run = self._client.create_run(self._experiment, run_name=content.name, tags=tags)
            self._known[content.key] = known = _Known(run.info.run_id, finished=False, deleted=False, tags=tags)
            self._progress()
            self._log(known, content, metrics=False)
        elif known.finished and not known.deleted:
            self._client.update_run(known.run_id, status="RUNNING")
            known.finished = False
            self._progress()

    def finish(self, content: RunContent, files: Mapping[str, Path] | None = None) -> None:
        """Log everything of a started run and mark it finished; ``files`` maps a path in the run to a local file."""
        known = self._known[content.key]
        if known.deleted:
            return
        self._log(known, content, metrics=True)
        for inside, path in (files or {}).items() if not self.no_artifacts else ():
            self._client.log_artifact(known.run_id, str(path), os.path.dirname(inside) or None)
            self._progress()
        # Last of all, so that a mirror killed before it does the run again.
        self._client.set_tag(known.run_id, "harness.content", content.digest)
        self._client.set_terminated(known.run_id, "FINISHED")
        known.finished, known.tags = True, {**known.tags, "harness.content": content.digest}
        self.written += 1
        self._progress()

    def write(self, content: RunContent, parent: RunContent) -> None:
        """Create, log and finish the run of one trial, in three calls."""
        known = self._known.get(content.key)
        if known is None:
            tags = {**content.tags, "harness.key": content.key, "mlflow.parentRunId": self._known[parent.key].run_id}
            run = self._client.create_run(self._experiment, run_name=content.name, tags=tags)
            self._known[content.key] = known = _Known(run.info.run_id, finished=False, deleted=False, tags=tags)
            self._progress()
        self._log(known, content, metrics=True, tags=False)
        self._client.set_terminated(known.run_id, "FINISHED")
        known.finished = True
        self.written += 1
        self._progress()

    def up_to_date(self, content: RunContent) -> bool:
        """Whether the finished run of ``content.key`` holds exactly this."""
        known = self._known.get(content.key)
        return known is not None and self.finished(content.key) and known.tags.get("harness.content") == content.digest

    def _log(self, known: _Known, content: RunContent, *, metrics: bool, tags: bool = True) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self._client.log_batch(
            known.run_id,
            metrics=[Metric(k, v, self._time, step) for k, v, step in content.metrics] if metrics else [],
            params=[Param(k, v) for k, v in content.params.items()],
            tags=[RunTag(k, v) for k, v in content.tags.items()] if tags else [],
        )
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
        return found.experiment_id, found.artifact_location

    def _find_runs(self) -> dict[str, _Known]:
        from mlflow.entities import ViewType

        if not self._uid.isalnum():
            raise InputError(f"sweep.json: uid {self._uid!r} is not letters and digits")
        known: dict[str, _Known] = {}
        query, token = f"tags.`harness.sweep` = '{self._uid}'", None
        while True:
            page = self._client.search_runs([self._experiment], query, ViewType.ALL, _PAGE, page_token=token)
            for run in page:
                info = run.info
                entry = _Known(info.run_id, info.status == "FINISHED", info.lifecycle_stage != "active", run.data.tags)
                known[run.data.tags["harness.key"]] = entry
            self._progress()
            token = page.token
            if not token:
                return known


def find_members(run_id: str, uri: str) -> tuple[str, list[str]]:
    """The sweep's folder, as it was named then, and the keys of the members behind a trial's run.

    Raises:
        InputError: the store does not answer, has no such run, or the run is not one of a trial.
    """
    uri = absolute_uri(uri)
    check(uri)
    with mlflow_settings():
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            tags = MlflowClient(tracking_uri=uri).get_run(run_id).data.tags
        except MlflowException as error:
            reason = scrub(str(error).splitlines()[0], uri)
            raise InputError(f"run {run_id!r} in {redact(uri)}: {reason}") from None
    members = tagged_members(tags)
    if not members or "harness.folder" not in tags:
        raise InputError(f"run {run_id!r} in {redact(uri)}: not the run of a trial; take one named '<arm> #<trial>'")
    return tags["harness.folder"], members
