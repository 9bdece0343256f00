"""MLflow as this program uses it: environment variables, searches page by page, members behind a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.tracking.run_content import tagged_members
from harness.tracking.uri import ANSWER_SECONDS, absolute_uri, check, redact, scrub

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # No retries: MLflow would wait minutes on a dead server, and would repeat a create_run that was slow to answer,
    # which makes a second run of the same key.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}

# A page of a search must be answered within the request timeout; 200 runs take about 0.3 s.
_PAGE_RUNS = 200


@contextmanager
def mlflow_environment() -> Iterator[None]:
    """Environment under which mlflow is quiet, sends no telemetry and gives up on a server after one short try."""
    # A user whose server is slow may have given it more time; ``Mirror.finish`` limits how long training waits.
    timeout = os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or str(ANSWER_SECONDS)
    variables = {**_ENVIRONMENT, "MLFLOW_HTTP_REQUEST_TIMEOUT": timeout}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def search_runs(
    client: MlflowClient, experiments: list[str], query: str, progress: Callable[[], None], *, deleted: bool = False
) -> Iterator[Any]:
    """The runs that match a query, deleted ones too if asked; ``progress`` is called after every page."""
    from mlflow.entities import ViewType

    view, token = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY, None
    while True:
        page = client.search_runs(experiments, query, view, _PAGE_RUNS, page_token=token)
        yield from page
        progress()
        token = page.token
        if not token:
            return


def find_members(run_id: str, uri: str) -> tuple[str, list[str]]:
    """The sweep's folder, as it was named then, and the keys of the members behind a trial's run.

    Raises:
        InputError: the store does not answer, has no such run, or the run is not one of a trial.
    """
    uri = absolute_uri(uri)
    check(uri)
    with mlflow_environment():
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
