"""Hyper-parameter search: the only file that imports optuna.

Optuna lives in memory and only suggests. It is told scores that are committed already, and after an interruption it
is rebuilt from them, so that a resumed search asks what an uninterrupted one would have asked.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
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


class Search:
    """The trials of one arm: asked for in rounds, told their scores after each round.

    Round 0 is the baseline alone (every sampler then knows one finished trial of the whole space); later rounds are of
    ``batch`` trials until ``trials`` are reached. ``seed`` makes the suggestions reproducible; arms that share it share
    the points of samplers that do not adapt.

    Raises:
        InputError: sampler "grid" has fewer points than trials.
    """

    def __init__(
        self, space: Mapping[str, Range], baseline: Mapping[str, float], sampler: str, seed: int, trials: int, batch: int
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._distributions = {name: _distribution(space[name]) for name in sorted(space)}
        self._name, self._seed, self._trials = sampler, seed, trials
        self._sequential = _SEQUENTIAL.get(sampler)
        first = self._sequential(seed, batch, dict(baseline)) if self._sequential else RandomSampler(seed=seed)
        self._study = optuna.create_study(sampler=first)
        self._queue = [dict(baseline), *(self._grid(space, baseline) if sampler == "grid" else ())]
        self._asked: list[optuna.Trial] = []
        self._round = 0

    def ask(self, count: int) -> list[Setting]:
        """The next ``count`` settings of the current round."""
        factory = _MEMORYLESS.get(self._name)
        if factory:
            self._study.sampler = factory(derived_seed(self._seed, self._round), self._trials)
        if self._round == 0:
            for setting in self._queue:
                self._study.enqueue_trial(setting)
        self._asked = [self._study.ask(self._distributions) for _ in range(count)]
        return [dict(trial.params) for trial in self._asked]

    def tell(self, scores: Sequence[float]) -> None:
        """The scores (lower is better, finite) of the settings just asked for; ends the round."""
        for trial, score in zip(self._asked, scores, strict=True):
            self._study.tell(trial, score)
        self._round += 1

    def replay(self, settings: Sequence[Setting], scores: Sequence[float]) -> None:
        """Take a committed round for asked and told.

        Raises:
            InputError: a sampler that carries state suggests something else than what was committed, because the
                committed trials come from another version of it.
        """
        if self._sequential or self._name == "grid":
            again = self.ask(len(settings))
            if any(not _same(a, b) for a, b in zip(again, settings, strict=True)):
                raise InputError(
                    f"sampler {self._name!r} (optuna {optuna.__version__}) does not repeat the committed trials; resume "
                    "with the optuna version in sweep.json, or start with --fresh"
                )
            self.tell(scores)
            return
        for setting, score in zip(settings, scores, strict=True):
            self._study.add_trial(
                optuna.create_trial(
                    state=TrialState.COMPLETE, params=setting, distributions=self._distributions, value=score
                )
            )
        self._round += 1

    def _grid(self, space: Mapping[str, Range], baseline: Mapping[str, float]) -> list[Setting]:
        """Every point but the baseline, in an order that the seed fixes."""
        # Optuna's GridSampler repeats the enqueued baseline and cannot end outside of optimize(): a queue can do both.
        names = sorted(space)
        points = [dict(zip(names, p, strict=True)) for p in itertools.product(*(space[n].choices or () for n in names))]
        points = [p for p in points if not _same(p, baseline)]
        if self._trials - 1 > len(points):
            raise InputError(
                f"search.trials: {self._trials} trials of a grid with {len(points) + 1} points; "
                f"allowed: at most {len(points) + 1}"
            )
        random.Random(self._seed).shuffle(points)  # noqa: S311 - an order, not a secret
        return points


def derived_seed(*parts: object) -> int:
    """A seed in [0, 2**32) that is a fixed function of the parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def rounds(trials: int, batch: int) -> list[int]:
    """How many trials of each arm every round has: the baseline alone, then batches; none where nothing is tried."""
    if trials == 0:
        return []
    full, rest = divmod(trials - 1, batch)
    return [1, *[batch] * full, *([rest] if rest else [])]


def _distribution(span: Range) -> BaseDistribution:
    if span.choices is not None:
        return CategoricalDistribution(span.choices)
    assert span.low is not None and span.high is not None
    if span.integer:
        return IntDistribution(int(span.low), int(span.high), log=span.log)
    return FloatDistribution(float(span.low), float(span.high), log=span.log)


def _same(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return a.keys() == b.keys() and all(math.isclose(a[k], b[k], rel_tol=1e-9) for k in a)
