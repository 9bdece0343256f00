"""Interleaved timing: every round asks each contender once, in the same order, so that all meet the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from speed.field import Runner
from speed.process import Process


@dataclass
class Row:
    """One contender training one population: what it took in each round."""

    contender: str
    one_core: bool
    device: str
    population: int
    view: str
    steps: int
    setup_seconds: float
    microseconds: list[float] = field(default_factory=list)

    def question(self) -> dict[str, Any]:
        return {"population": self.population, "view": self.view}


Entry = tuple[Runner, int, str]


def timed(
    entries: Iterable[Entry], rounds: int, seconds: float, say: Callable[[str], None], between: Callable[[], None]
) -> list[Row]:
    """Rows for (runner, population, view), each of as many steps a round as take about ``seconds``.

    ``between`` is called once a round: the machine's ceilings are taken there.
    """
    made: list[tuple[Process, Row]] = []
    for runner, population, view in entries:
        say(f"preparing {runner.name}{' on one core' * runner.one_core}, population {population}, view {view}")
        ready = runner.process.ask("prepare", population=population, view=view, seconds=seconds)
        row = Row(
            runner.name, runner.one_core, runner.device, population, view, ready["steps"], round(ready["setup"], 6)
        )
        made.append((runner.process, row))
    for i in range(rounds):
        say(f"round {i + 1} of {rounds}")
        between()
        for process, row in made:
            row.microseconds.append(process.ask("time", steps=row.steps, **row.question()))
    for process, row in made:
        process.ask("drop", **row.question())
    return [row for _, row in made]


def over_steps(entries: Iterable[Entry], longer: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """Microseconds a GAN-step for trainings of some multiples of the steps that take ``seconds``: a flat line if the
    cost is linear in steps.
    """
    found = []
    for runner, population, view in entries:
        asked = {"population": population, "view": view}
        steps = runner.process.ask("prepare", seconds=seconds, **asked)["steps"]
        taken = {str(m * steps): runner.process.ask("time", steps=m * steps, **asked) for m in longer}
        runner.process.ask("drop", **asked)
        found.append({"contender": runner.name, "device": runner.device, **asked, "microseconds": taken})
    return found


def stopwatch() -> Callable[[str], None]:
    """Says on the error output, with the seconds since the start, what a run is at."""
    import sys

    start = time.perf_counter()
    return lambda what: print(f"[{time.perf_counter() - start:5.0f} s] {what}", file=sys.stderr, flush=True)
