"""Targets of the program around the engines, set before it was measured, and the table of what a run measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reporting import Document, Table


@dataclass(frozen=True)
class Target:
    """One line: ``what`` at its full size; ``trials`` of the full and of a quick run, None where no sweep is measured.

    ``must`` and ``aim`` are the most that the number may be, which ``text`` shows; there may be no aim. The line shows
    the ``number`` of that name that its worker returned. Lines of one ``program`` are numbers of one run of that
    worker, which is the line's name where none is given.
    """

    name: str
    what: str
    trials: tuple[int, int] | None
    must: float
    aim: float | None
    text: Callable[[float], str]
    number: str = ""
    program: str = ""

    def verdict(self, value: float) -> str:
        """Verdict on a value by both targets."""
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


TARGETS = (
    Target(
        name="searched",
        what="10,000 trials × 4 seeds in populations of 1,000, Sobol, 100 runs in SQLite: ask, score, commit, mirror",
        trials=(10_000, 60),
        must=60.0,
        aim=25.0,
        text=_seconds,
        number="wall",
    ),
    Target(
        name="adapted",
        what="TPE, 1,000 trials × 4 seeds × 4,000 steps, `cpu`: share of the time that is not training",
        trials=(1000, 12),
        must=0.10,
        aim=0.03,
        text=_percent,
        number="share",
    ),
    Target(
        name="run_by_run",
        what="a run for each of 500 trials × 4 seeds × 1,000 steps, `cpu`: starting and awaiting the mirror",
        trials=(500, 12),
        must=2.0,
        aim=0.5,
        text=_seconds,
        number="mirror",
    ),
    Target(
        name="resumed",
        what="10,000 trials × 4 seeds in populations of 1,000, resumed: from the process's start to the first new step",
        trials=(10_000, 60),
        must=5.0,
        aim=2.0,
        text=_seconds,
    ),
    Target(
        name="held",
        what="100,000 members: peak memory of the training process",
        trials=(25_000, 60),
        must=1.5,
        aim=0.8,
        text=_gigabytes,
        number="gigabytes",
    ),
    Target(
        name="reported",
        what="the report of 100,000 trials × 8 seeds, six arms, 1,669 files: the whole process",
        trials=(100_000, 60),
        must=30.0,
        aim=20.0,
        text=_seconds,
        number="wall",
        program="report",
    ),
    Target(
        name="report_memory",
        what="its peak memory",
        trials=(100_000, 60),
        must=2.0,
        aim=1.5,
        text=_gigabytes,
        number="gigabytes",
        program="report",
    ),
    Target(
        name="report_page",
        what="its page",
        trials=(100_000, 60),
        must=15.0,
        aim=None,
        text=_megabytes,
        number="megabytes",
        program="report",
    ),
    Target(name="help", what="`harness --help`", trials=None, must=0.5, aim=None, text=_seconds),
    Target(name="losses", what="`harness losses`", trials=None, must=2.0, aim=None, text=_seconds),
)


def table(document: Document) -> Table:
    """Every target, what this run measured, and the verdict, which a small run does not get."""
    rows = []
    for target in TARGETS:
        line = document["lines"].get(target.name)
        cells = ("not measured", "") if line is None else (_spread(target, line["values"]), _verdict(target, line))
        aim = "" if target.aim is None else target.text(target.aim)
        rows.append((target.what, target.text(target.must), aim, *cells))
    return Table("All that is not training", ("", "must", "aim", "measured", "verdict"), rows)


def _spread(target: Target, values: Sequence[float]) -> str:
    """The median, and the quartiles where there are enough values to have any."""
    median = target.text(statistics.median(values))
    if len(values) < 4:
        return median
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return f"{median} [{target.text(first)}, {target.text(third)}]"


def _verdict(target: Target, line: Document) -> str:
    if target.trials and line["trials"] != target.trials[0]:
        return f"{line['trials']} trials only"
    return target.verdict(statistics.median(line["values"]))
