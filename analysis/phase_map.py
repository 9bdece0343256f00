"""``python -m analysis.phase_map SWEEP [-o DIR]``: at which pairs of learning rates does an arm work?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

COLUMNS = ("arm", "lr_d_low", "lr_d_high", "lr_g_low", "lr_g_high", "trials", "score", "lost")


def phase_map(trials: pd.DataFrame, arms: Sequence[str] = (), bins: int = 10) -> pd.DataFrame:
    """Median score of the trials in each cell of lr_D x lr_G, ``bins`` each in equal ratios over what was searched.

    The edges are the same for all arms; cells without a trial have no row. Columns: arm, the cell's edges, trials,
    score (median over trials of the mean KS), lost (share of members that diverged or failed).
    """
    known = trials[(trials["lr_d"] > 0) & (trials["lr_g"] > 0) & trials["score"].notna()]
    edges = {name: _edges(known[name].to_numpy(np.float64), bins) for name in ("lr_d", "lr_g")}
    cells = known.assign(**{f"{n}_cell": _cell(known[n].to_numpy(np.float64), e) for n, e in edges.items()})
    grouped = cells.groupby(["arm", "lr_d_cell", "lr_g_cell"], sort=False)
    found = grouped.agg(
        trials=("score", "size"), score=("score", "median"), lost=("lost", "sum"), seeds=("seeds", "sum")
    )
    found = found.reset_index()
    found["lost"] = found["lost"] / found["seeds"]
    for name, edge in edges.items():
        found[f"{name}_low"], found[f"{name}_high"] = edge[found[f"{name}_cell"]], edge[found[f"{name}_cell"] + 1]
    place = {arm: i for i, arm in enumerate(arms)}
    order = found.assign(place=found["arm"].map(place).fillna(len(place)))
    ordered = order.sort_values(["place", "arm", "lr_d_low", "lr_g_low"], kind="stable")
    return ordered[list(COLUMNS)].reset_index(drop=True)


def _edges(rates: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Edges of ``bins`` cells in equal ratios from the least rate to the largest; one cell around a single rate."""
    if not rates.size or rates.min() == rates.max():
        only = float(rates[0]) if rates.size else 1.0
        return np.array([only / 2, only * 2])
    return np.geomspace(rates.min(), rates.max(), bins + 1)


def _cell(rates: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.clip(np.searchsorted(edges, rates, side="right") - 1, 0, edges.size - 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """At which pairs of learning rates does an arm work?"""
    # Here, because the section draws what this module computes.
    from analysis.report.sections import search
    from analysis.script import answered

    return answered("phase_map", main.__doc__, [search.section], arguments)


if __name__ == "__main__":
    sys.exit(main())
