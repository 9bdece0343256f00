"""What a folder of sweeps could do without, found (``survey``) and removed (``remove``).

``layout`` knows the names that the program gives in a sweep's folder; what has another name is somebody's own and is
never touched. Nothing here follows a symbolic link below the folder that was named.
"""

from harness.store.cleaning.removal import Outcome, remove
from harness.store.cleaning.survey import KINDS, Item, Kind, Survey, survey

__all__ = ["KINDS", "Item", "Kind", "Outcome", "Survey", "remove", "survey"]
