"""Several sweeps on one page: their arms side by side, and in words what of them cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.arms_table import HEADINGS, cells, interval_text
from analysis.comparison import ArmResult
from analysis.plotting import Axis, IntervalMarks, Mark, Panel, Scene
from analysis.report.axes import extent, floors, row_height
from analysis.report.blocks import Bullets, Facts, Figure, Lines, Section, Text
from analysis.report.context import DRAWS, LOWEST, ReportContext
from analysis.report.tables import Table

#: What must be equal for KS distances to be of the same thing, with the words for it.
_SAME_THING: Mapping[str, Callable[[ReportContext], Any]] = {
    "target": lambda m: m.target.text if m.target else "unknown",
    "training steps": lambda m: _steps(m),
}
#: What must be equal for the arms to have had the same chance.
_SAME_CHANCE: Mapping[str, Callable[[ReportContext], Any]] = {
    "search budget": lambda m: _searched(m),
    "confirm seeds": lambda m: max((a.n for a in m.ranked), default=0),
    "success threshold": lambda m: m.comparison.success_ks,
    "stage": lambda m: m.comparison.stage,
}


def _steps(material: ReportContext) -> str:
    steps = sorted({int(s) for s in material.selection.frame["steps"].dropna()})
    return ", ".join(map(str, steps)) or "unknown"


def _searched(material: ReportContext) -> str:
    told: Any = material.spec.get("search")
    if not isinstance(told, Mapping):
        return "unknown"
    space = json.dumps(told.get("space"), sort_keys=True, default=str)
    return f"{told.get('trials')} trials of {told.get('seeds')} seeds an arm, {told.get('sampler')} over {space}"


def section(materials: Sequence[ReportContext]) -> Section:
    """The arms of all sweeps in one table and one figure, with what cannot be compared in words."""
    same = all(len({str(get(m)) for m in materials}) == 1 for get in _SAME_THING.values())
    lines = [(m, a) for m in materials for a in m.comparison.arms]
    if same:
        lines.sort(key=lambda line: (line[1].n == 0, line[1].ks_median.estimate or 0.0))
    label = "Arms of all sweeps by median KS" if same else "Arms by sweep, in each by median KS"
    table = Table(("sweep", *HEADINGS), tuple((m.name, *cells(a)) for m, a in lines))
    return Section(
        "across", "All sweeps side by side",
        [
            Facts([(m.name, _nearest(m)) for m in materials]),
            Bullets(differences(materials), warning=True, label="What can be compared"),
            Lines(label, table, ranges=True),
            Text("Differences and their p-values are within a sweep: to the baseline of the arm's own view and sweep."),
            _figure([(m, a) for m, a in lines if a.n], label),
        ],
    )  # fmt: skip


def _nearest(material: ReportContext) -> str:
    if not material.ranked:
        return "no committed row can be compared"
    first = material.ranked[0]
    return f"least median KS: {first.arm}, {interval_text(first.ks_median)}"


def differences(materials: Sequence[ReportContext]) -> list[str]:
    """In words: what makes the sweeps' distances, or their chances, not the same; or that nothing does."""
    found = []
    for names, consequence in (
        (_SAME_THING, "their distances are not of the same thing, and are not ranked together"),
        (_SAME_CHANCE, "read differences between sweeps with care"),
    ):
        for what, get in names.items():
            told = [str(get(m)) for m in materials]
            if len(set(told)) > 1:
                each = "; ".join(f"{m.name}: {t}" for m, t in zip(materials, told, strict=True))
                found.append(f"Not the same {what} ({each}): {consequence}.")
    seeds = [{int(s) for s in m.selection.frame["seed"]} for m in materials]
    if not set.intersection(*seeds):
        found.append("No seed is shared by all sweeps: arms of different sweeps are not paired.")
    return found or ["Target, steps, budget, threshold and seeds are the same."]


def _figure(lines: Sequence[tuple[ReportContext, ArmResult]], label: str) -> Figure:
    names = [f"{a.arm} · {m.name}" for m, a in lines]
    marks: list[Mark] = []
    numbers: list[dict[str, Any]] = []
    for i, (material, arm) in enumerate(lines):
        found = arm.ks_median
        low, middle, high = (max(np.nan if v is None else v, LOWEST) for v in (found.low, found.estimate, found.high))
        told = f"{names[i]}: {interval_text(found)}, {arm.n} seeds"
        marks.append(IntervalMarks([i], [low], [middle], [high], material.look(arm.arm), told=[told]))
        numbers.append({"sweep": material.name, "arm": arm.arm, "seeds": arm.n, "median": found.estimate,
                        "low": found.low, "high": found.high})  # fmt: skip
    low, high = extent([v for line in numbers for v in (line["low"], line["high"]) if v is not None], LOWEST)
    panel = Panel([*marks, *floors(DRAWS, low, high, "x")],
                  Axis("median KS distance to the sweep's own target (log scale)", log=True, low=low, high=high),
                  Axis(names=names, low=-0.6, high=len(names) - 0.4, down=True))  # fmt: skip
    medians = [f"{n} {line['median']:.3g}" for n, line in zip(names, numbers, strict=True)]
    return Figure(
        "across", "Median KS distance of every arm of every sweep",
        "Symbol: median over the seeds; bar: its 95 % interval. An arm has the same colour in all sweeps.",
        f"{label}. {'; '.join(medians[:6])}.",
        Scene([panel] if lines else [], height=row_height(len(lines)), empty="" if lines else "No arm has rows."),
        pd.DataFrame(numbers, dtype=object),
    )  # fmt: skip
