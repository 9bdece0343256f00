"""Members of a sweep watched while they train again: what D decides, and where it pushes each generated value.

``seeing`` is what one frame shows, ``measuring`` the generator's half of a step on the reference engine, ``record``
trains the members in legs from frame to frame. The frames are the start and the member's own snapshots.
"""

from harness.recording.record import Watched, frames_of, record, watch
from harness.recording.seeing import GRID, see, unwatchable

__all__ = ["GRID", "Watched", "frames_of", "record", "see", "unwatchable", "watch"]
