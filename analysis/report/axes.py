"""Helpers of the report's figures: ends of axes, noise floors, heights, steps and arms that a panel draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from analysis.comparison import DRAWS
from analysis.intervals import noise_floor, stratified_floor
from analysis.plotting import QUIET, Rule
from analysis.report.context import MAX_LINES, ReportContext

#: Steps of a path that are drawn: more do not show on a panel.
MAX_STEPS = 40


def extent(values: Iterable[float], lowest: float, room: float = 1.25) -> tuple[float, float]:
    """Ends of a logarithmic axis that holds positive values, with some room; none below ``lowest``."""
    known = np.array([v for v in values if v is not None and np.isfinite(v)], dtype=np.float64)
    if not known.size:
        return lowest, 1.0
    known = known.clip(lowest, np.finfo(np.float64).max / room)
    return float(known.min() / room), float(known.max() * room)


def floors(low: float, high: float, axis: str) -> list[Rule]:
    """The noise floors that lie within the ends of an axis."""
    known = ((noise_floor(DRAWS), "noise floor"), (stratified_floor(DRAWS), ""))
    return [Rule(axis, at, text, dash="dot", colour=QUIET) for at, text in known if low < at < high]


def row_height(rows: int) -> int:
    """Pixels of a figure with a line per arm."""
    return 110 + 30 * max(rows, 1)


def drawn_steps(steps: Sequence[float]) -> list[float]:
    """At most ``MAX_STEPS`` of the steps, evenly among them, first and last included."""
    known = sorted(steps)
    if len(known) <= MAX_STEPS:
        return known
    return [known[i] for i in np.unique(np.linspace(0, len(known) - 1, MAX_STEPS).round().astype(int))]


def panel_arms(context: ReportContext, arms: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Title and arms of each panel: one view, and at most ``MAX_LINES`` of its arms."""
    views = {a.arm: a.view for a in context.comparison.arms}
    panels: list[tuple[str, list[str]]] = []
    for view in dict.fromkeys(views[a] for a in arms):
        in_view = [a for a in arms if views[a] == view]
        for i in range(0, len(in_view), MAX_LINES):
            chosen = in_view[i : i + MAX_LINES]
            part = f", arms {i + 1} to {i + len(chosen)}" if len(in_view) > MAX_LINES else ""
            panels.append((f"view: {view}{part}", chosen))
    return panels
