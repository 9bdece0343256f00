"""Every engine of ``harness.engines``, by its name."""

from __future__ import annotations

import time

import torch

from harness.engines import ENGINES
from harness.engines.base import Engine
from harness.engines.reference import ReferenceEngine
from speed.contenders import SAMPLE_VIEW, SET_VIEW, Absent, Description
from speed.workload import LOSSES, script_group, unmeasured

#: Seconds beyond which what a call takes besides its steps is measured once: noise matters less, and time more.
_LONG = 0.5


class EngineContender:
    """An engine trains a group from its first step in one call, so a round is a whole short training."""

    def __init__(self, name: str) -> None:
        if name not in ENGINES:
            raise Absent("no engine has that name")
        try:
            self.engine: Engine = ENGINES[name]()
        except Exception as error:  # whatever a missing library or device raises, the others are still timed
            raise Absent(f"{type(error).__name__}: {error}") from error
        alone = isinstance(self.engine, ReferenceEngine)
        if alone:
            torch.set_num_threads(1)  # as for the literal loop: a second thread only waits for the first
        refusals = {
            view: self.engine.unsupported_reason(script_group(1, 1, view).members[0])
            for view in (SET_VIEW, SAMPLE_VIEW)
        }
        if reason := refusals[SET_VIEW]:
            raise Absent(reason)
        self.description = Description(
            device=self.engine.device,
            identity=self.engine.identity,
            note=f"engine {self.engine.identity}",
            randomness="harness.data.rng (Philox4x32-10)",
            views=tuple(view for view, reason in refusals.items() if not reason),
            multiple=0 if alone else 1,
        )

    def losses(self, view: str, members: int, steps: int, inputs: str) -> list[list[float]]:
        snapshots = self.engine.train(script_group(members, steps, view), unmeasured, lambda done: None).snapshots
        return [[float(snapshots[name][row, -1]) for name in LOSSES] for row in range(members)]

    def prepare(self, population: int, view: str) -> _Running:
        return _Running(self.engine, population, view)


class _Running:
    """A call makes initial weights before its steps and gathers results after them. What that takes is measured beside
    every run as a call of a single step (once, where that takes long); the least of them is taken off, so that no run
    is made faster than it was.
    """

    def __init__(self, engine: Engine, population: int, view: str) -> None:
        self.engine, self.population, self.view = engine, population, view
        self._call(1)  # compiles, and fills the tables that outlive a call
        self.setup = self._call(1)

    def _call(self, steps: int) -> float:
        group = script_group(self.population, steps, self.view)
        start = time.perf_counter()
        self.engine.train(group, unmeasured, lambda done: None)
        return time.perf_counter() - start

    def run(self, steps: int) -> float:
        if self.setup < _LONG:
            self.setup = min(self.setup, self._call(1))
        return self._call(steps + 1)
