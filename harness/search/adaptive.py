"""Samplers that learn from what came out: Optuna's, on a study in memory that only suggests.

The study is told what is committed already. After an interruption it is made again from the committed rounds, in the
order in which they were asked and told, so that it asks next what it would have asked.
"""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from harness.config import Range
from harness.search.base import Result, Setting, derived_seed
from harness.search.fixed import not_repeated, same


class SamplerConfig(NamedTuple):
    """What a sampler is made from."""

    seed: int
    trials: int
    batch: int
    start: Setting


class SamplerSpec(NamedTuple):
    """How a sampler of Optuna is used.

    A sampler ``lasts`` where it carries state from ask to ask: it is made once, and its asks are repeated after an
    interruption. The others are made anew for every round, with a seed derived from the round's number.
    """

    make: Callable[[SamplerConfig], BaseSampler]
    lasts: bool
    staleness: int
    learns_from_pruned: bool
    constrained: bool


def _startup(wish: SamplerConfig) -> int:
    # A quarter of the budget at random, Optuna's ten at most: small budgets must adapt too.
    return max(1, min(10, wish.trials // 4))


#: Staleness 1: these take long to ask, which they do while the round before trains. 0: a generation is one batch, and
#: a second one asked before the first is known would be thrown away.
#:
#: PRUNED: TPE ranks such a trial behind every complete one, by how far it came and its value there. CMA-ES and GP leave
#: it out, so that a generation never fills up, or a point that was bad is asked again (optuna 5:
#: CmaEsSampler._get_trials, GPSampler.sample_relative): they are told it as complete, with the score it stopped with.
KINDS: Mapping[str, SamplerSpec] = {
    "tpe": SamplerSpec(
        lambda w: TPESampler(seed=w.seed, n_startup_trials=_startup(w)),
        lasts=False,
        staleness=1,
        learns_from_pruned=True,
        constrained=True,
    ),
    "gp": SamplerSpec(
        lambda w: GPSampler(seed=w.seed, n_startup_trials=_startup(w)),
        lasts=False,
        staleness=1,
        learns_from_pruned=False,
        constrained=True,
    ),
    # The smallest generation that CMA-ES can use is 4, and of NSGA-II 2.
    "cmaes": SamplerSpec(
        lambda w: CmaEsSampler(seed=w.seed, x0=w.start, popsize=w.batch * math.ceil(4 / w.batch)),
        lasts=True,
        staleness=0,
        learns_from_pruned=False,
        constrained=False,
    ),
    "nsga2": SamplerSpec(
        lambda w: NSGAIISampler(seed=w.seed, population_size=max(2, w.batch)),
        lasts=True,
        staleness=0,
        learns_from_pruned=False,
        constrained=True,
    ),
}


class Adaptive:
    """An Optuna study of one arm; round 0 is the baseline alone.

    ``known`` are trials that another sampler asked for, with their results: the study begins with them, and without a
    baseline of its own.
    """

    def __init__(
        self,
        space: Mapping[str, Range],
        baseline: Mapping[str, float],
        sampler: str,
        seed: int,
        trials: int,
        batch: int,
        objectives: int = 1,
        cancelled: Callable[[], bool] = lambda: False,
        known: Sequence[tuple[Setting, Result]] = (),
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # its log tells of studies made and packages missing
        self._kind, self._name, self._seed = KINDS[sampler], sampler, seed
        self._cancelled = cancelled
        self._wish = SamplerConfig(derived_seed(seed), trials, batch, dict(baseline))
        self._distributions = distributions(space)
        first = self._make(self._wish) if self._kind.lasts else RandomSampler(seed=0)
        self._study = optuna.create_study(sampler=first, directions=["minimize"] * objectives)
        self._asked: deque[list[optuna.Trial]] = deque()
        self._round = 0
        self._start: list[Setting] = [] if known else [dict(baseline)]
        for setting, result in known:
            self.learn(setting, result)

    @property
    def staleness(self) -> int:
        """How many rounds may be asked for and not yet told when a further one is asked."""
        return self._kind.staleness

    def ask(self, count: int) -> list[Setting]:
        """The ``count`` settings of the next round."""
        if not self._kind.lasts:
            self._study.sampler = self._make(self._wish._replace(seed=derived_seed(self._seed, self._round)))
        return self._take(count, self._start)

    def repeat(self, settings: Sequence[Setting]) -> None:
        """Take a committed round for asked.

        Raises:
            InputError: a sampler that carries state asks for something else.
        """
        if self._kind.lasts:
            again = self.ask(len(settings))
            if any(not same(a, b) for a, b in zip(again, settings, strict=True)):
                raise not_repeated(self._name)
        else:
            self._study.sampler = RandomSampler(seed=0)  # whose suggestions nobody takes
            self._start.clear()
            self._take(len(settings), list(settings))

    def tell(self, results: Sequence[Result]) -> None:
        """The results of the earliest round that was asked and not told."""
        for trial, result in zip(self._asked.popleft(), results, strict=True):
            if self._kind.constrained:  # CMA-ES would say that it does not listen
                trial.set_constraint("lost", result.lost)
            for step, value in result.at.items():
                trial.report(value, step)
            if self._pruned(result):
                self._study.tell(trial, state=TrialState.PRUNED)  # its score is the last value reported
            else:
                self._study.tell(trial, list(result.values))

    def learn(self, setting: Setting, result: Result) -> None:
        """A trial that another sampler asked for."""
        pruned = self._pruned(result)
        self._study.add_trial(finished_trial(setting, result, self._distributions, pruned=pruned))

    def _take(self, count: int, fixed: list[Setting]) -> list[Setting]:
        """Ask ``count`` times; the first of ``fixed`` are taken for the study's own suggestions, and used up."""
        for setting in fixed[:count]:
            self._study.enqueue_trial(setting)
        del fixed[:count]
        trials: list[optuna.Trial] = []
        for _ in range(count):
            if self._cancelled():
                raise CancelledError
            trials.append(self._study.ask(self._distributions))
        self._asked.append(trials)
        self._round += 1
        return [dict(trial.params) for trial in trials]

    def _pruned(self, result: Result) -> bool:
        return result.pruned and self._kind.learns_from_pruned

    def _make(self, wish: SamplerConfig) -> BaseSampler:
        with warnings.catch_warnings():
            # Holds until Optuna 6, which pyproject.toml excludes.
            warnings.filterwarnings("ignore", "`x0` has been deprecated", FutureWarning)
            return self._kind.make(wish)


def distributions(space: Mapping[str, Range]) -> dict[str, BaseDistribution]:
    """The space in Optuna's terms, in alphabetical order of the keys."""
    return {name: _distribution(space[name]) for name in sorted(space)}


def _distribution(span: Range) -> BaseDistribution:
    if span.low is None or span.high is None:
        return CategoricalDistribution(span.choices or ())
    if span.integer:
        return IntDistribution(int(span.low), int(span.high), log=span.log)
    return FloatDistribution(float(span.low), float(span.high), log=span.log)


def finished_trial(
    setting: Setting, result: Result, space: Mapping[str, BaseDistribution], *, pruned: bool
) -> FrozenTrial:
    """A finished trial as Optuna would have recorded it: values or PRUNED, what its race measured, its constraint."""
    return optuna.create_trial(
        state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        params=setting,
        distributions=dict(space),
        # As Optuna's own tell does, where a trial is pruned: its value is the last that was reported.
        values=[result.at[max(result.at)]] if pruned else list(result.values),
        intermediate_values=dict(result.at),
        constraints={"lost": result.lost},
    )
