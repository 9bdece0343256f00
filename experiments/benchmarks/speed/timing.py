"""Interleaved timing: every round asks each contender once, in the same order, so that all meet the same machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from speed.contenders_run import Process, Runner


@dataclass
class Row:
    """One contender training one population: microseconds a GAN-step in each round.

    ``setup_seconds`` is what a run takes besides its steps, the least of all rounds; it is taken off each.
    """

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


def _microseconds(seconds: Iterable[float], setup: float, gan_steps: int) -> list[float]:
    """Cost of a GAN-step in each of some runs, without what they took besides their steps.

    Raises:
        SystemExit: a run was over sooner than one without its steps.
    """
    costs = [(took - setup) / gan_steps * 1e6 for took in seconds]
    if min(costs) <= 0:
        raise SystemExit("the machine is too busy to time anything: a run took less time than its beginning alone")
    return costs


Entry = tuple[Runner, int, str]


def time_rounds(
    entries: Iterable[Entry], rounds: int, seconds: float, say: Callable[[str], None], between: Callable[[], None]
) -> list[Row]:
    """Time (runner, population, view), each of as many steps a round as take about ``seconds``.

    ``between`` is called once a round: the machine's ceilings are taken there.
    """
    rows: list[tuple[Process, Row]] = []
    for runner, population, view in entries:
        say(f"preparing {runner.name}{' on one core' * runner.one_core}, population {population}, view {view}")
        ready = runner.process.ask("prepare", population=population, view=view, seconds=seconds)
        row = Row(runner.name, runner.one_core, runner.device, population, view, ready["steps"], ready["setup"])
        rows.append((runner.process, row))
    taken: list[list[float]] = [[] for _ in rows]
    for i in range(rounds):
        say(f"round {i + 1} of {rounds}")
        between()
        for took, (process, row) in zip(taken, rows, strict=True):
            answer = process.ask("time", steps=row.steps, **row.question())
            took.append(answer["seconds"])
            row.setup_seconds = answer["setup"]
    for took, (process, row) in zip(taken, rows, strict=True):
        row.microseconds = _microseconds(took, row.setup_seconds, row.population * row.steps)
        process.ask("drop", **row.question())
    return [row for _, row in rows]


def time_lengths(entries: Iterable[Entry], longer: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """Microseconds a GAN-step for trainings of some multiples of the steps that take ``seconds``.

    They are all the same if the cost is linear in steps.
    """
    rows = []
    for runner, population, view in entries:
        asked = {"population": population, "view": view}
        shortest = runner.process.ask("prepare", seconds=seconds, **asked)["steps"]
        lengths = [multiple * shortest for multiple in longer]
        taken = [runner.process.ask("time", steps=steps, **asked) for steps in lengths]
        runner.process.ask("drop", **asked)
        costs = [
            _microseconds([answer["seconds"]], taken[-1]["setup"], population * steps)[0]
            for answer, steps in zip(taken, lengths, strict=True)
        ]
        by_length = dict(zip(map(str, lengths), costs, strict=True))
        rows.append({"contender": runner.name, "device": runner.device, **asked, "microseconds": by_length})
    return rows
