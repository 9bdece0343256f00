"""Suggestions for the trials of an arm.

Optuna lives in memory and only suggests. It is told scores that are committed already, and after an interruption it
is rebuilt from them, so that a resumed search asks what an uninterrupted one would have asked.
"""

from __future__ import annotations

import hashlib
import math
import random
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from harness.errors import InputError
from harness.spec import Range

Setting = dict[str, float]

#: Samplers whose suggestions depend on the finished trials and a seed alone: made anew for every round.
_MEMORYLESS: Mapping[str, Callable[[int, int], BaseSampler]] = {
    "random": lambda seed, trials: RandomSampler(seed=seed),
    # A quarter of the budget at random, Optuna's ten at most: small budgets must adapt too.
    "tpe": lambda seed, trials: TPESampler(seed=seed, n_startup_trials=max(1, min(10, trials // 4))),
    "gp": lambda seed, trials: GPSampler(seed=seed, n_startup_trials=max(1, min(10, trials // 4))),
}

#: Samplers that carry state from ask to ask: made once, and their asks repeated after an interruption.
_SEQUENTIAL: Mapping[str, Callable[[int, int, Setting], BaseSampler]] = {
    "qmc": lambda seed, batch, start: QMCSampler(seed=seed, scramble=True),
    # A generation must be one batch, or generations are lost; the smallest that CMA-ES can use is 4.
    "cmaes": lambda seed, batch, start: CmaEsSampler(seed=seed, x0=start, popsize=batch * math.ceil(4 / batch)),
}

#: Samplers that a trial told as PRUNED serves as it should: TPE ranks it behind every complete one, by how far it came
#: and its value there, and the others learn from nothing or count it. CMA-ES and GP would leave it out, so that a
#: generation never fills up, or a point that was bad is asked again: they are told it as complete, with the score that
#: it stopped with (optuna 5: CmaEsSampler._get_trials, GPSampler.sample_relative).
_LEARN_FROM_PRUNED = frozenset({"tpe", "random", "qmc", "grid"})


class Raced(Protocol):
    """How a trial fared in successive halving: its score at each rung, by step, and whether it stopped at the last."""

    @property
    def at_rungs(self) -> Mapping[int, float]: ...

    @property
    def pruned(self) -> bool: ...


class Search:
    """The trials of one arm: asked for in rounds, told their scores after each round.

    Round 0 is the baseline alone (every sampler then knows one finished trial of the whole space); later rounds are of
    ``batch`` trials until ``trials`` are reached. ``seed`` makes the suggestions reproducible; arms that share it share
    the points of samplers that do not adapt.

    Raises:
        InputError: the grid of sampler "grid" has fewer points than trials.
    """

    def __init__(
        self,
        space: Mapping[str, Range],
        baseline: Mapping[str, float],
        sampler: str,
        seed: int,
        trials: int,
        batch: int,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # its log tells of studies made and packages missing
        self._distributions = {name: _distribution(space[name]) for name in sorted(space)}
        self._name, self._seed, self._trials = sampler, seed, trials
        self._sequential = sampler in _SEQUENTIAL
        self._study = optuna.create_study(sampler=self._first_sampler(batch, baseline))
        self._queue = [dict(baseline), *(self._grid(space, baseline) if sampler == "grid" else ())]
        self._asked: list[optuna.Trial] = []
        self._round = 0

    def ask(self, count: int) -> list[Setting]:
        """The ``count`` settings of the current round; once a round."""
        factory = _MEMORYLESS.get(self._name)
        if factory:
            self._study.sampler = factory(derived_seed(self._seed, self._round), self._trials)
        # Queued a round at a time, because every ask looks through all that waits.
        for setting in self._queue[:count]:
            self._study.enqueue_trial(setting)
        del self._queue[:count]
        self._asked = [self._study.ask(self._distributions) for _ in range(count)]
        return [dict(trial.params) for trial in self._asked]

    def tell(self, scores: Sequence[float], raced: Sequence[Raced] = ()) -> None:
        """The scores (lower is better, finite) of the settings just asked for; ends the round.

        ``raced`` says of each how it fared at the rungs of halving, where there was any.
        """
        races: Sequence[Raced | None] = raced or [None] * len(scores)
        for trial, score, race in zip(self._asked, scores, races, strict=True):
            for step, value in (race.at_rungs if race else {}).items():
                trial.report(value, step)
            if self._state(race) == TrialState.PRUNED:
                self._study.tell(trial, state=TrialState.PRUNED)  # its score is the last value reported
            else:
                self._study.tell(trial, score)
        self._round += 1

    def _state(self, race: Raced | None) -> TrialState:
        return TrialState.PRUNED if race and race.pruned and self._name in _LEARN_FROM_PRUNED else TrialState.COMPLETE

    def replay(self, settings: Sequence[Setting], scores: Sequence[float], raced: Sequence[Raced] = ()) -> None:
        """Take a committed round for asked and told.

        Raises:
            InputError: a sampler that carries state suggests something else than what was committed, because the
                committed trials come from another version of it.
        """
        if self._sequential or self._name == "grid":
            again = self.ask(len(settings))
            if any(not _same(a, b) for a, b in zip(again, settings, strict=True)):
                raise InputError(
                    f"sampler {self._name!r} (optuna {optuna.__version__}) does not repeat the committed trials; "
                    "resume with the optuna version in sweep.json, or start with --fresh"
                )
            self.tell(scores, raced)
            return
        del self._queue[: len(settings)]
        races: Sequence[Raced | None] = raced or [None] * len(scores)
        for setting, score, race in zip(settings, scores, races, strict=True):
            self._study.add_trial(
                optuna.create_trial(
                    state=self._state(race),
                    params=setting,
                    distributions=self._distributions,
                    value=score,
                    intermediate_values=dict(race.at_rungs) if race else {},
                )
            )
        self._round += 1

    def _first_sampler(self, batch: int, baseline: Mapping[str, float]) -> BaseSampler:
        """The sampler that lasts, or a placeholder where every round makes its own or the queue says all."""
        if not self._sequential:
            return RandomSampler(seed=0)
        with warnings.catch_warnings():
            # Both hold until Optuna 6, which pyproject.toml excludes; a replay notices what another version changes.
            warnings.filterwarnings("ignore", "QMCSampler is experimental", ExperimentalWarning)
            warnings.filterwarnings("ignore", "`x0` has been deprecated", FutureWarning)
            return _SEQUENTIAL[self._name](derived_seed(self._seed), batch, dict(baseline))

    def _grid(self, space: Mapping[str, Range], baseline: Mapping[str, float]) -> list[Setting]:
        """As many points beside the baseline as there are trials for, each once, in an order that the seed fixes."""
        # Optuna's GridSampler repeats the enqueued baseline and cannot end outside of optimize(): a queue can do both.
        choices = {name: space[name].choices or () for name in sorted(space)}
        size = math.prod(map(len, choices.values()))
        if self._trials > size:
            raise InputError(
                f"search.trials: {self._trials} trials of a grid with {size} points; allowed: at most {size}"
            )
        # By number, because a grid may have more points than memory; a range ends at the largest C integer.
        drawn = random.Random(self._seed).sample(range(min(size, sys.maxsize)), self._trials)  # noqa: S311 - an order
        points = [_grid_point(choices, number) for number in drawn]
        return [point for point in points if point != baseline][: self._trials - 1]


def _grid_point(choices: Mapping[str, Sequence[float]], number: int) -> Setting:
    """The point whose digits, in the mixed base of the lengths of ``choices``, are ``number``."""
    point: Setting = {}
    for name, values in choices.items():
        number, digit = divmod(number, len(values))
        point[name] = values[digit]
    return point


def derived_seed(*parts: object) -> int:
    """A seed in [0, 2**32) that is a fixed function of the parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _distribution(span: Range) -> BaseDistribution:
    if span.low is None or span.high is None:
        return CategoricalDistribution(span.choices or ())
    if span.integer:
        return IntDistribution(int(span.low), int(span.high), log=span.log)
    return FloatDistribution(float(span.low), float(span.high), log=span.log)


def _same(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return a.keys() == b.keys() and all(math.isclose(a[k], b[k], rel_tol=1e-9) for k in a)
