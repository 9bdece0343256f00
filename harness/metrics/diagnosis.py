"""The diagnosis of a member in one word, from its committed row: converged, or the way it missed.

The rules do not read losses, which cannot tell. Lengths are in units of the target's standard deviation sigma, from its
mean mu: the miss e = (mean - mu)/sigma, the width r = sd/sigma. At a snapshot they are those of the generated
minibatch, at the end those of the scored sample. "Late" means snapshots after half of the member's steps. The rules are
in ``DIAGNOSES``; the first that holds counts.

The thresholds are set for targets like those in ``experiments/``. A target without a finite variance has no sigma; its
median and half its interquartile range replace mu and sigma, also on the column ``quantiles``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.target import Target

Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Three sigma off, two normal laws of one width have KS distance 2 Phi(1.5) - 1 = 0.87: they hardly overlap.
FAR = 3.0
#: A runaway is a sigma farther out than it once was: more than a minibatch's mean errs (0.1 sigma for 100 values).
FARTHER = 1.0
#: Or ten times as wide as the target: two normal laws with one mean then have KS distance 0.41.
WIDE = 10.0
#: A tenth as wide as the target: two normal laws with one mean then have KS distance 0.44. Wherever it lies.
NARROW = 0.1
#: Norm of G's whole gradient below which it counts as zero. Live generators have norms of 0.1 to 20 on every loss of
#: experiments/labels.toml, dead ones 1e-4 and less; the weights of a loss are of order 1.
NO_PUSH = 0.01
#: A dead generator is at least so far from the target: hardly any of its values are where the target's are. One that
#: has arrived, or makes one value amid the target's, may be without gradient, too.
LOST_KS = 0.9
#: Ringing swings by so many sigma to either side; a shift by it is a KS distance of 2 Phi(1/8) - 1 = 0.10 (normal).
SWING = 0.25
#: Standard errors of a minibatch's mean that a swing must exceed; by chance 1 member in 10^4 swings so far.
SWING_ERRORS = 4.0
#: Changes of side within the late snapshots, out and back again.
CHANGES = 2
#: An offset explains at least this share of the KS distance.
EXPLAINS = 0.5
#: And its width is within this factor of the target's: one mode of two is off the mean, too, but no offset.
ALIKE = 2.0

#: Each diagnosis with its rule, in the order in which they are asked.
DIAGNOSES: dict[str, str] = {
    "failed": "The engine could not train it, or no score is known.",
    "diverged": "A number of it left the floating-point range.",
    "pruned": "The search stopped it early, healthy as it was.",
    "runaway": f"It left: |e| ≥ {FAR:g} at the end, {FARTHER:g} or more beyond its nearest snapshot; or r ≥ {WIDE:g}.",
    "dead": f"It stands still far off: KS ≥ {LOST_KS:g}, and late the median norm of G's gradient < {NO_PUSH:g}.",
    "collapsed": f"It makes nearly one value: r ≤ {NARROW:g}.",
    "ringing": "It swings about the target: late, e passes from beyond +a to beyond -a or back at least "
    f"{CHANGES} times, a = max({SWING:g}, {SWING_ERRORS:g}/√batch).",
    "converged": "KS below the sweep's threshold of success.",
    "offset": f"Beside the target: a target moved by mean - mu has at least {EXPLAINS:.0%} of its KS distance, and "
    f"1/{ALIKE:g} ≤ r ≤ {ALIKE:g}.",
    "wrong shape": "None of these: too wide, too narrow, skew, or with other modes.",
}

#: The columns that are read; ``quantiles`` only where the target has no finite variance.
COLUMNS = (
    "outcome", "ks", "mean", "sd", "steps", "batch",
    "snapshot_step", "snapshot_fake_mean", "snapshot_grad_norm_g",
)  # fmt: skip


def columns(target: Target | None) -> tuple[str, ...]:
    """The columns that ``diagnose`` reads for this target."""
    return COLUMNS if target is None or Yardstick.of(target).by_moments else (*COLUMNS, "quantiles")


def diagnose(rows: pd.DataFrame, target: Target | None, success_ks: float) -> pd.Series[str]:
    """One word of ``DIAGNOSES`` for each row of ``store.SCHEMA``, with the rows' index.

    Without a target only outcomes, ``converged``, ``dead`` and ``wrong shape`` are distinguished. A KS below
    ``success_ks`` is a success. Missing columns and null cells are unknown; no rule holds for them.
    """
    ks, outcome = _numbers(rows, "ks"), rows["outcome"].astype(object).to_numpy()
    failed = (outcome == "failed") | (np.isnan(ks) & ~np.isin(outcome, ["pruned", "diverged"]))
    path = _Path.of(rows)
    unknown = np.full(len(rows), math.nan)
    rules: list[Bools] = [failed, outcome == "diverged", outcome == "pruned"]
    if target is None:
        nowhere = np.zeros(len(rows), bool)
        runaway = collapsed = ringing = offset = nowhere
    else:
        yard = Yardstick.of(target)
        location, scale = yard.location_and_scale(rows)
        miss, wide = (location - yard.location) / yard.scale, scale / yard.scale
        path_miss = (path.mean - yard.location) / yard.scale
        nearest = np.fmin.reduce(np.abs(path_miss), axis=1, initial=np.inf)
        runaway = ((np.abs(miss) >= FAR) & (np.abs(miss) >= nearest + FARTHER)) | (wide >= WIDE)
        collapsed = wide <= NARROW
        ringing = _changes_of_side(np.where(path.late, path_miss, math.nan), _swing(rows)) >= CHANGES
        offset = (yard.shift_ks(miss) >= EXPLAINS * ks) & (wide >= 1 / ALIKE) & (wide <= ALIKE)
    push = _late_median(path.push, path.late) if path.push.size else unknown
    rules += [runaway, (ks >= LOST_KS) & (push < NO_PUSH), collapsed, ringing, ks < success_ks, offset]
    words = np.select(rules, list(DIAGNOSES)[:-1], default="wrong shape")
    return pd.Series(words, index=rows.index, dtype=object)


@dataclass(frozen=True)
class Yardstick:
    """Location and scale of the target: mean and sd, or median and half the interquartile range."""

    target: Target
    location: float
    scale: float
    by_moments: bool

    @classmethod
    def of(cls, target: Target) -> Yardstick:
        """The yardstick of a target: by moments if its variance is finite."""
        with np.errstate(all="ignore"):
            mean, variance = float(target.frozen.mean()), float(target.frozen.var())
        if math.isfinite(mean) and math.isfinite(variance) and variance > 0:
            return cls(target, mean, math.sqrt(variance), True)
        first, middle, third = (float(q) for q in target.quantile(np.array([0.25, 0.5, 0.75])))
        return cls(target, middle, (third - first) / 2, False)

    def location_and_scale(self, rows: pd.DataFrame) -> tuple[Float64, Float64]:
        """Location and scale of each row's generated law; NaN if it has none."""
        if self.by_moments:
            return _numbers(rows, "mean"), _numbers(rows, "sd")
        law = _matrix(rows["quantiles"]) if "quantiles" in rows else np.full((len(rows), 0), math.nan)
        if law.shape[1] < 4:
            return np.full(len(rows), math.nan), np.full(len(rows), math.nan)
        first, middle, third = (law[:, round(q * (law.shape[1] - 1))] for q in (0.25, 0.5, 0.75))
        return middle, (third - first) / 2

    def shift_ks(self, miss: Float64) -> Float64:
        """KS distance sup_x |F(x) - F(x - miss * scale)| of the target from its shifted self; NaN stays NaN.

        Interpolated in a table of 401 shifts up to 20 scales, each a maximum over 2,001 points; constant beyond.
        """
        return np.asarray(np.interp(np.abs(miss), _SHIFTS, _shift_table(self)))


_SHIFTS = np.linspace(0.0, 20.0, 401)


@lru_cache(maxsize=16)
def _shift_table(yard: Yardstick) -> Float64:
    levels = np.linspace(0.0005, 0.9995, 2001)
    x = yard.target.quantile(levels)
    return np.array([np.abs(levels - yard.target.cdf(x - s * yard.scale)).max() for s in _SHIFTS])


@dataclass(frozen=True)
class _Path:
    """Snapshots of the rows as matrices (rows, snapshots), NaN where there is none; ``late``: after half the steps."""

    mean: Float64
    push: Float64
    late: Bools

    @classmethod
    def of(cls, rows: pd.DataFrame) -> _Path:
        names = ("snapshot_step", "snapshot_fake_mean", "snapshot_grad_norm_g")
        matrices = [_matrix(rows[n]) if n in rows else np.full((len(rows), 0), math.nan) for n in names]
        width = max(m.shape[1] for m in matrices)
        step, mean, push = (_widened(m, width) for m in matrices)
        return cls(mean, push, step > 0.5 * _numbers(rows, "steps")[:, None])


def _swing(rows: pd.DataFrame) -> Float64:
    """Per row a = max(SWING, SWING_ERRORS/sqrt(batch))."""
    return np.fmax(SWING, SWING_ERRORS / np.sqrt(np.fmax(_numbers(rows, "batch"), 1.0)))


def _changes_of_side(miss: Float64, swing: Float64) -> NDArray[np.intp]:
    """The number of passages of each row from beyond +swing to beyond -swing or back; values between are ignored."""
    side, changes = np.zeros(len(miss)), np.zeros(len(miss), np.intp)
    for column in miss.T:
        current = np.where(column >= swing, 1.0, np.where(column <= -swing, -1.0, 0.0))
        changes += (current * side) < 0
        side = np.where(current != 0, current, side)
    return changes


def _late_median(values: Float64, late: Bools) -> Float64:
    """Median of each row's late values; NaN if it has none."""
    ordered = np.sort(np.where(late, values, math.nan), axis=1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=1)
    row = np.arange(len(ordered))
    low, high = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, ordered.shape[1] - 1)
    return np.asarray(np.where(count > 0, (ordered[row, low] + ordered[row, high]) / 2, math.nan))


def _numbers(rows: pd.DataFrame, name: str) -> Float64:
    if name not in rows:
        return np.full(len(rows), math.nan)
    return pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype=np.float64, na_value=math.nan)


def _widened(matrix: Float64, width: int) -> Float64:
    return np.pad(matrix, ((0, 0), (0, width - matrix.shape[1])), constant_values=math.nan)


def _matrix(cells: Iterable[Any]) -> Float64:
    """List cells as rows, padded with NaN; a cell that is null or not a list of numbers becomes a row of NaN."""
    lists = [c if isinstance(c, np.ndarray) and c.dtype.kind in "if" else _floats(c) for c in cells]
    lengths = np.array([len(c) for c in lists], dtype=np.intp)
    matrix = np.full((len(lists), int(lengths.max(initial=0))), math.nan)
    if matrix.size:
        matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = np.concatenate(lists)
    return matrix


def _floats(cell: Any) -> Float64:
    if cell is None or isinstance(cell, (str, bytes, float)):
        return np.empty(0)
    try:
        values = np.asarray(cell, dtype=np.float64)
    except (TypeError, ValueError):
        return np.empty(0)
    return values if values.ndim == 1 else np.empty(0)
