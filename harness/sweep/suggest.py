"""The search of a sweep: which settings a round tries, from what was committed when it was asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.config import Arm, Experiment
from harness.metrics.trials import Rank
from harness.search import Result, Sampler, Setting, search
from harness.sweep.committed import by_trial
from harness.sweep.plan import Round
from harness.sweep.training import setting_of
from harness.sweep.trial_results import results

Row = Mapping[str, Any]


class Rows(NamedTuple):
    """The committed rows of a round as the search is told them, and as they count now.

    They are the same until a member of the round is trained again (``--retry``). The search is told the first, in
    every process and for ever: what it asked since follows from them.
    """

    told: list[Row]
    now: list[Row]


class ScoredTrial(NamedTuple):
    """A trial of an arm as it counts now: its setting, whether it was stopped early, its score."""

    setting: Setting
    pruned: bool
    score: float


class SearchState:
    """The searches of all arms, round by round.

    Round n is asked for when the rounds up to ``knows(n)`` are told, never more, so that what it asks is the same
    however fast the rounds before it were committed. ``rows_of`` gives the rows of a round once, and waits for them;
    ``cancelled`` is looked at between two suggestions.
    """

    def __init__(
        self,
        experiment: Experiment,
        rounds: Sequence[Round],
        rows_of: Callable[[Round], Rows],
        cancelled: Callable[[], bool],
    ) -> None:
        self._experiment, self._rounds, self._rows_of = experiment, rounds, rows_of
        self._searches = searches(experiment, cancelled)
        #: How many rounds may be in training or on their way to be committed when a further one is asked for.
        self.staleness = max((sampler.staleness for sampler in self._searches.values()), default=0)
        #: Of each arm, the trials of the rounds that were looked at, in order.
        self._tried: dict[Arm, list[ScoredTrial]] = {arm: [] for arm in experiment.arms}
        #: Of each round that was looked at and not told, what its searches will be told.
        self._results: dict[int, dict[Arm, list[Result]]] = {}
        self._seen = self._told = 0

    def knows(self, n: int) -> int:
        """The last round whose results are known when round n is asked for; -1 where none need be.

        Every round but the first knows the baseline, where results are of any use.
        """
        return max(n - 1 - self.staleness, 0) if n and self._adapts else -1

    @property
    def _adapts(self) -> bool:
        return self.staleness < sys.maxsize

    def ask(self, n: int) -> dict[Arm, list[Setting]]:
        """The settings of round n, by arm."""
        self._tell(n)
        return {arm: asked.ask(self._rounds[n].trials) for arm, asked in self._searches.items()}

    def repeat(self, n: int, rows: Sequence[Row]) -> dict[Arm, list[Setting]]:
        """Take round n for asked, of which these rows were committed; its settings, by arm.

        Raises:
            InputError: a sampler does not repeat what was committed.
        """
        self._tell(n)
        found: dict[Arm, list[Setting]] = {}
        for arm, asked in self._searches.items():
            trials, space = by_trial(rows, arm), self._experiment.arm_space(arm)
            found[arm] = [setting_of(some[0], space) for _, some in sorted(trials.items())]
            asked.repeat(found[arm])
        return found

    def winners(self) -> dict[Arm, tuple[int, Setting]]:
        """Each arm's best trial; where nothing was searched, the arm's own setting as trial 0."""
        self._look(len(self._rounds) - 1)
        found: dict[Arm, tuple[int, Setting]] = {}
        for arm, tried in self._tried.items():
            number, winner = best(tried) if tried else (0, None)
            found[arm] = (number, winner.setting if winner else self._experiment.baseline(arm))
        return found

    def _tell(self, n: int) -> None:
        """Tell the searches what they may know when they are asked for round n."""
        self._look(max(self.knows(n), n - 2))
        while self._told <= self.knows(n):
            told = self._results.pop(self._told)
            for arm, asked in self._searches.items():
                asked.tell(told[arm])
            self._told += 1

    def _look(self, last: int) -> None:
        """Take every round up to ``last`` into the trials of its arms; waits until they are committed."""
        while self._seen <= last:
            rows = self._rows_of(self._rounds[self._seen])
            told: dict[Arm, list[Result]] = {}
            for arm, tried in self._tried.items():
                trials = by_trial(rows.now, arm)
                found = results(self._experiment, arm, trials)
                tried += [self._trial(arm, trials[number], found[number]) for number in sorted(trials)]
                if rows.told is not rows.now:
                    found = results(self._experiment, arm, by_trial(rows.told, arm))
                told[arm] = [found[number] for number in sorted(found)]
            if self._adapts:  # else they are never told
                self._results[self._seen] = told
            self._seen += 1

    def _trial(self, arm: Arm, rows: Sequence[Row], result: Result) -> ScoredTrial:
        setting = setting_of(rows[0], self._experiment.arm_space(arm))
        return ScoredTrial(setting, result.pruned, result.values[0])  # the first objective is always KS


def searches(experiment: Experiment, cancelled: Callable[[], bool] = lambda: False) -> dict[Arm, Sampler]:
    """The search of every arm, told nothing yet; none where nothing is searched.

    Raises:
        InputError: the search cannot be made as the experiment says.
    """
    spec = experiment.search
    return {
        arm: search(
            experiment.arm_space(arm),
            experiment.baseline(arm),
            spec.sampler,
            experiment.seed,
            spec.trials,
            experiment.batch,
            len(spec.objectives),
            cancelled,
        )
        for arm in (experiment.arms if spec.trials else ())
    }


def best(tried: Sequence[ScoredTrial]) -> tuple[int, ScoredTrial]:
    """The best trial of an arm, and its number."""
    number = min(Rank(trial.pruned, trial.score, n) for n, trial in enumerate(tried)).trial
    return number, tried[number]
