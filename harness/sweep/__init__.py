"""The whole job: search, confirm, commit; and resume as if nothing had happened.

``sweep`` opens a folder, ``job`` works off the rounds, ``asking`` is the search's side of it, ``workshop`` trains,
``committing`` scores and commits, ``places`` reads back what is committed, ``retrying`` trains some of it again.
"""

from harness.sweep.committing import Listener
from harness.sweep.description import describe_arm
from harness.sweep.folder import set_aside
from harness.sweep.sweep import Sweep

__all__ = ["Listener", "Sweep", "describe_arm", "set_aside"]
