"""The score, the status and the rank of a trial, from the rows of its members.

A trial is one setting trained with several seeds; each seed is a member with a committed row. Only ``outcome`` and
``ks`` of a row are read here. Every part that scores or ranks trials calls these functions, so that the search, the
scoreboard, the list of sweeps, MLflow and the report name the same best trial.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Outcomes of a member that has no generator to score; its KS distance counts as ``WORST_KS``.
LOST = ("diverged", "failed")

#: The outcome of a healthy member whose trial was stopped early.
PRUNED = "pruned"

#: The largest KS distance there is.
WORST_KS = 1.0


class Rank(NamedTuple):
    """The key by which trials of one arm are ordered: the least is the best.

    A pruned trial was scored after fewer steps and loses against every other; of equal scores the earlier trial wins.
    The fields, as names of columns, are also the order in which to sort a table of trials.
    """

    pruned: bool
    score: float
    trial: int


def is_lost(row: Mapping[str, Any]) -> bool:
    """True where the member diverged or failed."""
    return row["outcome"] in LOST


def ks_or_worst(ks: float | None) -> float:
    """The KS distance itself; ``WORST_KS`` where it is missing or not finite."""
    return float(ks) if ks is not None and math.isfinite(ks) else WORST_KS


def counted_ks(row: Mapping[str, Any]) -> float | None:
    """The KS distance with which a member enters its trial's score, in [0, 1].

    1 where the member is lost or its distance is missing. None where it does not count at all: its trial was pruned
    before this seed was trained (only old sweeps have such rows).
    """
    if is_lost(row):
        return WORST_KS
    return ks_or_worst(row["ks"]) if is_trained(row) else None


def counted_ks_array(
    lost: NDArray[np.bool_], pruned: NDArray[np.bool_], ks: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``counted_ks`` of many rows at once; NaN where a member does not count.

    ``lost`` and ``pruned`` say of each row whether its outcome is such; a missing ``ks`` is NaN.
    """
    counted = ks.copy()
    missing = ~(abs(ks) < math.inf)
    counted[lost | missing] = WORST_KS
    counted[pruned & missing] = math.nan
    return counted


def is_trained(row: Mapping[str, Any]) -> bool:
    """False where the trial was pruned before this seed was trained."""
    return not (row["outcome"] == PRUNED and (row["ks"] is None or math.isnan(row["ks"])))


def is_pruned(rows: Iterable[Mapping[str, Any]]) -> bool:
    """True where any member of the trial was stopped early."""
    return any(row["outcome"] == PRUNED for row in rows)


def mean(values: Sequence[float]) -> float:
    """The mean, summed in the order given, so that every caller has the same bits."""
    return float(sum(values) / len(values))


def trial_score(rows: Iterable[Mapping[str, Any]]) -> float:
    """The mean of ``counted_ks`` over the members that count, in the order of the rows; 1 where none does."""
    distances = [ks for ks in map(counted_ks, rows) if ks is not None]
    return mean(distances) if distances else WORST_KS


def rank(trial: int, rows: Sequence[Mapping[str, Any]]) -> Rank:
    """The rank of a trial by the rows of its members."""
    return Rank(is_pruned(rows), trial_score(rows), trial)


def best(ranks: Iterable[Rank]) -> int:
    """The number of the best trial.

    Raises:
        ValueError: there is no trial.
    """
    return min(ranks).trial
