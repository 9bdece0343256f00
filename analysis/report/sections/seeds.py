"""Every compared seed as a dot."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.comparison import ArmResult
from analysis.curves import seed_table
from analysis.plotting import INK, Axis, Dots, Line, Mark, Panel, Rule, Scene, Style
from analysis.report.axes import extent, floors
from analysis.report.blocks import Figure, Section
from analysis.report.context import LOWEST, ReportContext
from harness.metrics.trials import LOST

#: Dots that the figure may hold; where there are more seeds, a dot stands for an equal share of them.
_MAX_DOTS = 4000


def section(context: ReportContext) -> Section:
    """Final KS of every compared seed."""
    return Section("seeds", "Every seed", [_figure(context)])


def _figure(context: ReportContext) -> Figure:
    ranked, threshold = context.ranked, context.comparison.success_ks
    dots = max(20, _MAX_DOTS // max(len(ranked), 1))
    marks: list[Mark] = []
    for i, arm in enumerate(ranked):
        marks += _dots(i, context.groups[arm.arm], context.style(arm.arm), dots)
        marks += _median_bar(i, arm)
    ks = context.selection.frame["ks"]
    low, high = extent([*ks, threshold], LOWEST)
    marks += [*floors(low, high, "x"), Rule("x", threshold, f"success: below {threshold:g}")]
    panel = Panel(
        marks, Axis("KS distance to the target after training (log scale)", log=True, low=low, high=high),
        Axis(names=[a.arm for a in ranked], low=-0.6, high=len(ranked) - 0.4, down=True),
    )  # fmt: skip
    merged = any(a.n > dots for a in ranked)
    caption = (f"Each dot is 1/{dots} of the arm's seeds, at their quantiles. " if merged else "A dot per seed. ") + (
        "The bar below is the median with its 95 % interval. Crosses are members that diverged or failed; they count "
        "as 1. Dashed: success threshold. Dotted: noise floor."
    )
    lost = sum(a.diverged + a.failed for a in ranked)
    known = [v for v in ks if np.isfinite(v)]
    alt = f"Final KS of {len(known)} members of {len(ranked)} arms, {lost} of them diverged or failed" + (
        f"; from {min(known):.3g} to {max(known):.3g}." if known else "."
    )
    return Figure(
        name="final_ks",
        heading="Distance to the target after training",
        caption=caption,
        alt=alt,
        scene=Scene(
            [panel] if ranked else [],
            height=100 + 38 * max(len(ranked), 1),
            empty="" if ranked else "No committed row holds a final KS distance.",
        ),
        numbers=seed_table(context.frame, context.arms),
    )


def _dots(row: int, members: pd.DataFrame, style: Style, most: int) -> list[Mark]:
    """A dot for each seed of one arm, or for an equal share of them, and a cross for each that was lost."""
    lost = members["outcome"].isin(LOST).to_numpy()
    ks, seeds = members["ks"].to_numpy(dtype=np.float64).clip(LOWEST), members["seed"].astype(str).to_numpy()
    hover = np.array([f"seed {s}: KS {v:.3g}" for s, v in zip(seeds, ks, strict=True)], dtype=object)
    if ks.size > most:
        quantiles = np.linspace(0, ks.size - 1, most).round().astype(int)
        drawn = np.lexsort((lost, ks))[quantiles]
        ks, lost, hover = ks[drawn], lost[drawn], hover[drawn]
    y = row - 0.14 + (0.2 * np.linspace(-1, 1, ks.size) if ks.size > 1 else np.zeros(1))
    marks: list[Mark] = [Dots(ks[~lost], y[~lost], style, size=6, strength=0.6, hover=list(hover[~lost]))]
    if lost.any():
        cross = Style(style.colour, "x-thin")
        marks.append(Dots(ks[lost], y[lost], cross, size=7, strength=0.9, hover=list(hover[lost])))
    return marks


def _median_bar(row: int, arm: ArmResult) -> list[Mark]:
    ks = arm.ks_median
    if ks.estimate is None:
        return []
    low, high = (ks.estimate if v is None else v for v in (ks.low, ks.high))
    y = row + 0.26
    hover = f"median {ks.estimate:.3g} [{low:.2g}, {high:.2g}]"
    return [
        Line([low, high], [y, y], Style(INK), width=2.0),
        Dots([ks.estimate], [y], Style(INK, "line-ns"), size=9, strength=1, hover=[hover]),
    ]
