"""Hyper-parameter search: the only package that imports optuna, and only where a sampler of Optuna's is asked for.

``listed`` has the samplers whose trials are known beforehand, ``adaptive`` those that learn, ``auto`` one after the
other, ``result`` what is asked and told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.config import Range
from harness.search.auto import Auto, Known, adapting
from harness.search.base import Result, Sampler, Setting, derived_seed
from harness.search.fixed import POINTS, FixedDesign

__all__ = ["Result", "Sampler", "Setting", "derived_seed", "search"]


def search(
    space: Mapping[str, Range],
    baseline: Mapping[str, float],
    sampler: str,
    seed: int,
    trials: int,
    batch: int,
    objectives: int = 1,
    cancelled: Callable[[], bool] = lambda: False,
) -> Sampler:
    """The search of one arm with the sampler of that name, which is told nothing yet.

    ``trials`` is the budget that it is made for, ``batch`` the number of trials in a round behind the first. ``seed``
    makes the suggestions reproducible; arms that share it share the points of samplers that do not adapt. A sampler
    that takes long asks ``cancelled`` between two suggestions.

    Raises:
        InputError: the grid of sampler "grid" has fewer points than trials.
    """
    if sampler in POINTS:
        return FixedDesign(space, baseline, sampler, seed, trials)
    from harness.search.adaptive import KINDS, Adaptive  # which loads optuna

    if sampler != "auto":
        return Adaptive(space, baseline, sampler, seed, trials, batch, objectives, cancelled)
    name = adapting(space, trials, objectives)

    def then(known: Known) -> Adaptive:
        # From the best point known; without a single result, which is a search of one round, from the baseline.
        start = min(known, key=lambda item: (item[1].lost, item[1].values))[0] if known else baseline
        return Adaptive(space, start, name, seed, trials, batch, objectives, cancelled, known)

    return Auto(FixedDesign(space, baseline, "sobol", seed, trials), then, KINDS[name].staleness, trials)
