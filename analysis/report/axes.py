"""What figures of a report have in common: ends of axes, floors, heights, steps that are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from analysis.intervals import noise_floor, stratified_floor
from analysis.plotting import QUIET, Rule
from analysis.report.context import MOST_LINES, ReportContext

#: Steps of a path that are drawn: more do not show on a panel.
MOST_STEPS = 40


def extent(values: Iterable[float], lowest: float, room: float = 1.25) -> tuple[float, float]:
    """Ends of a logarithmic axis that holds positive values, with some room; none below ``lowest``."""
    known = np.array([v for v in values if v is not None and np.isfinite(v)], dtype=np.float64).clip(lowest)
    if not known.size:
        return lowest, 1.0
    return float(known.min() / room), float(known.max() * room)


def floors(draws: int, low: float, high: float, axis: str) -> list[Rule]:
    """The noise floors that lie within the ends of an axis."""
    known = ((noise_floor(draws), "noise floor"), (stratified_floor(draws), ""))
    return [Rule(axis, at, text, dash="dot", colour=QUIET) for at, text in known if low < at < high]


def row_height(rows: int) -> int:
    """Pixels of a figure with a line per arm."""
    return 110 + 30 * max(rows, 1)


def drawn_steps(steps: Sequence[float]) -> list[float]:
    """At most ``MOST_STEPS`` of the steps, evenly among them, first and last included."""
    known = sorted(steps)
    if len(known) <= MOST_STEPS:
        return known
    return [known[i] for i in np.unique(np.linspace(0, len(known) - 1, MOST_STEPS).round().astype(int))]


def shares(material: ReportContext, arms: Sequence[str]) -> list[tuple[str, list[str]]]:
    """What each panel draws: a view, and at most ``MOST_LINES`` of its arms."""
    views = {a.arm: a.view for a in material.comparison.arms}
    found: list[tuple[str, list[str]]] = []
    for view in dict.fromkeys(views[a] for a in arms):
        there = [a for a in arms if views[a] == view]
        for i in range(0, len(there), MOST_LINES):
            some = there[i : i + MOST_LINES]
            part = f", arms {i + 1} to {i + len(some)}" if len(there) > MOST_LINES else ""
            found.append((f"view: {view}{part}", some))
    return found
