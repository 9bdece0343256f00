"""From a run in a store back to the members behind it."""

from __future__ import annotations

from harness.errors import InputError
from harness.tracking.run_content import tagged_members
from harness.tracking.settings import mlflow_settings
from harness.tracking.uri import absolute_uri, check, redact, scrub


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
