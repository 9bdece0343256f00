"""Hyper-parameter search: the only package that imports optuna, and only where one of Optuna's samplers is wanted.

``base`` has the contract of a sampler, ``fixed`` those whose trials are known in advance, ``adaptive`` those that
learn, ``auto`` one after the other; ``studies`` writes trials as Optuna studies, ``importance`` ranks the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.config import Range
from harness.search.auto import AutoSampler, Observations, adaptive_sampler
from harness.search.base import Result, Sampler, Setting, derived_seed
from harness.search.fixed import DESIGNS, FixedDesign

__all__ = ["Result", "Sampler", "Setting", "derived_seed", "search"]


def search(
    space: Mapping[str, Range],
    baseline: Mapping[str, float],
    sampler: str,
    *,
    seed: int,
    trials: int,
    batch: int,
    objectives: int = 1,
    cancelled: Callable[[], bool] = lambda: False,
) -> Sampler:
    """The sampler of that name for one arm.

    ``trials`` is the budget that it is made for, ``batch`` the number of trials in every round but the first. ``seed``
    makes the suggestions reproducible; arms that share it share the points of samplers that do not adapt. A slow
    sampler asks ``cancelled`` between two suggestions.

    Raises:
        InputError: the grid of sampler "grid" has fewer points than trials.
    """
    if sampler in DESIGNS:
        return FixedDesign(space, baseline, sampler, seed, trials)
    from harness.search.adaptive import SAMPLER_SPECS, AdaptiveSampler  # which loads optuna

    def adaptive(name: str, start: Mapping[str, float], known: Observations = ()) -> AdaptiveSampler:
        return AdaptiveSampler(
            space, start, name, seed=seed, trials=trials, batch=batch, objectives=objectives, cancelled=cancelled,
            known=known,
        )  # fmt: skip

    if sampler != "auto":
        return adaptive(sampler, baseline)
    name = adaptive_sampler(space, trials, objectives)

    def second(known: Observations) -> AdaptiveSampler:
        # From the best point known; without a single result, which is a search of one round, from the baseline.
        best = min(known, key=lambda trial: (trial[1].constraint, trial[1].values))[0] if known else baseline
        return adaptive(name, best, known)

    first = FixedDesign(space, baseline, "sobol", seed, trials)
    return AutoSampler(first, second, SAMPLER_SPECS[name].staleness, trials)
