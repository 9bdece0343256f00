"""``auto``: Sobol' points over the whole space first, then a sampler that adapts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.config import Range
from harness.search.base import Result, Sampler, Setting
from harness.search.fixed import FixedDesign

if TYPE_CHECKING:
    from harness.search.adaptive import AdaptiveSampler

#: Largest budget that TPE adapts to; it takes 22 ms a suggestion at 1,000 finished trials and 170 at 10,000, where
#: CMA-ES takes 2 and 9.
TPE_TRIALS = 1000

Observations = Sequence[tuple[Setting, Result]]


def adaptive_sampler(space: Mapping[str, Range], trials: int, objectives: int) -> str:
    """The name of the sampler that takes over.

    TPE for small budgets; for large ones NSGA-II where there are several objectives, CMA-ES where there are two
    intervals or more and no choices, else TPE.
    """
    if trials <= TPE_TRIALS:
        return "tpe"
    if objectives > 1:
        return "nsga2"
    return "cmaes" if len(space) > 1 and all(span.choices is None for span in space.values()) else "tpe"


class AutoSampler:
    """Points of ``first`` for a quarter of the trials, then the sampler that ``make_second`` builds of them."""

    def __init__(
        self, first: FixedDesign, make_second: Callable[[Observations], AdaptiveSampler], staleness: int, trials: int
    ) -> None:
        self.staleness = staleness
        self._first, self._make_second, self._quarter = first, make_second, trials // 4
        self._second: AdaptiveSampler | None = None
        self._count = 0
        self._known: list[tuple[Setting, Result]] = []
        self._asked: deque[tuple[Sampler, list[Setting]]] = deque()

    def ask(self, count: int) -> list[Setting]:
        """The ``count`` settings of the next round."""
        sampler = self._next_sampler(count)
        settings = sampler.ask(count)
        self._asked.append((sampler, settings))
        return settings

    def replay(self, settings: Sequence[Setting]) -> None:
        """Count a committed round as asked for.

        Raises:
            InputError: the sampler of that round would have suggested something else.
        """
        sampler = self._next_sampler(len(settings))
        sampler.replay(settings)
        self._asked.append((sampler, list(settings)))

    def tell(self, results: Sequence[Result]) -> None:
        """Take the results of the earliest round that was asked for and not told."""
        sampler, settings = self._asked.popleft()
        sampler.tell(results)
        if sampler is not self._first:
            return
        for setting, result in zip(settings, results, strict=True):
            if self._second:  # it was asked for a round while these were in training
                self._second.add_trial(setting, result)
            else:
                self._known.append((setting, result))

    def _next_sampler(self, count: int) -> Sampler:
        start, self._count = self._count, self._count + count
        if start <= self._quarter:  # the baseline does not count toward the quarter
            return self._first
        if self._second is None:
            self._second = self._make_second(self._known)
        return self._second
