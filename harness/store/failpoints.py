"""Failpoints: named points in the code at which a test can kill the process, as a power cut would, or signal it.

``HARNESS_FAILPOINT=name:n`` kills the process (SIGKILL: no handler, no clean-up) when it passes the point of that name
for the n-th time; ``name:n:SIGTERM`` sends it that signal instead. Without the variable a pass costs one lookup in a
dictionary.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

VARIABLE = "HARNESS_FAILPOINT"

_passes: Counter[str] = Counter()


def reach(name: str) -> None:
    """Pass the point ``name``; the process may end here."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    _passes[name] += 1
    point, count, *signals = wanted.split(":")
    if (point, count) == (name, str(_passes[name])):
        os.kill(os.getpid(), signal.Signals[signals[0]] if signals else signal.SIGKILL)
