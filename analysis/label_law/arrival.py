"""Arrival of each member at the target, settling there, and D's probability then: one row per member.

Times are steps of snapshots, so they are late by at most one gap between snapshots. A member that does not arrive (or
settle) before training ends is censored: its time is only known to be later than the last snapshot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import signal

from analysis.rows import numbers
from harness.metrics.trials import LOST

Float64 = NDArray[np.float64]

#: The share of the snapshots, the last ones, over which the end of a path is averaged.
TAIL = 0.1
#: The level of the test that tells a rhythm from noise.
RHYTHM_LEVEL = 0.05
#: The fewest values with which a rhythm is sought: five frequencies between two periods and the fastest one.
RHYTHM_VALUES = 16

#: The columns of ``landings``.
COLUMNS = ("label", "view", "seed", "outcome", "success", "arrival", "settling", "ks", "d_fake", "loss_d", "loss_g",
           "frequency")  # fmt: skip


def landings(rows: pd.DataFrame, parameter: str, success_ks: float) -> pd.DataFrame:
    """A row per member with the columns ``COLUMNS``; ``label`` is the value of the loss parameter.

    ``arrival`` and ``settling`` are in steps, NaN where censored; ``d_fake``, ``loss_d`` and ``loss_g`` are medians
    over the last tenth of the snapshots, NaN for members that diverged or failed; ``frequency`` is in cycles a step,
    NaN where no rhythm is told from noise.
    """
    end = last_snapshot(rows)
    members = [_landing(row, parameter, success_ks, end) for row in rows.to_dict("records")]
    return pd.DataFrame(members, columns=list(COLUMNS)).sort_values(["view", "label", "seed"], ignore_index=True)


def last_snapshot(rows: pd.DataFrame) -> float:
    """The last step at which any member was measured; 0 without one."""
    return max((float(s[-1]) for s in map(numbers, rows["snapshot_step"]) if s is not None), default=0.0)


def later(rows: pd.DataFrame) -> float:
    """The step that stands for "after the last snapshot": one gap later, so that it is later than every known time."""
    steps = max((s for s in map(numbers, rows["snapshot_step"]) if s is not None), key=len, default=np.zeros(1))
    gap = float(steps[-1] - steps[-2]) if steps.size > 1 else 1.0
    return last_snapshot(rows) + gap


def _landing(row: Mapping[Any, Any], parameter: str, success_ks: float, end: float) -> dict[str, Any]:
    lost = row["outcome"] in LOST
    step, ks = _path(row, "ks")
    ends = {name: math.nan if lost else tail_median(_path(row, name)[1]) for name in ("d_fake", "loss_d", "loss_g")}
    return {
        "label": float(row["loss_params"][parameter]),
        "view": row["view"],
        "seed": row["seed"],
        "outcome": row["outcome"],
        "success": bool(row["ks"] < success_ks and not lost),
        "arrival": arrival(step, ks, success_ks),
        "settling": math.nan if lost else settling(step, ks, success_ks, end),
        "ks": float(row["ks"]),
        **ends,
        "frequency": math.nan if lost else rhythm(*_path(row, "fake_mean")),
    }


def _path(row: Mapping[Any, Any], name: str) -> tuple[Float64, Float64]:
    """Steps and values of a snapshot column; both empty where they are missing or do not fit each other."""
    step, value = numbers(row["snapshot_step"]), numbers(row[f"snapshot_{name}"])
    if step is None or value is None or step.size != value.size:
        return np.empty(0), np.empty(0)
    return step, value


def arrival(step_S: Float64, ks_S: Float64, below: float) -> float:
    """The first step with a KS distance below the threshold; NaN where there is none. An unknown KS is not below."""
    arrived = np.flatnonzero(ks_S < below)
    return float(step_S[arrived[0]]) if arrived.size else math.nan


def settling(step_S: Float64, ks_S: Float64, below: float, end: float) -> float:
    """The first step from which on every KS distance is below the threshold, up to the snapshot at ``end``.

    NaN where the last one is not below, or the path ends earlier.
    """
    if not step_S.size or step_S[-1] < end or not ks_S[-1] < below:
        return math.nan
    away = np.flatnonzero(~(ks_S < below))
    return float(step_S[away[-1] + 1 if away.size else 0])


def tail_median(value_S: Float64) -> float:
    """Median of the finite values among the last tenth (at least one) of a path; NaN where there are none."""
    tail = value_S[-max(1, math.ceil(TAIL * value_S.size)) :]
    known = tail[np.isfinite(tail)]
    return float(np.median(known)) if known.size else math.nan


def rhythm(step_S: Float64, value_S: Float64) -> float:
    """The dominant frequency of the second half of a path, in cycles a step; NaN where none stands out.

    The peak of the periodogram after a straight line is taken out, among frequencies with at least two periods in the
    window and below the fastest that snapshots can show. It stands out where its share g of the power of m
    frequencies has m (1 - g)^(m-1) < 0.05, which bounds the chance of such a share in white noise
    (Fisher 1929, first term). What rings faster than twice the gap between snapshots appears at another frequency.
    """
    step, value = step_S[step_S.size // 2 :], value_S[value_S.size // 2 :]
    if value.size < RHYTHM_VALUES or not np.isfinite(value).all() or np.unique(np.diff(step)).size > 1:
        return math.nan
    frequency, power = signal.periodogram(signal.detrend(value), fs=1 / float(step[1] - step[0]), detrend=False)
    inner = slice(2, (value.size + 1) // 2)
    frequency, power = frequency[inner], power[inner]
    total = float(power.sum())
    # The remainder of a straight line is rounding.
    if total <= 1e-20 * float(np.square(value).sum()):
        return math.nan
    share = float(power.max()) / total
    chance = power.size * (1 - share) ** (power.size - 1)
    return float(frequency[power.argmax()]) if chance < RHYTHM_LEVEL else math.nan
