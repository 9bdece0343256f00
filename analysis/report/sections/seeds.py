"""Every seed as a dot."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.comparison import ArmResult
from analysis.curves import seed_table
from analysis.plotting import INK, Axis, Dots, Line, Mark, Panel, Rule, Scene, Style
from analysis.report.axes import extent, floors
from analysis.report.blocks import Figure, Section
from analysis.report.context import DRAWS, LOWEST, ReportContext
from analysis.rows import LOST

#: Dots that a figure draws; where there are more seeds, a dot stands for an equal share of them.
_MOST = 4000


def section(material: ReportContext) -> Section:
    """The figure of all compared members."""
    return Section("seeds", "Every seed", [_figure(material)])


def _figure(material: ReportContext) -> Figure:
    ranked, comparison = material.ranked, material.comparison
    each = max(20, _MOST // max(len(ranked), 1))
    marks: list[Mark] = []
    for i, arm in enumerate(ranked):
        marks += _strip(i, arm, material.groups[arm.arm], material.look(arm.arm), each)
    ks = material.selection.frame["ks"]
    low, high = extent([*ks, comparison.success_ks], LOWEST)
    marks += [*floors(DRAWS, low, high, "x"),
              Rule("x", comparison.success_ks, f"success: below {comparison.success_ks:g}")]  # fmt: skip
    panel = Panel(
        marks, Axis("KS distance to the target after training (log scale)", log=True, low=low, high=high),
        Axis(names=[a.arm for a in ranked], low=-0.6, high=len(ranked) - 0.4, down=True),
    )  # fmt: skip
    shared = any(a.n > each for a in ranked)
    caption = (f"Each dot is 1/{each} of the arm's seeds, at their quantiles. " if shared else "A dot per seed. ") + (
        "The bar below is the median with its 95 % interval. Crosses are members that diverged or failed, counted as "
        "1. Dashed: success threshold. Dotted: noise floor."
    )
    lost = sum(a.diverged + a.failed for a in ranked)
    known = [v for v in ks if np.isfinite(v)]
    alt = f"Final KS of {len(known)} members of {len(ranked)} arms, {lost} of them diverged or failed" + (
        f"; from {min(known):.3g} to {max(known):.3g}." if known else "."
    )
    return Figure(
        "final_ks", "Distance to the target after training", caption, alt,
        Scene([panel] if ranked else [], height=100 + 38 * max(len(ranked), 1),
              empty="" if ranked else "No committed row holds a final KS distance."),
        seed_table(material.frame, material.arms),
    )  # fmt: skip


def _strip(line: int, arm: ArmResult, own: pd.DataFrame, look: Style, each: int) -> list[Mark]:
    """The dots of one arm, its crosses, and the bar of its median."""
    lost = own["outcome"].isin(LOST).to_numpy()
    ks, seeds = own["ks"].to_numpy(dtype=np.float64).clip(LOWEST), own["seed"].astype(str).to_numpy()
    told = np.array([f"seed {s}: KS {v:.3g}" for s, v in zip(seeds, ks, strict=True)], dtype=object)
    if ks.size > each:
        order = np.linspace(0, ks.size - 1, each).round().astype(int)
        kept = np.lexsort((lost, ks))[order]
        ks, lost, told = ks[kept], lost[kept], told[kept]
    y = line - 0.14 + (0.2 * np.linspace(-1, 1, ks.size) if ks.size > 1 else np.zeros(1))
    found = arm.ks_median
    marks: list[Mark] = [Dots(ks[~lost], y[~lost], look, size=6, strength=0.6, told=list(told[~lost]))]
    if lost.any():
        marks.append(Dots(ks[lost], y[lost], Style(look.colour, "x-thin"), size=7, strength=0.9, told=list(told[lost])))
    if found.estimate is not None:
        low, high = (found.estimate if v is None else v for v in (found.low, found.high))
        ends, below = [low, high], line + 0.26
        marks.append(Line(ends, [below, below], Style(INK), width=2.0))
        marks.append(Dots([found.estimate], [below], Style(INK, "line-ns"), size=9, strength=1,
                          told=[f"median {found.estimate:.3g} [{low:.2g}, {high:.2g}]"]))  # fmt: skip
    return marks
