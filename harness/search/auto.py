"""``auto``: an even look at the whole space first, then a sampler that adapts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.config import Range
from harness.search.base import Result, Sampler, Setting
from harness.search.fixed import FixedDesign

if TYPE_CHECKING:
    from harness.search.adaptive import Adaptive

#: Up to so many trials TPE adapts; it takes 22 ms a suggestion at 1,000 finished trials and 170 at 10,000, where CMA-ES
#: takes 2 and 9.
TPE_TRIALS = 1000

Known = Sequence[tuple[Setting, Result]]


def adapting(space: Mapping[str, Range], trials: int, objectives: int) -> str:
    """The sampler that takes over: TPE for small budgets; for large ones NSGA-II where there are several objectives,
    CMA-ES where there are two intervals or more and no choices, else TPE.
    """
    if trials <= TPE_TRIALS:
        return "tpe"
    if objectives > 1:
        return "nsga2"
    return "cmaes" if len(space) > 1 and all(span.choices is None for span in space.values()) else "tpe"


class Auto:
    """Sobol' points until a quarter of the trials is asked for, then ``adaptive``, which knows what they gave."""

    def __init__(self, first: FixedDesign, adaptive: Callable[[Known], Adaptive], staleness: int, trials: int) -> None:
        self.staleness = staleness
        self._first, self._make, self._quarter = first, adaptive, trials // 4
        self._then: Adaptive | None = None
        self._count = 0
        self._known: list[tuple[Setting, Result]] = []
        self._asked: deque[tuple[Sampler, list[Setting]]] = deque()

    def ask(self, count: int) -> list[Setting]:
        """The ``count`` settings of the next round."""
        turn = self._turn(count)
        settings = turn.ask(count)
        self._asked.append((turn, settings))
        return settings

    def repeat(self, settings: Sequence[Setting]) -> None:
        """Take a committed round for asked.

        Raises:
            InputError: the sampler whose turn it is would have asked for something else.
        """
        turn = self._turn(len(settings))
        turn.repeat(settings)
        self._asked.append((turn, list(settings)))

    def tell(self, results: Sequence[Result]) -> None:
        """The results of the earliest round that was asked and not told."""
        turn, settings = self._asked.popleft()
        turn.tell(results)
        if turn is not self._first:
            return
        for setting, result in zip(settings, results, strict=True):
            if self._then:  # asked for while these were in training
                self._then.learn(setting, result)
            else:
                self._known.append((setting, result))

    def _turn(self, count: int) -> Sampler:
        start, self._count = self._count, self._count + count
        if start <= self._quarter:  # the baseline beside the quarter
            return self._first
        if self._then is None:
            self._then = self._make(self._known)
        return self._then
