"""What the figures show, as small tables: paths over steps, a member's law."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.rows import LOST, numbers, quantiles, select
from harness.data.target import Target
from harness.store import QUANTILE_LEVELS

Float64 = NDArray[np.float64]
LEVELS = np.asarray(QUANTILE_LEVELS)
_WINDOW = 8


def over_steps(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Median, quartiles and number of members of a snapshot column at each step; columns step, median, q25, q75, n.

    A KS distance is carried on as 1 past the step where a member diverged or failed, be it before its first snapshot;
    its losses end there.
    """
    steps_found, values_found = [], []
    grid = np.unique(np.concatenate([s for s in map(numbers, rows["snapshot_step"]) if s is not None] or [np.empty(0)]))
    cells = zip(rows["snapshot_step"], rows[f"snapshot_{column}"], rows["outcome"], strict=True)
    for step_cell, value_cell, outcome in cells:
        steps, values = numbers(step_cell), numbers(value_cell)
        ends = column == "ks" and outcome in LOST
        if ends and steps is None:
            steps, values = np.empty(0), np.empty(0)
        if steps is None or values is None or steps.size != values.size:
            continue
        if ends:
            later = grid[grid > steps[-1]] if steps.size else grid
            steps = np.concatenate([steps, later])
            values = np.concatenate([values, np.ones(later.size)])
        known = np.isfinite(values) & np.isfinite(steps)
        steps_found.append(steps[known])
        values_found.append(values[known])
    if not steps_found:
        return pd.DataFrame({"step": [], "median": [], "q25": [], "q75": [], "n": []})
    long = pd.DataFrame({"step": np.concatenate(steps_found), "value": np.concatenate(values_found)})
    grouped = long.groupby("step")["value"]
    return pd.DataFrame(
        {
            "median": grouped.median(),
            "q25": grouped.quantile(0.25),
            "q75": grouped.quantile(0.75),
            "n": grouped.size(),
        }
    ).reset_index()


def member_of(rows: pd.DataFrame, which: str) -> pd.Series[Any] | None:
    """Of the rows with a finite law that of least ("best"), lower-median or largest ("worst") KS; None without one."""
    known = rows[[quantiles({"quantiles": cell}) is not None for cell in rows["quantiles"]]]
    if known.empty:
        return None
    ranked = known.sort_values(["ks", "seed"], kind="stable")
    return ranked.iloc[{"best": 0, "median": (len(ranked) - 1) // 2, "worst": -1}[which]]


def gap_to_target(law: Float64, target: Target, at: Float64) -> tuple[Float64, Float64]:
    """F_generated - F_target at the law's quantiles q_i, where F_generated is (i + 1/2)/N, and between them at ``at``.

    F_generated is 0 below the first quantile and 1 above the last.
    """
    x = np.sort(np.concatenate([law, at]))
    levels = (np.arange(law.size) + 0.5) / law.size
    return x, np.interp(x, law, levels, left=0.0, right=1.0) - target.cdf(x)


def law_density(law: Float64) -> tuple[Float64, Float64]:
    """Density of a law from its quantiles q_i at (i + 1/2)/N: (w/N) / (q_(i+w) - q_i) at the middle, w = 8.

    Points where the quantiles do not move (an atom) have no density and are left out.
    """
    window = min(_WINDOW, law.size - 1)
    gap = law[window:] - law[:-window]
    middle = 0.5 * (law[window:] + law[:-window])
    smooth = gap > 1e-9 * max(1.0, float(np.abs(law).max()))
    return middle[smooth], (window / law.size) / gap[smooth]


def path_table(frame: pd.DataFrame, arms: Sequence[str], columns: Sequence[str], points: int = 6) -> pd.DataFrame:
    """Medians over steps of each arm at about ``points`` of its snapshots, first and last among them."""
    rows = select(frame).frame
    lines: list[dict[str, Any]] = []
    for arm in arms:
        own = rows[rows["arm"] == arm]
        paths = {c: over_steps(own, c) for c in columns}
        steps = sorted({float(s) for p in paths.values() for s in p["step"]})
        wanted = [steps[round(i)] for i in np.linspace(0, len(steps) - 1, min(points, len(steps)))] if steps else []
        for step in wanted:
            line: dict[str, Any] = {"arm": arm, "step": int(step)}
            for name, path in paths.items():
                at = path[path["step"] == step]
                line |= {f"{name} median": float(at["median"].iloc[0]) if len(at) else None}
                if len(columns) == 1:
                    line |= {q: float(at[q].iloc[0]) if len(at) else None for q in ("q25", "q75")}
            lines.append(line)
    return pd.DataFrame(lines, dtype=object)


def law_table(frame: pd.DataFrame, target: Target | None, arms: Sequence[str]) -> pd.DataFrame:
    """Quantiles of the target and of each arm's generated law at its median seed."""
    rows = select(frame).frame
    places = {"1 %": 1, "5 %": 9, "25 %": 49, "50 %": 99, "75 %": 149, "95 %": 189, "99 %": 197}
    lines: list[dict[str, Any]] = []
    if target is not None:
        known = target.quantile(LEVELS)
        lines.append({"arm": "target", "seed": None, "KS": None} | {n: float(known[i]) for n, i in places.items()})
    for arm in arms:
        row = member_of(rows[rows["arm"] == arm], "median")
        law = None if row is None else quantiles(row)
        if row is not None and law is not None and law.size == LEVELS.size:
            told = {"arm": arm, "seed": int(row["seed"]), "KS": float(row["ks"])}
            lines.append(told | {n: float(law[i]) for n, i in places.items()})
        else:
            lines.append({"arm": arm, "seed": None, "KS": None} | dict.fromkeys(places))
    return pd.DataFrame(lines, dtype=object)


def seed_table(frame: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Per arm and member: seed, outcome, KS on stratified noise and on independent draws, mean and sd."""
    rows = select(frame).frame
    names = {"arm": "arm", "seed": "seed", "outcome": "outcome", "ks": "KS", "ks_iid": "KS, independent draws",
             "mean": "mean", "sd": "sd", "stopped_step": "stopped at step"}  # fmt: skip
    place = {arm: i for i, arm in enumerate(arms)}
    ranked = rows.assign(place=rows["arm"].map(place)).sort_values(["place", "seed"], kind="stable")
    return ranked[list(names)].rename(columns=names).astype(object)
