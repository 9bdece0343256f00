"""The arms by median KS distance on the confirm seeds, with intervals and paired differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.arms_table import HEADINGS, cells
from analysis.comparison import ArmResult
from analysis.plotting import INK, Axis, IntervalMarks, Mark, Panel, Rule, Scene, Style
from analysis.report.axes import extent, floors, row_height
from analysis.report.blocks import Block, Bullets, Figure, Lines, Section
from analysis.report.context import DRAWS, LOWEST, ReportContext
from analysis.report.tables import Table

LABELS = {
    "confirm": "Arms by median KS distance on the confirm seeds",
    "search only": "Search only, not a comparison: each arm's best trial on the seeds that chose it",
    "no rows": "No committed rows to compare",
}


def section(material: ReportContext) -> Section:
    """The answer table, how to read it, and its figures."""
    comparison = material.comparison
    table = Table(HEADINGS, tuple(cells(a) for a in comparison.arms))
    blocks: list[Block] = [
        Lines(LABELS[comparison.stage], table, ranges=True),
        Bullets(reading(material)),
        medians(material),
    ]
    if any(a.paired for a in material.ranked):
        blocks.append(differences(material))
    return Section("ranking", "Ranking", blocks)


def reading(material: ReportContext) -> tuple[str, ...]:
    """How the table's columns are made."""
    told = material.comparison
    baselines = [f"{arm} in view {view}" for view, arm in told.baselines.items()]
    lines = [
        "Seeds: members trained afresh on seeds that no search saw. A diverged or failed member counts as KS = 1 and "
        "as no success; none is dropped. Mean and sd of the generated law are medians over the scored seeds.",
        "KS: sup |F_generated - F_target|, on stratified noise. A perfect generator reads "
        f"{told.stratified_floor:.2g} there, and {told.noise_floor:.2g} on average from as many "
        "independent draws: the noise floor.",
        f"Success: KS < {told.success_ks:g}, share with Wilson's interval. Other intervals are of medians, "
        "from the order statistics of the seeds (Hettmansperger and Sheather 1986).",
        "Difference: median over shared seeds of KS minus the baseline's on the same seed; negative is nearer. p: "
        "Wilcoxon's signed-rank test with Holm's correction over all arms. In floors: that median over the floor.",
    ]
    return (*lines, f"Baseline: {'; '.join(baselines)}.") if baselines else tuple(lines)


def medians(material: ReportContext) -> Figure:
    """Median KS per arm with its interval."""
    ranked, comparison = material.ranked, material.comparison
    marks = [_span(i, a, material.look(a.arm)) for i, a in enumerate(ranked)]
    ends = [v for a in ranked for v in (a.ks_median.low, a.ks_median.high) if v is not None]
    low, high = extent([*ends, comparison.success_ks], LOWEST)
    rules = [*floors(DRAWS, low, high, "x"),
             Rule("x", comparison.success_ks, f"success: below {comparison.success_ks:g}")]  # fmt: skip
    panel = Panel(
        [*marks, *rules], Axis("median KS distance to the target (log scale)", log=True, low=low, high=high),
        Axis(names=[a.arm for a in ranked], low=-0.6, high=len(ranked) - 0.4, down=True),
    )  # fmt: skip
    numbers = pd.DataFrame(
        [{"arm": a.arm, "seeds": a.n, "median": a.ks_median.estimate, "low": a.ks_median.low, "high": a.ks_median.high,
          "interval": a.ks_median.method} for a in ranked], dtype=object,
    )  # fmt: skip
    alt = "Median KS distance of each arm with its 95 % interval. " + "; ".join(
        f"{a.arm} {a.ks_median.estimate:.3g}" for a in ranked[:5] if a.ks_median.estimate is not None
    )
    return Figure(
        "ranking", "Median KS distance per arm",
        "Symbol: median over the seeds; bar: its 95 % interval. Dashed: success threshold. Dotted: noise floor.", alt,
        Scene([panel] if ranked else [], height=row_height(len(ranked)), empty="" if ranked else "No arm has rows."),
        numbers,
    )  # fmt: skip


def _span(line: int, arm: ArmResult, look: Style) -> IntervalMarks:
    found = arm.ks_median
    low, middle, high = (max(v if v is not None else np.nan, LOWEST) for v in (found.low, found.estimate, found.high))
    told = f"{arm.arm}: {middle:.3g} [{low:.2g}, {high:.2g}], {arm.n} seeds"
    return IntervalMarks([line], [low], [middle], [high], look, told=[told])


def differences(material: ReportContext) -> Figure:
    """Paired difference to the baseline per arm, with its interval and p."""
    arms = [(a.arm, a.paired) for a in material.ranked if a.paired]
    marks: list[Mark] = []
    lines: list[dict[str, Any]] = []
    for i, (arm, gap) in enumerate(arms):
        point = gap.median.estimate or 0.0
        low, high = (point if v is None else v for v in (gap.median.low, gap.median.high))
        told = f"{arm} minus {gap.baseline}: {point:+.3g} [{low:+.2g}, {high:+.2g}], p (Holm) {gap.p_holm:.3g}"
        marks.append(IntervalMarks([i], [low], [point], [high], material.look(arm), told=[told]))
        lines.append({"arm": arm, "baseline": gap.baseline, "pairs": gap.pairs, "median": point, "low": low,
                      "high": high, "mean": gap.mean.estimate, "p": gap.p, "p Holm": gap.p_holm})  # fmt: skip
    panel = Panel(
        [*marks, Rule("x", 0.0, "no difference", colour=INK, dash="solid")],
        Axis("KS minus the baseline's on the same seed (negative: nearer the target)"),
        Axis(names=[arm for arm, _ in arms], low=-0.6, high=len(arms) - 0.4, down=True),
    )  # fmt: skip
    apart = [line["arm"] for line in lines if line["p Holm"] < 0.05]
    alt = f"Paired differences to the baseline. Told apart from chance: {', '.join(map(str, apart[:6])) or 'none'}."
    return Figure(
        "differences", "Difference from the baseline, seed by seed",
        "Symbol: median over shared seeds; bar: its 95 % interval. p in the table is Wilcoxon's signed-rank test with "
        "Holm's correction.", alt, Scene([panel], height=row_height(len(arms))), pd.DataFrame(lines, dtype=object),
    )  # fmt: skip
