"""Clocks that tests move, so that nothing depends on how fast a machine is."""

from __future__ import annotations

import threading


class Clock:
    """A clock in seconds that stands still but for ``advance`` and for ``tick``, which every reading adds."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now, self._tick = 0.0, tick

    def __call__(self) -> float:
        self.now += self._tick
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class HeardClock(Clock):
    """A clock on which a second passes with every reading by another thread than the main one, as with a message."""

    def __call__(self) -> float:
        if threading.current_thread() is not threading.main_thread():
            self.now += 1.0
        return self.now
