"""What the program around the engines must reach, beside what it did: the bars were set before it was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bar:
    """One line: ``what`` at its full size; ``trials`` of the full and of a quick run, None where no sweep is measured.

    ``must`` and ``aim`` are the most that the number may be, as ``shown`` takes it; there may be no aim. Lines of one
    ``program`` are numbers of one run of that worker, which is the line's name where none is said.
    """

    name: str
    what: str
    trials: tuple[int, int] | None
    must: float
    aim: float | None
    shown: Callable[[float], str]
    program: str = ""

    def verdict(self, value: float) -> str:
        """Which of the two bars the value holds."""
        if value > self.must:
            return "misses"
        return "holds" if self.aim is None or value > self.aim else "reaches its aim"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _gigabytes(value: float) -> str:
    return f"{value:.2f} GB"


def _megabytes(value: float) -> str:
    return f"{value:.1f} MB"


BARS = (
    Bar(
        name="searched",
        what="10,000 trials × 4 seeds, Sobol, 100 runs in SQLite: ask, score, commit, mirror",
        trials=(10_000, 60),
        must=60.0,
        aim=25.0,
        shown=_seconds,
    ),
    Bar(
        name="adapted",
        what="TPE, 1,000 trials × 4 seeds × 4,000 steps, `cpu`: share of the time that is not training",
        trials=(1000, 12),
        must=0.10,
        aim=0.03,
        shown=_percent,
    ),
    Bar(
        name="run_by_run",
        what="a run for each of 500 trials × 4 seeds × 1,000 steps, `cpu`: starting and awaiting the mirror",
        trials=(500, 12),
        must=2.0,
        aim=0.5,
        shown=_seconds,
    ),
    Bar(
        name="resumed",
        what="10,000 trials × 4 seeds, resumed: from the start of the process to the first new step",
        trials=(10_000, 60),
        must=5.0,
        aim=2.0,
        shown=_seconds,
    ),
    Bar(
        name="held",
        what="100,000 members: peak memory of the training process",
        trials=(25_000, 60),
        must=1.5,
        aim=0.8,
        shown=_gigabytes,
    ),
    Bar(
        name="reported",
        what="the report of 100,000 trials × 8 seeds, six arms, 1,669 files: the whole process",
        trials=(100_000, 60),
        must=30.0,
        aim=20.0,
        shown=_seconds,
        program="report",
    ),
    Bar(
        name="report_memory",
        what="its peak memory",
        trials=(100_000, 60),
        must=2.0,
        aim=1.5,
        shown=_gigabytes,
        program="report",
    ),
    Bar(
        name="report_page",
        what="its page",
        trials=(100_000, 60),
        must=15.0,
        aim=None,
        shown=_megabytes,
        program="report",
    ),
    Bar(name="help", what="`harness --help`", trials=None, must=0.5, aim=None, shown=_seconds),
    Bar(name="losses", what="`harness losses`", trials=None, must=2.0, aim=None, shown=_seconds),
)

Document = dict[str, Any]
