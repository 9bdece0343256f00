"""The mirror: copies a committed sweep into an MLflow store, in a process of its own, and never holds up training.

The folder of parquet files stays the truth. ``Mirror`` starts ``python -m harness.tracking FOLDER``, which follows
the folder and can be killed at any moment: the next mirror finds existing runs by their tag ``harness.key``.

``mirror`` is the training process's side and ``worker`` the other process's. ``committed_trials`` reads what was
committed, ``run_content`` and ``notes`` make runs and descriptions of it, ``writer`` writes them, ``orphans`` ends runs
that dead sweeps left running. ``uri`` knows stores by their address, ``client`` opens MLflow. Importing this package
does not import mlflow.
"""

from harness.tracking.client import find_members
from harness.tracking.mirror import Mirror, Status
from harness.tracking.uri import absolute_uri, default_uri, redact, scrub

__all__ = ["Mirror", "Status", "absolute_uri", "default_uri", "find_members", "redact", "scrub"]
