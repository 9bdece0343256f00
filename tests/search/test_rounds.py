"""Rounds of a search: asked ahead, told who was pruned, who lost seeds and how several objectives came out."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from statistics import fmean

import pytest
from support.searches import (
    BASELINE,
    CHOICES,
    INTERVALS,
    Setting,
    bowl,
    every_sampler,
    play,
    search,
    told,
    uninterrupted,
)

from harness.config import SAMPLERS, Range
from harness.search import Result, Sampler
from harness.search import search as make_search
from harness.search.auto import adaptive_sampler
from harness.sweep.plan import rounds

# --- halving --------------------------------------------------------------------------------------------------------


def raced(settings: Sequence[Setting]) -> list[Result]:
    """One rung, at step 5; every trial of a round but the worst stops there, so that to hear of it shows."""
    worst = max(range(len(settings)), key=lambda i: bowl(settings[i]))
    scores = [bowl(setting) for setting in settings]
    return [Result((score,), intermediate_values={5: score}, pruned=i != worst) for i, score in enumerate(scores)]


@cache
def halved(sampler: str) -> list[list[dict[str, float]]]:
    """The rounds of 9 trials on seed 0, told who was pruned."""
    found, asked = search(sampler), []
    for count in rounds(9, 3):
        asked.append(found.ask(count))
        found.tell(raced(asked[-1]))
    return asked


@pytest.mark.slow
@every_sampler
def test_pruned_trials_are_told_to_those_who_can_use_them(sampler: str) -> None:
    """TPE ranks a pruned trial behind the complete ones and asks otherwise; CMA-ES and GP, which would leave it out,
    are told a score as of any other, and ask what they would have; the rest listens to none.
    """
    assert (halved(sampler) != uninterrupted(sampler)) == (sampler in ("tpe", "auto"))


@pytest.mark.slow
@every_sampler
def test_a_rebuilt_search_remembers_who_was_pruned(sampler: str) -> None:
    """After replaying k committed rounds with their fates it asks what the uninterrupted one asked."""
    asked = halved(sampler)
    for done in range(len(asked)):
        rebuilt = search(sampler)
        for settings in asked[:done]:
            rebuilt.replay(settings)
            rebuilt.tell(raced(settings))
        assert rebuilt.ask(len(asked[done])) == asked[done]


# --- one round ahead, several objectives, trials that lost a seed -----------------------------------------------------


def ahead(found: Sampler, done: Sequence[Sequence[Setting]], trials: int = 17) -> list[list[dict[str, float]]]:
    """All rounds of a search that is asked for round n when the rounds up to n - 1 - staleness are told, as a sweep
    does; the rounds in ``done`` are taken for asked.
    """
    asked: list[list[dict[str, float]]] = []
    unheard = 0
    for n, count in enumerate(rounds(trials, 3)):
        while n and unheard <= max(n - 1 - found.staleness, 0):
            found.tell(told(asked[unheard]))
            unheard += 1
        if n < len(done):
            found.replay(list(map(dict, done[n])))
            asked.append(list(map(dict, done[n])))
        else:
            asked.append(found.ask(count))
    return asked


@pytest.mark.slow
@every_sampler
def test_a_search_asked_ahead_goes_on_after_any_interruption(sampler: str) -> None:
    """Asked for a round while the one before is in training, as far as its staleness allows, and rebuilt after k
    rounds, a search asks what it would have.
    """
    trials = 8 if sampler == "gp" else 17  # a Gaussian process takes seconds for every round
    whole = ahead(search(sampler, trials=trials), [], trials)
    for k in range(1, len(whole)):
        assert ahead(search(sampler, trials=trials), whole[:k], trials) == whole


def test_staleness_is_stated() -> None:
    """TPE and GP, which take long, are asked one round ahead; a generation of CMA-ES or NSGA-II never; lists always."""
    known = {sampler: search(sampler).staleness for sampler in SAMPLERS}
    assert {name for name, staleness in known.items() if staleness == 0} == {"cmaes", "nsga2"}
    assert {name for name, staleness in known.items() if staleness == 1} == {"tpe", "gp", "auto"}
    assert {name for name, staleness in known.items() if staleness > 10**6} == {"sobol", "random", "grid"}


@pytest.mark.parametrize("sampler", ["sobol", "random", "grid"])
def test_lists_do_not_depend_on_the_budget(sampler: str) -> None:
    """A budget that is raised goes on with the trials that a larger one would have had."""
    small, large = (list(itertools.chain(*play(search(sampler, trials=n), n))) for n in (9, 33))
    assert large[:9] == small


def test_sobol_points_fill_the_space_evenly() -> None:
    """Of 64 scrambled points in two dimensions, every interval of the form 2^-a x 2^-b with a + b = 4 holds four.

    That is what makes a scrambled Sobol' sequence a (0, 6, 2)-net in base 2 (Owen 1995); random points miss cells.
    """
    space = {name: Range(low=0.0, high=1.0) for name in "ab"}
    found = make_search(space, dict.fromkeys(space, 0.5), "sobol", seed=3, trials=65, batch=64)
    points = [found.ask(1), found.ask(64)][1]
    for k in range(5):
        cells = Counter((int(p["a"] * 2**k), int(p["b"] * 2 ** (4 - k))) for p in points)
        assert set(cells.values()) == {4}
        assert len(cells) == 16


def test_auto_begins_with_sobol_points_and_then_adapts() -> None:
    """The first quarter behind the baseline is sampler sobol's; what comes then depends on the scores."""
    first = list(itertools.chain(*play(search("sobol", trials=17), 17)))
    down, up = (
        list(itertools.chain(*play(search("auto", trials=17), 17, score=score)))
        for score in (bowl, lambda setting: -bowl(setting))
    )
    assert down[:7] == up[:7] == first[:7]  # 1 and two rounds of 3: the second begins at trial 4 = 17 // 4
    assert down[7:] != up[7:]


@pytest.mark.parametrize(
    ("trials", "objectives", "space", "name"),
    [
        (1000, 1, INTERVALS, "tpe"),
        (1001, 1, INTERVALS, "cmaes"),
        (1001, 1, INTERVALS | CHOICES, "tpe"),
        (1001, 2, INTERVALS | CHOICES, "nsga2"),
        (1000, 2, INTERVALS, "tpe"),
        (1001, 1, {"lr_d": INTERVALS["lr_d"]}, "tpe"),
    ],
)
def test_auto_takes_the_sampler_that_fits(trials: int, objectives: int, space: dict[str, Range], name: str) -> None:
    """TPE up to 1,000 trials; above, CMA-ES where it can search at all, and NSGA-II for several objectives."""
    assert adaptive_sampler(space, trials, objectives) == name


@pytest.mark.parametrize("sampler", ["auto", "tpe", "nsga2"])
def test_several_objectives_are_heard(sampler: str) -> None:
    """Of two objectives both lead an adaptive sampler: to turn the second round changes what it asks."""

    def played(sign: float) -> list[list[dict[str, float]]]:
        found = make_search(
            INTERVALS, {n: BASELINE[n] for n in INTERVALS}, sampler, seed=0, trials=25, batch=4, objectives=2
        )
        asked = []
        for count in rounds(25, 4):
            asked.append(found.ask(count))
            found.tell([Result((bowl(s), sign * math.log(s["lr_d"]))) for s in asked[-1]])
        return asked

    assert played(1.0) != played(-1.0)


@pytest.mark.parametrize(("sampler", "trials", "batch"), [("auto", 41, 8), ("tpe", 41, 8), ("nsga2", 41, 8)])
def test_a_lost_seed_breaks_a_constraint(sampler: str, trials: int, batch: int) -> None:
    """Told that all settings with a high lr_d lost seeds, although their scores are good, a sampler asks elsewhere."""

    def share(lost: float) -> float:
        space = {name: INTERVALS[name] for name in ("lr_d", "beta1")}
        found = make_search(
            space, {name: BASELINE[name] for name in space}, sampler, seed=1, trials=trials, batch=batch
        )
        last: list[dict[str, float]] = []
        for count in rounds(trials, batch):
            last = found.ask(count)
            found.tell([Result((-math.log(s["lr_d"]),), lost * (s["lr_d"] > 1e-3) - 0.1) for s in last])
        return fmean(s["lr_d"] > 1e-3 for s in last)

    assert share(1.0) < share(0.0)
