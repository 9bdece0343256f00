"""The process of one contender: reads questions, one JSON line each, and answers each with one.

    python -m speed.contender_process NAME [--one-core]

It ends when its input does, so it cannot outlive the benchmark.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import sys
import traceback
from collections.abc import Callable
from typing import Any

from speed.contenders import Absent, Contender, Timed, make

#: Steps from which a round's are found, and the share of its seconds that is enough.
_FIRST, _ENOUGH = 2, 0.6

#: How many times as long as what a run takes besides its steps they must be, so that what is taken off is a small part
#: (a call's beginning costs less beside other members' steps than by itself); and the seconds that are enough for it.
_TIMES, _OUTWEIGHED = 10, 15.0

#: Bytes of one unit of ``ru_maxrss``.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def pin_to_one_core() -> None:
    """Stay on the last core that this process may use, so that every library counts one.

    Raises:
        Absent: the system offers no such thing.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise Absent("this system cannot keep a process on one core")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def ceilings() -> dict[str, dict[str, float]]:
    """Measure what the machine can do at best; imported where it is asked for, because torch must not meet JAX."""
    from speed.ceilings import measure

    return measure()


class Worker:
    """One contender and the populations that it has made ready."""

    def __init__(self, name: str, one_core: bool) -> None:
        if one_core:
            pin_to_one_core()
        self.contender: Contender = make(name)
        self.ready: dict[tuple[int, str], Timed] = {}
        self.answers: dict[str, Callable[..., Any]] = {
            "describe": self.describe,
            "losses": self.contender.losses,
            "prepare": self.prepare,
            "time": self.time,
            "drop": self.drop,
            "peak": self.peak,
            "ceilings": ceilings,
        }

    def describe(self) -> dict[str, Any]:
        return dataclasses.asdict(self.contender.description)

    def prepare(self, population: int, view: str, seconds: float) -> dict[str, Any]:
        """Make a population ready and find steps, a power of 2, that take about ``seconds``, seen twice."""
        timed = self.ready[population, view] = self.contender.prepare(population, view)
        if timed.setup < _OUTWEIGHED:
            timed.run(_FIRST)  # first use pays for loading
        least, steps, seen = max(_ENOUGH * seconds, min(_TIMES * timed.setup, _OUTWEIGHED)), _FIRST, 0
        while seen < 2:
            took = timed.run(steps) - timed.setup
            seen = seen + 1 if took >= least else 0
            if not seen:
                steps *= next((m for m in (16, 8, 4) if m * took < least), 2)
        return {"steps": steps, "setup": timed.setup}

    def time(self, population: int, view: str, steps: int) -> dict[str, float]:
        """Seconds of a run of so many steps, and the least so far that runs take besides their steps."""
        timed = self.ready[population, view]
        return {"seconds": timed.run(steps), "setup": timed.setup}

    def drop(self, population: int, view: str) -> None:
        """Forget a population."""
        del self.ready[population, view]

    def peak(self, population: int, view: str) -> int:
        """The most bytes that this process ever had in memory, after some steps of a population."""
        self.contender.prepare(population, view).run(_FIRST)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def _answer(worker: Worker, question: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"answer": worker.answers[question.pop("do")](**question)}
    except Exception:  # goes to the process that asked
        return {"error": traceback.format_exc()}


def main() -> None:
    """Make the contender and answer questions until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--one-core", action="store_true")
    arguments = parser.parse_args()
    # What libraries print goes to the errors: the answers have the output for themselves.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        worker = Worker(arguments.name, arguments.one_core)
    except Absent as reason:
        print(json.dumps({"absent": str(reason)}), file=answers)
        return
    print(json.dumps({"answer": worker.describe()}), file=answers)
    for line in sys.stdin:
        print(json.dumps(_answer(worker, json.loads(line))), file=answers)


if __name__ == "__main__":
    main()
