"""Members whose losses read as those of a perfect run while their samples are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows import LOST, numbers, select
from harness.errors import InputError
from harness.losses import LOSSES
from harness.losses.describe import equilibrium_losses

#: The median late loss lies within this share of what it is at equilibrium, or within ``LEAST`` of it, so that an
#: equilibrium at 0 can be near. Minibatches of 100 move cross-entropy at equilibrium by about 0.02.
NEAR, LEAST = 0.1, 0.05
#: Samples are wrong from so many times the threshold of success.
WRONG = 3.0

COLUMNS = ("arm", "seed", "ks", "loss_d", "loss_g", "ideal_d", "ideal_g")


def deceptive(frame: pd.DataFrame, success_ks: float) -> pd.DataFrame:
    """The compared members whose losses look perfect and whose KS is at least 3 ``success_ks`` (0.5 at most).

    A loss looks perfect if its median over the snapshots after half of the steps lies within 10 % of its value where
    generated and real law agree (``losses.equilibrium``), both players'. Columns: arm, seed, ks, loss_d and loss_g
    (those medians), ideal_d and ideal_g. Losses without such a value are never among them. Farthest first.
    """
    rows = select(frame).frame
    wrong = rows[(rows["ks"] >= min(WRONG * success_ks, 0.5)) & ~rows["outcome"].isin(LOST)]
    lines, known = [], dict[str, tuple[float, float] | None]()
    for _, row in wrong.iterrows():
        which = f"{row['loss']} {row['loss_params']}"
        if which not in known:
            known[which] = ideal_losses(row)
        ideal, found = known[which], (late_median(row, "loss_d"), late_median(row, "loss_g"))
        if ideal and all(abs(a - b) <= max(NEAR * abs(b), LEAST) for a, b in zip(found, ideal, strict=True)):
            lines.append((row["arm"], row["seed"], row["ks"], *found, *ideal))
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    return table.sort_values("ks", ascending=False, kind="stable").reset_index(drop=True)


def ideal_losses(row: Mapping[str, Any] | pd.Series[Any]) -> tuple[float, float] | None:
    """Both players' losses at the equilibrium of a row's loss; None for a loss that has none or is unknown here."""
    params = row["loss_params"]
    try:
        variant, bound = LOSSES.parse(str(row["loss"]))
        return equilibrium_losses(variant, {**bound, **(params if isinstance(params, Mapping) else {})})
    except InputError:
        return None


def late_median(row: Mapping[str, Any] | pd.Series[Any], column: str) -> float:
    """Median of a snapshot column after half of the member's steps; NaN without one."""
    steps, values = numbers(row["snapshot_step"]), numbers(row[f"snapshot_{column}"])
    if steps is None or values is None or steps.size != values.size:
        return float("nan")
    late = values[(2 * steps > row["steps"]) & np.isfinite(values)]
    return float(np.median(late)) if late.size else float("nan")
