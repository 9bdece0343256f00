"""The arms by median KS distance on the confirm seeds, with intervals and paired differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison import ArmResult
from analysis.plotting import INK, Axis, IntervalMarks, Mark, Panel, Rule, Scene, Style
from analysis.report.axes import extent, floors, row_height
from analysis.report.blocks import Block, Bullets, Figure, Section, TableBlock
from analysis.report.context import LOWEST, ReportContext
from analysis.report.tables import ARM_HEADINGS, Table, arm_cells

LABELS = {
    "confirm": "Arms by median KS distance on the confirm seeds",
    "search only": "Search only, not a comparison: each arm's best trial on the seeds that chose it",
    "no rows": "No committed rows to compare",
}


def section(context: ReportContext) -> Section:
    """The arms by median KS, with intervals and paired differences to the baseline."""
    comparison = context.comparison
    table = Table(ARM_HEADINGS, tuple(arm_cells(a) for a in comparison.arms))
    blocks: list[Block] = [
        TableBlock(LABELS[comparison.stage], table, ranges=True),
        Bullets(column_notes(context)),
        _medians(context),
    ]
    if any(a.paired for a in context.ranked):
        blocks.append(_differences(context))
    return Section("ranking", "Ranking", blocks)


def column_notes(context: ReportContext) -> tuple[str, ...]:
    """The definition of each column of the table."""
    comparison = context.comparison
    baselines = [f"{arm} in view {view}" for view, arm in comparison.baselines.items()]
    notes = (
        "Seeds: members trained afresh on seeds that no search saw. A diverged or failed member counts as KS = 1 and "
        "as no success; none is dropped. Mean and sd of the generated law are medians over the scored seeds.",
        "KS: sup |F_generated - F_target|, on stratified noise. A perfect generator has "
        f"{comparison.stratified_floor:.2g} there. With as many independent draws it would have "
        f"{comparison.noise_floor:.2g} on average: the noise floor.",
        f"Success: KS < {comparison.success_ks:g}, share with Wilson's interval. Other intervals are of medians, "
        "from the order statistics of the seeds (Hettmansperger and Sheather 1986).",
        "Difference: median over shared seeds of KS minus the baseline's on the same seed; negative is nearer. p: "
        "Wilcoxon's signed-rank test with Holm's correction over all arms. In floors: that median divided by the noise "
        "floor.",
    )
    return (*notes, f"Baseline: {'; '.join(baselines)}.") if baselines else notes


def _medians(context: ReportContext) -> Figure:
    """Median KS per arm with its interval."""
    ranked, threshold = context.ranked, context.comparison.success_ks
    marks = [_median_mark(i, a, context.style(a.arm)) for i, a in enumerate(ranked)]
    ends = [v for a in ranked for v in (a.ks_median.low, a.ks_median.high) if v is not None]
    low, high = extent([*ends, threshold], LOWEST)
    rules = [*floors(low, high, "x"), Rule("x", threshold, f"success: below {threshold:g}")]
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
        name="ranking",
        heading="Median KS distance per arm",
        caption="Symbol: median over seeds; bar: its 95 % interval. Dashed: success threshold. Dotted: noise floor.",
        alt=alt,
        scene=Scene(
            [panel] if ranked else [], height=row_height(len(ranked)), empty="" if ranked else "No arm has rows."
        ),
        numbers=numbers,
    )


def _median_mark(y: int, arm: ArmResult, style: Style) -> IntervalMarks:
    ks = arm.ks_median
    low, middle, high = (max(v if v is not None else np.nan, LOWEST) for v in (ks.low, ks.estimate, ks.high))
    hover = f"{arm.arm}: {middle:.3g} [{low:.2g}, {high:.2g}], {arm.n} seeds"
    return IntervalMarks([y], [low], [middle], [high], style, hover=[hover])


def _differences(context: ReportContext) -> Figure:
    """Paired difference to the baseline per arm, with its interval and p."""
    arms = [(a.arm, a.paired) for a in context.ranked if a.paired]
    marks: list[Mark] = []
    numbers: list[dict[str, Any]] = []
    for i, (arm, paired) in enumerate(arms):
        point = paired.median.estimate or 0.0
        low, high = (point if v is None else v for v in (paired.median.low, paired.median.high))
        hover = f"{arm} minus {paired.baseline}: {point:+.3g} [{low:+.2g}, {high:+.2g}], p (Holm) {paired.p_holm:.3g}"
        marks.append(IntervalMarks([i], [low], [point], [high], context.style(arm), hover=[hover]))
        numbers.append(
            {"arm": arm, "baseline": paired.baseline, "pairs": paired.pairs, "median": point, "low": low, "high": high,
             "mean": paired.mean.estimate, "p": paired.p, "p Holm": paired.p_holm}
        )  # fmt: skip
    panel = Panel(
        [*marks, Rule("x", 0.0, "no difference", colour=INK, dash="solid")],
        Axis("KS minus the baseline's on the same seed (negative: nearer the target)"),
        Axis(names=[arm for arm, _ in arms], low=-0.6, high=len(arms) - 0.4, down=True),
    )  # fmt: skip
    distinct = [row["arm"] for row in numbers if row["p Holm"] < 0.05]
    alt = f"Paired differences to the baseline. Told apart from chance: {', '.join(map(str, distinct[:6])) or 'none'}."
    return Figure(
        name="differences",
        heading="Difference from the baseline, seed by seed",
        caption="Symbol: median over shared seeds; bar: its 95 % interval. p in the table is Wilcoxon's signed-rank "
        "test with Holm's correction.",
        alt=alt,
        scene=Scene([panel], height=row_height(len(arms))),
        numbers=pd.DataFrame(numbers, dtype=object),
    )
