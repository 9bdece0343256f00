"""Training speed and the time that is left, from the steps reported so far."""

from __future__ import annotations

from collections import deque

#: Seconds over which speed is measured: long enough for a population to be committed in, short enough to follow an
#: engine that has become slower.
WINDOW_SECONDS = 60.0

#: Seconds between two marks of the window.
_MARK_SECONDS = 1.0


class StepRate:
    """Steps done of ``total``, steps a second and seconds left. All times are in seconds on one clock.

    The first ``committed`` steps were done before ``start``; they are reported like others and do not count as speed.
    """

    def __init__(self, total: int, start: float, committed: int = 0) -> None:
        self.total, self._committed, self._start = total, committed, start
        self.done = 0
        self._marks = deque([(start, 0)])  # (time, steps trained by then)

    def advance(self, steps: int, now: float) -> None:
        """Count ``steps`` more steps at the time ``now``."""
        self.done += steps
        if now - self._marks[-1][0] >= _MARK_SECONDS:
            self._marks.append((now, self._trained))
        while len(self._marks) > 2 and now - self._marks[1][0] >= WINDOW_SECONDS:
            self._marks.popleft()

    def per_second(self, now: float) -> float | None:
        """Steps a second in the window; None before a second has passed or a step was trained."""
        then, before = self._marks[0]
        trained = self._trained - before
        return trained / (now - then) if trained and now - then >= _MARK_SECONDS else None

    def seconds_left(self, now: float) -> float | None:
        """Seconds to the end at this rate; None where there is none."""
        rate = self.per_second(now)
        return None if rate is None else max(0, self.total - self.done) / rate

    def elapsed(self, now: float) -> float:
        """Seconds since the start."""
        return now - self._start

    @property
    def _trained(self) -> int:
        return max(0, self.done - self._committed)
