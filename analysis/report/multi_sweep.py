"""Several sweeps on one page: their arms side by side, and in words what cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison import ArmResult
from analysis.plotting import Axis, IntervalMarks, Mark, Panel, Scene
from analysis.report.axes import extent, floors, row_height
from analysis.report.blocks import Bullets, Facts, Figure, Section, TableBlock, Text
from analysis.report.context import LOWEST, ReportContext
from analysis.report.tables import ARM_HEADINGS, Table, arm_cells, interval_text

#: Properties that must be equal for KS distances to measure the same thing.
_SAME_TASK: Mapping[str, Callable[[ReportContext], Any]] = {
    "target": lambda m: m.target.text if m.target else "unknown",
    "training steps": lambda m: _steps(m),
}
#: Properties that must be equal for the arms to have had the same chance.
_SAME_CHANCE: Mapping[str, Callable[[ReportContext], Any]] = {
    "search budget": lambda m: _searched(m),
    "confirm seeds": lambda m: max((a.n for a in m.ranked), default=0),
    "success threshold": lambda m: m.comparison.success_ks,
    "stage": lambda m: m.comparison.stage,
}


def _steps(context: ReportContext) -> str:
    steps = sorted({int(s) for s in context.selection.frame["steps"].dropna()})
    return ", ".join(map(str, steps)) or "unknown"


def _searched(context: ReportContext) -> str:
    search: Any = context.spec.get("search")
    if not isinstance(search, Mapping):
        return "unknown"
    space = json.dumps(search.get("space"), sort_keys=True, default=str)
    return f"{search.get('trials')} trials of {search.get('seeds')} seeds an arm, {search.get('sampler')} over {space}"


def section(contexts: Sequence[ReportContext]) -> Section:
    """The arms of all sweeps in one table and one figure, with what cannot be compared in words."""
    same_task = all(len({str(get(m)) for m in contexts}) == 1 for get in _SAME_TASK.values())
    arms = [(m, a) for m in contexts for a in m.comparison.arms]
    if same_task:
        arms.sort(key=lambda pair: (pair[1].n == 0, pair[1].ks_median.estimate or 0.0))
    label = "Arms of all sweeps by median KS" if same_task else "Arms by sweep, in each by median KS"
    table = Table(("sweep", *ARM_HEADINGS), tuple((m.name, *arm_cells(a)) for m, a in arms))
    return Section(
        "across", "All sweeps side by side",
        [
            Facts([(m.name, _nearest(m)) for m in contexts]),
            Bullets(differences(contexts), warning=True, label="What can be compared"),
            TableBlock(label, table, ranges=True),
            Text("Differences and their p-values are within a sweep: to the baseline of the arm's own view and sweep."),
            _figure([(m, a) for m, a in arms if a.n], label),
        ],
    )  # fmt: skip


def _nearest(context: ReportContext) -> str:
    if not context.ranked:
        return "no committed row can be compared"
    first = context.ranked[0]
    return f"least median KS: {first.arm}, {interval_text(first.ks_median)}"


def differences(contexts: Sequence[ReportContext]) -> list[str]:
    """Sentences on what makes the sweeps' distances, or their chances, different; or one that says nothing does."""
    sentences = []
    for properties, consequence in (
        (_SAME_TASK, "their distances do not measure the same thing and are not ranked together"),
        (_SAME_CHANCE, "read differences between sweeps with care"),
    ):
        for name, get in properties.items():
            values = [str(get(m)) for m in contexts]
            if len(set(values)) > 1:
                by_sweep = "; ".join(f"{m.name}: {v}" for m, v in zip(contexts, values, strict=True))
                sentences.append(f"Not the same {name} ({by_sweep}): {consequence}.")
    seeds = [{int(s) for s in m.selection.frame["seed"]} for m in contexts]
    if not set.intersection(*seeds):
        sentences.append("No seed is shared by all sweeps: arms of different sweeps are not paired.")
    return sentences or ["Target, steps, budget, threshold and seeds are the same."]


def _figure(arms: Sequence[tuple[ReportContext, ArmResult]], label: str) -> Figure:
    names = [f"{a.arm} · {m.name}" for m, a in arms]
    marks: list[Mark] = []
    numbers: list[dict[str, Any]] = []
    for i, (context, arm) in enumerate(arms):
        ks = arm.ks_median
        low, middle, high = (max(np.nan if v is None else v, LOWEST) for v in (ks.low, ks.estimate, ks.high))
        hover = f"{names[i]}: {interval_text(ks)}, {arm.n} seeds"
        marks.append(IntervalMarks([i], [low], [middle], [high], context.style(arm.arm), hover=[hover]))
        numbers.append({"sweep": context.name, "arm": arm.arm, "seeds": arm.n, "median": ks.estimate,
                        "low": ks.low, "high": ks.high})  # fmt: skip
    low, high = extent([v for row in numbers for v in (row["low"], row["high"]) if v is not None], LOWEST)
    panel = Panel([*marks, *floors(low, high, "x")],
                  Axis("median KS distance to the sweep's own target (log scale)", log=True, low=low, high=high),
                  Axis(names=names, low=-0.6, high=len(names) - 0.4, down=True))  # fmt: skip
    medians = [f"{n} {row['median']:.3g}" for n, row in zip(names, numbers, strict=True)]
    return Figure(
        name="across",
        heading="Median KS distance of every arm of every sweep",
        caption="Symbol: median over the seeds; bar: its 95 % interval. An arm has the same colour in all sweeps.",
        alt=f"{label}. {'; '.join(medians[:6])}.",
        scene=Scene([panel] if arms else [], height=row_height(len(arms)), empty="" if arms else "No arm has rows."),
        numbers=pd.DataFrame(numbers, dtype=object),
    )
