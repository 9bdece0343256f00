"""Pruning by seed inside a population: a trial that is surely worse than the best one known gets no further seeds.

All trials of a round are trained on their first seeds side by side. After each look (spec/wilcoxon.py) a trial is
compared, seed by seed, with its arm's incumbent, the best trial that was known when the round was asked for; where
the signed-rank test finds it worse, its remaining seeds are not trained. Arms never compete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from harness.config.wilcoxon import seed_looks
from harness.engines.auto import Trainer, engine_for
from harness.engines.base import Progress
from harness.members import Member
from harness.sweep.plan import Location
from harness.sweep.training import Population, Row, untrained_row

#: Of each arm, the KS of the best trial known by seed; no arm of which none is known.
Incumbents = Mapping[str, Mapping[int, float]]


class Rules(NamedTuple):
    """Below which p-value a trial is given up, and how many seeds it has."""

    threshold: float
    seeds: int


def worse(ks: Mapping[int, float], best: Mapping[int, float], threshold: float) -> bool:
    """Whether a trial with these KS by seed is worse than the best, with a one-sided p-value below ``threshold``.

    Wilcoxon's signed-rank test on the seeds that both have, differences of zero split evenly. Never, where the mean of
    the trial's seeds is no higher than the mean of all the best has (as optuna.pruners.WilcoxonPruner).
    """
    pairs = sorted(ks.keys() & best.keys())
    if len(pairs) < 2 or sum(best.values()) / len(best) >= sum(ks.values()) / len(ks):
        return False
    differences = np.array([ks[seed] - best[seed] for seed in pairs])
    return bool(stats.wilcoxon(differences, alternative="greater", zero_method="zsplit").pvalue < threshold)


def thin(
    placed: Sequence[tuple[Location, Member]],
    rules: Rules,
    incumbents: Incumbents,
    slots: int,
    trainer: Trainer,
    whole: Callable[[Sequence[Member]], Population],
    progress: Progress,
) -> Population:
    """Train and score the members of a round by ``whole``, ``slots`` at once; a row for each, in the order given, those
    of members that were untrained_row among them. ``progress`` hears of the steps that were untrained_row.

    Raises:
        InputError: a member is refused; nothing was trained.
    """
    rows: dict[int, Row] = {}
    ks: dict[tuple[str, int], dict[int, float]] = {}
    stopped: set[tuple[str, int]] = set()
    seconds, start = 0.0, 0
    for stop in (*seed_looks(rules.seeds, rules.threshold), rules.seeds):
        due = [p for p, (_, member) in enumerate(placed) if start <= member.seed < stop]
        left_out = [p for p in due if _trial(placed[p][0]) in stopped]
        if left_out:
            progress(sum(placed[p][1].shape.steps for p in left_out))
        rows |= {p: untrained_row(placed[p][1], engine_for(trainer, placed[p][1])) for p in left_out}
        going = [p for p in due if p not in rows]
        for i in range(0, len(going), slots):
            wave = going[i : i + slots]
            found = whole([placed[p][1] for p in wave])
            rows |= zip(wave, found.rows, strict=True)
            seconds += found.seconds
        for p in going:
            ks.setdefault(_trial(placed[p][0]), {})[placed[p][1].seed] = rows[p]["ks"]
        stopped |= {trial for trial in ks if worse(ks[trial], incumbents.get(trial[0], {}), rules.threshold)}
        start = stop
    return Population([rows[p] for p in range(len(placed))], seconds)


def _trial(place: Location) -> tuple[str, int]:
    return place.arm, place.trial
