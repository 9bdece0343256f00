"""The search of a sweep: the settings of each round, from the rows that were committed when it was asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from harness.config import Arm, Experiment
from harness.metrics.trials import Rank
from harness.search import Result, Sampler, Setting, search
from harness.sweep.committed import CommittedRounds, Row, rows_by_trial
from harness.sweep.plan import Round
from harness.sweep.training import setting_of
from harness.sweep.trial_results import results


class ScoredTrial(NamedTuple):
    """A trial of an arm as it counts now: its setting, whether it was stopped early, its score."""

    setting: Setting
    pruned: bool
    score: float


class SearchState:
    """The searches of all arms, round by round; used by one thread.

    Round n is asked for when the rounds up to ``last_known_round(n)`` are told, never more, so that its settings are
    the same however fast the rounds before it were committed. ``cancelled`` is asked between two suggestions.
    """

    def __init__(
        self,
        experiment: Experiment,
        rounds: Sequence[Round],
        committed: CommittedRounds,
        cancelled: Callable[[], bool],
    ) -> None:
        self._experiment, self._rounds, self._committed = experiment, rounds, committed
        self._samplers = samplers(experiment, cancelled)
        #: The number of rounds that may be in training or on their way to be committed when the next one is asked for.
        self.staleness = max((sampler.staleness for sampler in self._samplers.values()), default=0)
        #: Of each arm, the trials of the rounds that were observed, in order.
        self._trials: dict[Arm, list[ScoredTrial]] = {arm: [] for arm in experiment.arms}
        #: Of each round that was observed and not told, what its samplers will be told.
        self._results: dict[int, dict[Arm, list[Result]]] = {}
        self._observed = self._told = 0

    def last_known_round(self, n: int) -> int:
        """Index of the newest round whose results round n may use; -1 if none.

        Every round but the first knows the baseline, where results are of any use.
        """
        return max(n - 1 - self.staleness, 0) if n and self._adapts else -1

    @property
    def _adapts(self) -> bool:
        return self.staleness < sys.maxsize

    def settings(self, n: int) -> dict[Arm, list[Setting]]:
        """The settings of round n, by arm: those that were committed, else new ones.

        Raises:
            InputError: a sampler does not repeat the committed settings.
            StoreError: a committed file is damaged, or holds other members.
        """
        round_ = self._rounds[n]
        if self._committed.is_complete(round_):
            rows = self._committed.load(round_)
            self._tell(n)
            return self._replay(rows)
        self._tell(n)
        return {arm: sampler.ask(round_.trials) for arm, sampler in self._samplers.items()}

    def winners(self) -> dict[Arm, tuple[int, Setting]]:
        """Each arm's best trial; where nothing was searched, the arm's own setting as trial 0."""
        self._observe(len(self._rounds) - 1)
        return {
            arm: best(trials) if trials else (0, self._experiment.baseline(arm)) for arm, trials in self._trials.items()
        }

    def _replay(self, rows: Sequence[Row]) -> dict[Arm, list[Setting]]:
        settings: dict[Arm, list[Setting]] = {}
        for arm, sampler in self._samplers.items():
            trials, space = rows_by_trial(rows, arm), self._experiment.arm_space(arm)
            settings[arm] = [setting_of(trials[number][0], space) for number in sorted(trials)]
            sampler.replay(settings[arm])
        return settings

    def _tell(self, n: int) -> None:
        """Tell the samplers what they may know when they are asked for round n."""
        self._observe(max(self.last_known_round(n), n - 2))
        while self._told <= self.last_known_round(n):
            observed = self._results.pop(self._told)
            for arm, sampler in self._samplers.items():
                sampler.tell(observed[arm])
            self._told += 1

    def _observe(self, last: int) -> None:
        """Take every round up to ``last`` into the trials of its arms; waits until they are committed."""
        while self._observed <= last:
            rows = self._committed.take(self._rounds[self._observed])
            observed: dict[Arm, list[Result]] = {}
            for arm, scored in self._trials.items():
                trials = rows_by_trial(rows.current, arm)
                current = results(self._experiment, arm, trials)
                scored += [self._scored(arm, trials[number], current[number]) for number in sorted(trials)]
                if rows.observed is not rows.current:
                    current = results(self._experiment, arm, rows_by_trial(rows.observed, arm))
                observed[arm] = [current[number] for number in sorted(current)]
            if self._adapts:  # else the samplers are never told
                self._results[self._observed] = observed
            self._observed += 1

    def _scored(self, arm: Arm, rows: Sequence[Row], result: Result) -> ScoredTrial:
        setting = setting_of(rows[0], self._experiment.arm_space(arm))
        return ScoredTrial(setting, result.pruned, result.values[0])  # the first objective is always KS


def samplers(experiment: Experiment, cancelled: Callable[[], bool] = lambda: False) -> dict[Arm, Sampler]:
    """A new sampler for every arm; none where nothing is searched.

    Raises:
        InputError: the search cannot be made as the experiment says.
    """
    spec = experiment.search
    return {
        arm: search(
            experiment.arm_space(arm),
            experiment.baseline(arm),
            spec.sampler,
            seed=experiment.seed,
            trials=spec.trials,
            batch=experiment.batch,
            objectives=len(spec.objectives),
            cancelled=cancelled,
        )
        for arm in (experiment.arms if spec.trials else ())
    }


def best(trials: Sequence[ScoredTrial]) -> tuple[int, Setting]:
    """Number and setting of the best trial of an arm."""
    number = min(Rank(trial.pruned, trial.score, n) for n, trial in enumerate(trials)).trial
    return number, trials[number].setting
