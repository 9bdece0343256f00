"""The mirror: copies a committed sweep into an MLflow store, in a process of its own, and never holds up training.

The folder of parquet files stays the truth. ``Mirror`` starts ``python -m harness.tracking FOLDER``, which follows
the folder and can be killed at any moment: the next mirror finds by the tag ``harness.key`` what is there already.

``address`` says where the store is and whether it answers, ``trials`` reads what was committed, ``runs`` says what
a run holds, ``writer`` writes it, ``orphans`` ends the runs that dead sweeps left running, ``lookup`` goes back from a
run to its members, ``follow`` is the child's work and ``mirror`` the parent's side of it. Importing this package does
not import mlflow.
"""

from harness.tracking.client import find_members
from harness.tracking.mirror import Mirror, Status
from harness.tracking.uri import absolute_uri, default_uri, redact, scrub

__all__ = ["Mirror", "Status", "absolute_uri", "default_uri", "find_members", "redact", "scrub"]
