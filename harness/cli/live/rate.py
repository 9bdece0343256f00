"""How fast work gets done and when it will end, from what was told of it."""

from __future__ import annotations

from collections import deque

#: Seconds over which the rate is taken: long enough for a population to be committed in, short enough to follow an
#: engine that has become slower.
WINDOW_SECONDS = 60.0

_STEP_SECONDS = 1.0


class Pace:
    """Of ``total`` steps, how many are done, how many a second, and how many seconds are left.

    The first ``found`` steps were done before ``start``, and are told like others: they say nothing of the rate.
    """

    def __init__(self, total: int, start: float, found: int = 0) -> None:
        self.total, self._found, self._start = total, found, start
        self.done = 0
        self._marks = deque([(start, 0)])

    def advance(self, steps: int, now: float) -> None:
        """So many further steps were told at the time ``now``, in seconds."""
        self.done += steps
        if now - self._marks[-1][0] >= _STEP_SECONDS:
            self._marks.append((now, max(0, self.done - self._found)))
        while len(self._marks) > 2 and now - self._marks[1][0] >= WINDOW_SECONDS:
            self._marks.popleft()

    def rate(self, now: float) -> float | None:
        """Steps a second since the window's beginning; None before a second has passed or a step was trained."""
        then, before = self._marks[0]
        trained = max(0, self.done - self._found) - before
        return trained / (now - then) if trained and now - then >= _STEP_SECONDS else None

    def left(self, now: float) -> float | None:
        """Seconds to the end at this rate; None where there is none."""
        rate = self.rate(now)
        return None if rate is None else max(0, self.total - self.done) / rate

    def elapsed(self, now: float) -> float:
        """Seconds since the start."""
        return now - self._start
