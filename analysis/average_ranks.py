"""Which arms can be told apart when all are ranked on every seed: Friedman's test and Nemenyi's critical difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.intervals import LEVEL
from analysis.rows import by_seed, select, views_of


@dataclass(frozen=True)
class Ranks:
    """The arms of one view by mean rank, 1 the nearest.

    ``ranks``: arm -> mean rank over ``seeds`` seeds, ascending. ``friedman_p``: of the hypothesis that all arms are
    alike. ``groups``: the longest runs of arms in which no two differ by ``critical_difference`` or more; an arm that
    differs from both its neighbours is in none.
    """

    view: str
    seeds: int
    ranks: dict[str, float]
    friedman_p: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]


def average_ranks(frame: pd.DataFrame, arms: Sequence[str] = ()) -> tuple[Ranks, ...]:
    """``Ranks`` of each view that has at least three arms and two seeds that all of them share."""
    rows = select(frame).frame
    table = by_seed(rows)
    found = []
    for view, here in views_of(rows, arms).items():
        shared = table[here].dropna()
        if len(here) >= 3 and len(shared) >= 2:
            found.append(ranked(view, shared))
    return tuple(found)


def ranked(view: str, scores: pd.DataFrame) -> Ranks:
    """The arms, columns of ``scores`` (a line per seed, none missing), ranked on each seed; ties share their mean rank.

    Friedman (1937), corrected for ties. Two mean ranks differ if they are at least
    q sqrt(k (k + 1)/(6 N)) apart, q the 95 % quantile of the studentised range of k means over sqrt(2) (Nemenyi 1963;
    Demsar 2006, sec. 3.2.2).
    """
    seeds, k = scores.shape
    means = scores.rank(axis=1).mean().sort_values(kind="stable")
    alike = bool((scores.nunique(axis=1) == 1).all())
    p = 1.0 if alike else float(stats.friedmanchisquare(*(scores[arm] for arm in scores)).pvalue)
    difference = critical_difference(k, seeds)
    return Ranks(view, seeds, {str(a): float(r) for a, r in means.items()}, p, difference, _groups(means, difference))


def critical_difference(arms: int, seeds: int) -> float:
    """Nemenyi's critical difference of mean ranks at 95 %."""
    q = float(stats.studentized_range.ppf(LEVEL, arms, math.inf)) / math.sqrt(2)
    return q * math.sqrt(arms * (arms + 1) / (6 * seeds))


def _groups(means: pd.Series[float], difference: float) -> tuple[tuple[str, ...], ...]:
    names, values = [str(a) for a in means.index], means.to_numpy()
    found: list[tuple[int, int]] = []
    for start in range(len(names)):
        end = int(np.searchsorted(values, values[start] + difference, side="left"))
        if end - start > 1 and (not found or end > found[-1][1]):
            found.append((start, end))
    return tuple(tuple(names[start:end]) for start, end in found)
