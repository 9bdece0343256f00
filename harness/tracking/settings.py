"""The environment variables under which mlflow is let run, and nothing of mlflow itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from harness.tracking.uri import ANSWER_SECONDS

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
