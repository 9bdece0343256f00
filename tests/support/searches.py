"""Searches that tests play: a space of every kind, a score that every searched number changes, rounds and results."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import pytest

from harness.config import SAMPLERS, Range
from harness.search import Result, Sampler
from harness.search import search as make_search
from harness.sweep.plan import rounds

Setting = Mapping[str, float]

INTERVALS = {
    "lr_d": Range(low=1e-5, high=1e-1, log=True),
    "beta1": Range(low=0.0, high=0.95),
    "hidden": Range(low=8, high=128),
    "batch": Range(low=1, high=256, log=True),
}
CHOICES = {
    "d_steps": Range(choices=(1, 2, 5)),
    "t": Range(choices=(0.0, 0.25, 0.5, 1.0)),
    "ema": Range(choices=(0.0, 0.9, 0.99)),
}
BASELINE = {"lr_d": 2e-4, "beta1": 0.9, "hidden": 50, "batch": 100, "d_steps": 1, "t": 0.5, "ema": 0.0}

#: What each sampler can search: a grid has choices alone, CMA-ES intervals alone.
SPACES = dict.fromkeys(SAMPLERS, INTERVALS | CHOICES) | {"grid": CHOICES, "cmaes": INTERVALS}
#: Those whose asks are repeated after an interruption, and compared with what was committed.
REPEATED = ("sobol", "random", "grid", "cmaes", "nsga2")
ADAPTIVE = ("auto", "tpe", "cmaes", "nsga2", "gp")

every_sampler = pytest.mark.parametrize("sampler", SAMPLERS)


def search(
    sampler: str, seed: int = 0, trials: int = 9, batch: int = 3, space: Mapping[str, Range] | None = None
) -> Sampler:
    """A search from the baseline; 9 trials in rounds of 1, 3, 3 and 2 unless said otherwise."""
    space = SPACES[sampler] if space is None else space
    return make_search(space, {name: BASELINE[name] for name in space}, sampler, seed=seed, trials=trials, batch=batch)


def told(settings: Sequence[Setting], score: Callable[[Setting], float] | None = None) -> list[Result]:
    """The results of a round: each setting's score, that of the bowl unless another is given."""
    return [Result(((score or bowl)(setting),)) for setting in settings]


def bowl(setting: Setting) -> float:
    """A score that every searched number changes: squared distances from a point of the space, on a scale like log."""
    centre = {"lr_d": 0.01, "beta1": 0.3, "hidden": 90, "batch": 30, "d_steps": 2, "t": 0.25, "ema": 0.9}
    return sum((math.asinh(1e3 * value) - math.asinh(1e3 * centre[name])) ** 2 for name, value in setting.items())


def play(
    found: Sampler, trials: int = 9, batch: int = 3, score: Callable[[Setting], float] = bowl
) -> list[list[dict[str, float]]]:
    """All rounds of a search that is told the scores of each."""
    asked = []
    for count in rounds(trials, batch):
        asked.append(found.ask(count))
        found.tell(told(asked[-1], score))
    return asked


@cache
def uninterrupted(sampler: str) -> list[list[dict[str, float]]]:
    """The rounds of 9 trials on seed 0, made once for the tests that compare with them."""
    return play(search(sampler))
