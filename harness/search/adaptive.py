"""Samplers that learn from results: Optuna's, on a study in memory that only suggests.

The study is told what is committed. After an interruption it is rebuilt from the committed rounds, in the order in
which they were asked for and told, so that its next suggestions are those it would have made.
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
from harness.search.fixed import replay_error, same_setting


class SamplerConfig(NamedTuple):
    """Arguments for building a sampler; ``start`` is the setting at which it begins."""

    seed: int
    trials: int
    batch: int
    start: Setting


class SamplerSpec(NamedTuple):
    """Properties of one of Optuna's samplers.

    A ``stateful`` sampler is made once, and its suggestions are replayed after an interruption. The others are made
    anew for every round, with a seed derived from the round's number. ``staleness``: as in ``Sampler``.
    """

    make: Callable[[SamplerConfig], BaseSampler]
    stateful: bool
    staleness: int
    learns_from_pruned: bool
    constrained: bool


def _startup(config: SamplerConfig) -> int:
    # A quarter of the budget at random, Optuna's ten at most: small budgets must adapt too.
    return max(1, min(10, config.trials // 4))


#: Staleness 1: a slow sampler suggests a round while the one before trains. 0: a generation is one batch, and a second
#: one asked for before the first is known would be thrown away.
#:
#: Pruned trials: TPE ranks them behind every complete one, by the step reached and the value there. CMA-ES and GP
#: ignore them (optuna 5: CmaEsSampler._get_trials, GPSampler.sample_relative). CMA-ES could then never fill a
#: generation, and GP could suggest a bad point again. So both are told of a pruned trial as complete, with its score.
SAMPLER_SPECS: Mapping[str, SamplerSpec] = {
    "tpe": SamplerSpec(
        lambda config: TPESampler(seed=config.seed, n_startup_trials=_startup(config)),
        stateful=False,
        staleness=1,
        learns_from_pruned=True,
        constrained=True,
    ),
    "gp": SamplerSpec(
        lambda config: GPSampler(seed=config.seed, n_startup_trials=_startup(config)),
        stateful=False,
        staleness=1,
        learns_from_pruned=False,
        constrained=True,
    ),
    # The smallest generation that CMA-ES can use is 4, and of NSGA-II 2.
    "cmaes": SamplerSpec(
        lambda config: CmaEsSampler(
            seed=config.seed, x0=config.start, popsize=config.batch * math.ceil(4 / config.batch)
        ),
        stateful=True,
        staleness=0,
        learns_from_pruned=False,
        constrained=False,
    ),
    "nsga2": SamplerSpec(
        lambda config: NSGAIISampler(seed=config.seed, population_size=max(2, config.batch)),
        stateful=True,
        staleness=0,
        learns_from_pruned=False,
        constrained=True,
    ),
}


class AdaptiveSampler:
    """An Optuna study of one arm; round 0 is the baseline alone.

    ``known`` are trials that another sampler suggested, with their results: the study begins with them, and without a
    baseline of its own.
    """

    def __init__(
        self,
        space: Mapping[str, Range],
        baseline: Mapping[str, float],
        sampler: str,
        *,
        seed: int,
        trials: int,
        batch: int,
        objectives: int = 1,
        cancelled: Callable[[], bool] = lambda: False,
        known: Sequence[tuple[Setting, Result]] = (),
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it logs every study and missing packages
        self._spec, self._name, self._seed = SAMPLER_SPECS[sampler], sampler, seed
        self._cancelled = cancelled
        self._config = SamplerConfig(derived_seed(seed), trials, batch, dict(baseline))
        self._distributions = distributions(space)
        first = self._make(self._config) if self._spec.stateful else RandomSampler(seed=0)
        self._study = optuna.create_study(sampler=first, directions=["minimize"] * objectives)
        self._asked: deque[list[optuna.Trial]] = deque()
        self._round = 0
        self._fixed_first: list[Setting] = [] if known else [dict(baseline)]
        for setting, result in known:
            self.add_trial(setting, result)

    @property
    def staleness(self) -> int:
        """The number of rounds that may be asked for and not yet told when the next one is asked for."""
        return self._spec.staleness

    def ask(self, count: int) -> list[Setting]:
        """The ``count`` settings of the next round."""
        if not self._spec.stateful:
            self._study.sampler = self._make(self._config._replace(seed=derived_seed(self._seed, self._round)))
        return self._take(count, self._fixed_first)

    def replay(self, settings: Sequence[Setting]) -> None:
        """Count a committed round as asked for.

        Raises:
            InputError: a stateful sampler suggests something else.
        """
        if self._spec.stateful:
            suggested = self.ask(len(settings))
            if any(not same_setting(a, b) for a, b in zip(suggested, settings, strict=True)):
                raise replay_error(self._name)
        else:
            self._study.sampler = RandomSampler(seed=0)  # whose suggestions are not used
            self._fixed_first.clear()
            self._take(len(settings), list(settings))

    def tell(self, results: Sequence[Result]) -> None:
        """Take the results of the earliest round that was asked for and not told."""
        for trial, result in zip(self._asked.popleft(), results, strict=True):
            if self._spec.constrained:  # CMA-ES ignores constraints, and warns of it
                trial.set_constraint("lost", result.constraint)
            for step, value in result.intermediate_values.items():
                trial.report(value, step)
            if self._is_told_as_pruned(result):
                self._study.tell(trial, state=TrialState.PRUNED)  # its score is the last value reported
            else:
                self._study.tell(trial, list(result.values))

    def add_trial(self, setting: Setting, result: Result) -> None:
        """Add a trial that another sampler suggested."""
        pruned = self._is_told_as_pruned(result)
        self._study.add_trial(finished_trial(setting, result, self._distributions, pruned=pruned))

    def _take(self, count: int, fixed: list[Setting]) -> list[Setting]:
        """Ask ``count`` times; settings of ``fixed`` stand in for the first suggestions and are deleted from it."""
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

    def _is_told_as_pruned(self, result: Result) -> bool:
        return result.pruned and self._spec.learns_from_pruned

    def _make(self, config: SamplerConfig) -> BaseSampler:
        with warnings.catch_warnings():
            # Holds until Optuna 6, which pyproject.toml excludes.
            warnings.filterwarnings("ignore", "`x0` has been deprecated", FutureWarning)
            return self._spec.make(config)


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
    """A finished trial as Optuna would have recorded it: state, values, values at the rungs, constraint."""
    values = dict(result.intermediate_values)
    return optuna.create_trial(
        state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        params=setting,
        distributions=dict(space),
        # The value of a pruned trial is the last that was reported, as in Optuna's own ``tell``.
        values=[values[max(values)]] if pruned else list(result.values),
        intermediate_values=values,
        constraints={"lost": result.constraint},
    )
