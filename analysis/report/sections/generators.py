"""Best, median and worst generator of each arm beside the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.curves import LEVELS, gap_to_target, law_density, law_table, member_of
from analysis.plotting import QUIET, Axis, Band, Dots, Line, Mark, Note, Panel, Scene, Style
from analysis.report.blocks import Figure, Section
from analysis.report.context import ReportContext
from analysis.rows import quantiles
from harness.data.target import Target

Float64 = NDArray[np.float64]

#: Which members of an arm are drawn, and how.
WHICH = {"median": Style("c0"), "best": Style("c2", dash="dash"), "worst": Style("c1", dash="dot")}
_TARGET = Style(QUIET)
#: Points of a curve, and arms, that a figure draws.
_MAX_POINTS, _MAX_ARMS = 50, 8


@dataclass(frozen=True)
class Drawing:
    """The marks of a panel, the ends of its axes (the data's own where None), and a note on what they cannot show."""

    marks: list[Mark]
    x: tuple[float, float] | None = None
    y: tuple[float, float] | None = None
    note: str = ""


#: Draws some members of an arm, by their names in ``WHICH``, beside the target.
Draw = Callable[[Mapping[str, "pd.Series[Any]"], Target | None], Drawing]


@dataclass(frozen=True)
class LawFigure:
    """A figure of generated laws, a panel per arm; ``reference`` is the legend's entry besides those of ``WHICH``."""

    name: str
    heading: str
    caption: str
    reference: str
    x: str
    y: str
    draw: Draw


def section(context: ReportContext) -> Section:
    """Best, median and worst generator of each arm: densities, quantiles, distribution functions."""
    return Section("generators", "What was learned", [_figure(context, figure) for figure in FIGURES])


def _members(context: ReportContext, arm: str) -> dict[str, pd.Series[Any]]:
    rows = {which: member_of(context.groups[arm], which) for which in WHICH}
    return {which: row for which, row in rows.items() if row is not None}


def _detail(members: Mapping[str, pd.Series[Any]], arm_rows: pd.DataFrame) -> str:
    scores = ", ".join(
        f"{which} {members[which]['ks']:.3g}" for which in ("best", "median", "worst") if which in members
    )
    lawless = sum(quantiles({"quantiles": cell}) is None for cell in arm_rows["quantiles"])
    parts = [f"KS {scores}"] if scores else []
    return "; ".join([*parts, *([f"{lawless} of {len(arm_rows)} have no finite law"] if lawless else [])])


def _figure(context: ReportContext, spec: LawFigure) -> Figure:
    arms, note = context.shown(_MAX_ARMS)
    panels, details = [], []
    for arm in arms:
        members = _members(context, arm)
        drawing, detail = spec.draw(members, context.target), _detail(members, context.groups[arm])
        above = "; ".join(part for part in (detail, drawing.note) if part)
        x, y = axis_between(spec.x, drawing.x), axis_between(spec.y, drawing.y)
        panels.append(Panel(drawing.marks, x, y, arm, above))
        details.append(f"{arm}: {detail}")
    return Figure(
        name=spec.name,
        heading=spec.heading,
        caption=f"{spec.caption} {note}".strip(),
        alt=f"{spec.heading}, one panel per arm. {'; '.join(details[:6])}.",
        scene=Scene(
            panels,
            {spec.reference: Style(QUIET), **WHICH},
            columns=3,
            height=240,
            empty="" if panels else "No committed row holds a generated law.",
        ),
        numbers=law_table(context.frame, context.target, context.arms),
    )


def axis_between(label: str, ends: tuple[float, float] | None) -> Axis:
    """An axis with those ends, or with the data's own."""
    return Axis(label, low=ends[0], high=ends[1]) if ends else Axis(label)


def draw_density(members: Mapping[str, pd.Series[Any]], target: Target | None) -> Drawing:
    """The target's density and those of the members' laws."""
    marks: list[Mark] = []
    low, high, top = -np.inf, np.inf, None
    if target is not None:
        low, high, x, f = _target_curve(target)
        top = _top(members, float(f.max()))
        marks += [
            Band(x, np.zeros_like(f), f, _TARGET, key="target", strength=0.22),
            Line(x, f, _TARGET, "target", 1.0),
        ]
    notes = []
    for which, row in members.items():
        law = _law(row)
        x, f = law_density(law)
        if law[-1] < low or law[0] > high:
            notes.append(f"{which} is off to the {'right' if law[0] > high else 'left'}, median {np.median(law):.3g}")
        elif not x.size or (top is not None and f.min() > top):  # a spike, all of it above the panel
            marks.append(Line([float(np.median(law))] * 2, [0.0, top or 1.0], WHICH[which], which, 2.0))
        else:
            keep = _thin(x.size)
            marks.append(Line(x[keep], f[keep] if top is None else f[keep].clip(max=1.5 * top), WHICH[which], which))
            if top is not None and f.max() > top:
                notes.append(f"{which} peaks at {f.max():.2g}")
    marks += [] if members else [Note("no finite law")]
    note = "; ".join(notes)
    return Drawing(marks, (low, high), (0.0, top), note) if top else Drawing(marks, note=note)


def _top(members: Mapping[str, pd.Series[Any]], target: float) -> float:
    """Height of the panel: the median seed's peak and some room, within 1.8 and 5 times the target's own peak."""
    _, f = law_density(_law(members["median"])) if "median" in members else ((), np.zeros(1))
    return float(np.clip(1.1 * np.max(f, initial=0.0), 1.8 * target, 5 * target)) or 1.0


def _target_curve(target: Target) -> tuple[float, float, Float64, Float64]:
    """Ends of the axis (the middle 99.8 % of the target and some room), and its density between them."""
    first, last = target.quantile(np.array([0.001, 0.999]))
    margin = 0.6 * (last - first)
    x = np.linspace(first - margin, last + margin, 100)
    return float(x[0]), float(x[-1]), x, np.nan_to_num(target.density(x), posinf=0.0)


def draw_quantiles(members: Mapping[str, pd.Series[Any]], target: Target | None) -> Drawing:
    """Generated quantiles of the members against the target's."""
    if target is None:
        return Drawing([Note("the target is unknown")])
    known = target.quantile(LEVELS)
    ends = known[[0, -1]]
    marks: list[Mark] = [Line(ends, ends, Style(QUIET), "perfect", 1.0)]
    keep = _thin(LEVELS.size)
    for which, row in members.items():
        law = _law(row)
        if law.size == LEVELS.size:
            marks.append(Line(known[keep], law[keep], WHICH[which], which))
    return Drawing(marks if members else [*marks, Note("no finite law")])


def draw_gap(members: Mapping[str, pd.Series[Any]], target: Target | None) -> Drawing:
    """F_generated - F_target of the members, the largest gap marked."""
    if target is None:
        return Drawing([Note("the target is unknown")])
    low, high, grid, _ = _target_curve(target)
    marks: list[Mark] = [Line([low, high], [0.0, 0.0], Style(QUIET), "zero", 1.0)]
    largest = 0.02
    for which, row in members.items():
        x, gap = gap_to_target(_law(row), target, grid)
        at = int(np.abs(gap).argmax())
        keep = np.unique([*_thin(x.size), at])
        marks.append(Line(x[keep], gap[keep], WHICH[which], which))
        marks.append(Dots([x[at]], [gap[at]], Style(WHICH[which].colour, "circle"), which, size=8, strength=1,
                          hover=[f"{which} seed {row['seed']}: largest gap {gap[at]:+.3g} at {x[at]:.4g}; "
                                f"KS {row['ks']:.3g}"]))  # fmt: skip
        largest = max(largest, float(np.abs(gap).max()))
    ends = (-1.1 * largest, 1.1 * largest)
    return Drawing(marks if members else [*marks, Note("no finite law")], (low, high), ends)


def _law(row: pd.Series[Any]) -> Float64:
    law = quantiles(row)
    assert law is not None  # noqa: S101 - member_of gives rows with a finite law alone
    return law


def _thin(size: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, size - 1, _MAX_POINTS).round().astype(np.int64))


FIGURES = (
    LawFigure(
        name="densities",
        heading="Densities",
        caption="Grey: the target. Lines: generated laws of the arm's best, median and worst seed, by their quantiles.",
        reference="target",
        x="value",
        y="density",
        draw=draw_density,
    ),
    LawFigure(
        name="quantiles",
        heading="Quantiles",
        caption="Generated quantiles against the target's. Grey: the line of a perfect generator. Each panel has its "
        "own scale.",
        reference="perfect",
        x="target's quantile",
        y="generated quantile",
        draw=draw_quantiles,
    ),
    LawFigure(
        name="cdf_differences",
        heading="Where the distance lies",
        caption="Generated minus target's distribution function. A dot marks the largest gap, which is the KS distance "
        "to the precision of 200 quantiles. Above zero: too much mass to the left of that value.",
        reference="zero",
        x="value",
        y="F generated - F target",
        draw=draw_gap,
    ),
)
