"""Samplers that do not adapt: trial n is a fixed function of the seed, whatever the results.

They keep no state, so a search of ten thousand trials is built, and rebuilt, at once.
"""

from __future__ import annotations

import math
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from harness.config import Range
from harness.errors import InputError
from harness.search.base import Result, Setting, derived_seed


class FixedDesign:
    """Trial 0 is the baseline; trial n is ``point(n - 1)``.

    Raises:
        InputError: the grid of sampler "grid" has fewer points than ``trials``.
    """

    staleness = sys.maxsize

    def __init__(
        self, space: Mapping[str, Range], baseline: Mapping[str, float], sampler: str, seed: int, trials: int
    ) -> None:
        self._baseline, self._name = dict(baseline), sampler
        self._point = DESIGNS[sampler](space, baseline, seed, trials)
        self._asked = 0

    def ask(self, count: int) -> list[Setting]:
        """The next ``count`` settings of the design."""
        numbers = range(self._asked, self._asked + count)
        self._asked += count
        return [self._point(n - 1) if n else dict(self._baseline) for n in numbers]

    def replay(self, settings: Sequence[Setting]) -> None:
        """Skip a committed round.

        Raises:
            InputError: the design has other settings there.
        """
        if any(not same_setting(a, b) for a, b in zip(self.ask(len(settings)), settings, strict=True)):
            raise replay_error(self._name)

    def tell(self, results: Sequence[Result]) -> None:
        """Do nothing: results do not change the design."""


Point = Callable[[int], Setting]


def sobol(space: Mapping[str, Range], baseline: Mapping[str, float], seed: int, trials: int) -> Point:
    """Scrambled Sobol' sequence (Owen's scrambling; scipy.stats.qmc), which fills the space evenly."""
    if not space:
        return lambda number: {}
    points_ND = np.empty((0, len(space)))

    def point(number: int) -> Setting:
        nonlocal points_ND
        if number >= len(points_ND):
            points_ND = _sobol_points(len(space), derived_seed(seed), max(number + 1, trials))
        return setting_at(space, points_ND[number])

    return point


def _sobol_points(dimensions: int, seed: int, count: int) -> NDArray[np.float64]:
    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The balance properties of Sobol' points", UserWarning)
        return sequence.random(count)


def uniform(space: Mapping[str, Range], baseline: Mapping[str, float], seed: int, trials: int) -> Point:
    """Independent draws, evenly in each range or in its logarithm; every trial has its own generator."""
    return lambda number: setting_at(space, np.random.default_rng([seed, number]).random(len(space)))


def grid(space: Mapping[str, Range], baseline: Mapping[str, float], seed: int, trials: int) -> Point:
    """All combinations of the choices, each once, in an order fixed by the seed.

    Raises:
        InputError: there are fewer than ``trials``.
    """
    choices = {name: span.choices or () for name, span in sorted(space.items())}
    size = math.prod(map(len, choices.values()))
    if trials > size:
        raise InputError(f"search.trials: {trials} trials of a grid with {size} points; allowed: at most {size}")
    order = _shuffled(seed, size)
    drawn: list[Setting] = []

    def point(number: int) -> Setting:
        while number >= len(drawn):
            try:
                drawn.append(next(candidate for n in order if (candidate := _grid_point(choices, n)) != baseline))
            except StopIteration:
                raise InputError(f"search.trials: a grid with {size} points; allowed: at most {size}") from None
        return dict(drawn[number])

    return point


def _shuffled(seed: int, size: int) -> Iterator[int]:
    """0, ..., size - 1 in random order, lazily (Fisher and Yates, keeping only the entries that moved)."""
    generator, moved = random.Random(seed), dict[int, int]()  # noqa: S311 - not for secrets
    for i in range(min(size, sys.maxsize)):  # a range ends at the largest C integer
        j = generator.randrange(i, size)
        chosen = moved.get(j, j)
        moved[j] = moved.pop(i, i)
        yield chosen


def _grid_point(choices: Mapping[str, Sequence[float]], number: int) -> Setting:
    """The point whose digits, in the mixed base of the lengths of ``choices``, are ``number``."""
    point: Setting = {}
    for name, values in choices.items():
        number, digit = divmod(number, len(values))
        point[name] = values[digit]
    return point


#: Samplers whose trials are known in advance.
DESIGNS: Mapping[str, Callable[[Mapping[str, Range], Mapping[str, float], int, int], Point]] = {
    "sobol": sobol,
    "random": uniform,
    "grid": grid,
}


def setting_at(space: Mapping[str, Range], point_D: NDArray[np.float64]) -> Setting:
    """The setting at a point of the unit cube, dimension by dimension in alphabetical order of the keys."""
    return {name: _value_at(space[name], float(u)) for name, u in zip(sorted(space), point_D, strict=True)}


def _value_at(span: Range, u: float) -> float:
    """The value at u in [0, 1): evenly over choices, whole numbers, the interval, or its logarithm."""
    if span.low is None or span.high is None:
        choices = span.choices or ()
        return choices[int(u * len(choices))]
    # A whole number stands for the unit interval around it, so that both ends are as likely as other numbers.
    half = 0.5 if span.integer else 0.0
    low, high = span.low - half, span.high + half
    value = low * (high / low) ** u if span.log else low + u * (high - low)
    return min(max(round(value) if span.integer else float(value), span.low), span.high)


def same_setting(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """True where two settings are equal up to the rounding of another version of a library."""
    return a.keys() == b.keys() and all(math.isclose(a[k], b[k], rel_tol=1e-9) for k in a)


def replay_error(sampler: str) -> InputError:
    """The error for committed trials that this sampler does not suggest."""
    return InputError(
        f"sampler {sampler!r} does not repeat the committed trials; resume with the versions of optuna and scipy in "
        "sweep.json, or start with --fresh"
    )
