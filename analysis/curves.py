"""Small tables that the figures draw: paths over steps, and a member's generated law."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.rows import numbers, quantiles, select
from harness.data.target import Target
from harness.metrics.trials import LOST
from harness.store import QUANTILE_LEVELS

Float64 = NDArray[np.float64]
LEVELS = np.asarray(QUANTILE_LEVELS)
_WINDOW = 8


def over_steps(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Median, quartiles and number of members of a snapshot column at each step; columns step, median, q25, q75, n.

    A lost member's KS distance counts as 1 at every later step, also if it has no snapshot; its losses end.
    """
    all_steps, all_values = [], []
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
        all_steps.append(steps[known])
        all_values.append(values[known])
    if not all_steps:
        return pd.DataFrame({"step": [], "median": [], "q25": [], "q75": [], "n": []})
    long = pd.DataFrame({"step": np.concatenate(all_steps), "value": np.concatenate(all_values)})
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
    """The row of least ("best"), lower-median or largest ("worst") KS among those with a finite law, or None."""
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
    table: list[dict[str, Any]] = []
    for arm in arms:
        members = rows[rows["arm"] == arm]
        paths = {c: over_steps(members, c) for c in columns}
        steps = sorted({float(s) for p in paths.values() for s in p["step"]})
        wanted = [steps[round(i)] for i in np.linspace(0, len(steps) - 1, min(points, len(steps)))] if steps else []
        for step in wanted:
            row: dict[str, Any] = {"arm": arm, "step": int(step)}
            for name, path in paths.items():
                at_step = path[path["step"] == step]
                row[f"{name} median"] = float(at_step["median"].iloc[0]) if len(at_step) else None
                if len(columns) == 1:
                    row |= {q: float(at_step[q].iloc[0]) if len(at_step) else None for q in ("q25", "q75")}
            table.append(row)
    return pd.DataFrame(table, dtype=object)


def law_table(frame: pd.DataFrame, target: Target | None, arms: Sequence[str]) -> pd.DataFrame:
    """Quantiles of the target and of each arm's generated law at its median seed."""
    rows = select(frame).frame
    indices = {"1 %": 1, "5 %": 9, "25 %": 49, "50 %": 99, "75 %": 149, "95 %": 189, "99 %": 197}
    table: list[dict[str, Any]] = []
    if target is not None:
        exact = target.quantile(LEVELS)
        table.append({"arm": "target", "seed": None, "KS": None} | {n: float(exact[i]) for n, i in indices.items()})
    for arm in arms:
        member = member_of(rows[rows["arm"] == arm], "median")
        law = None if member is None else quantiles(member)
        if member is not None and law is not None and law.size == LEVELS.size:
            row = {"arm": arm, "seed": int(member["seed"]), "KS": float(member["ks"])}
            table.append(row | {n: float(law[i]) for n, i in indices.items()})
        else:
            table.append({"arm": arm, "seed": None, "KS": None} | dict.fromkeys(indices))
    return pd.DataFrame(table, dtype=object)


def seed_table(frame: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Seed, outcome, KS on stratified noise and on independent draws, mean and sd of each member, arm by arm."""
    rows = select(frame).frame
    names = {"arm": "arm", "seed": "seed", "outcome": "outcome", "ks": "KS", "ks_iid": "KS, independent draws",
             "mean": "mean", "sd": "sd", "stopped_step": "stopped at step"}  # fmt: skip
    order = {arm: i for i, arm in enumerate(arms)}
    ranked = rows.assign(order=rows["arm"].map(order)).sort_values(["order", "seed"], kind="stable")
    return ranked[list(names)].rename(columns=names).astype(object)
