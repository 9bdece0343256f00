"""KS, losses and gradient norms over training steps: median and middle half of the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.curves import over_steps, path_table
from analysis.plotting import Axis, Band, Line, Mark, Note, Panel, Scene, Style
from analysis.report.axes import drawn_steps, extent, floors, panel_arms
from analysis.report.blocks import Figure, Section
from analysis.report.context import LOWEST, ReportContext


@dataclass(frozen=True)
class SnapshotLine:
    """A line of a panel: its snapshot column, style and name; ``band``: whether the middle half is drawn."""

    column: str
    style: Style
    name: str
    band: bool = True


@dataclass(frozen=True)
class LineFigure:
    """A figure of snapshot columns, a panel per arm."""

    name: str
    heading: str
    caption: str
    label: str
    lines: Sequence[SnapshotLine]
    log: bool = False


LOSSES = LineFigure(
    "losses",
    "Losses beside the distance",
    "Median over seeds, and the middle half for each player's whole loss; arms in order of their final KS. A low loss "
    "is not a small distance: compare the last panels with the first. Each panel has its own scale.",
    "loss",
    (
        SnapshotLine("loss_d", Style("c0"), "discriminator"),
        SnapshotLine("loss_g", Style("c1"), "generator"),
        SnapshotLine("loss_d_real", Style("c2", dash="dash"), "discriminator: real", band=False),
        SnapshotLine("loss_d_fake", Style("c3", dash="dot"), "discriminator: generated", band=False),
    ),
)
NORMS = LineFigure(
    "gradient_norms",
    "Gradients of both players",
    "Euclidean norm of each player's gradient in the step of the snapshot: median over seeds and their middle half. A "
    "generator whose norm is near zero no longer learns, however far from the target it is.",
    "gradient norm",
    (
        SnapshotLine("grad_norm_d", Style("c0"), "discriminator"),
        SnapshotLine("grad_norm_g", Style("c1", dash="dash"), "generator"),
    ),
    log=True,
)

#: The least gradient norm that a logarithmic axis shows.
_LEAST_NORM = 1e-8


def section(context: ReportContext) -> Section:
    """KS, losses and gradient norms over training steps."""
    figures = [_distance(context), _line_figure(context, LOSSES), _line_figure(context, NORMS)]
    return Section("dynamics", "How the runs got there", figures)


def _distance(context: ReportContext) -> Figure:
    paths = {a: over_steps(context.groups[a], "ks") for a in context.arms if a in context.groups}
    paths = {a: _thinned(path) for a, path in paths.items() if not path.empty}
    low, high = extent([v for path in paths.values() for v in path["q25"]] + [1.0], LOWEST, 1.1)
    panels = [
        Panel(
            [mark for arm in arms for mark in _distance_marks(arm, paths[arm], context.style(arm))]
            + list(floors(low, high, "y")),
            Axis("training step", steps=True), Axis("KS distance", log=True, low=low, high=high), heading,
        )
        for heading, arms in panel_arms(context, list(paths))
    ]  # fmt: skip
    last = {a: float(path["median"].iloc[-1]) for a, path in paths.items()}
    alt = "Median KS distance over training steps. At the last step: " + (
        "; ".join(f"{a} {v:.3g}" for a, v in list(last.items())[:5]) or "nothing is committed"
    )
    return Figure(
        name="ks_over_steps",
        heading="Distance to the target during training",
        caption="Median over seeds and the band of their middle half. A member that diverged counts as 1 from then on. "
        "Dotted: noise floor. The buttons hide and show an arm.",
        alt=alt,
        scene=Scene(
            panels,
            {a: context.style(a) for a in paths},
            columns=2 if len(panels) > 1 else 1,
            height=360,
            empty="" if panels else "No committed row holds a path over training steps.",
        ),
        numbers=path_table(context.frame, context.arms, ["ks"]),
    )


def _distance_marks(arm: str, path: pd.DataFrame, style: Style) -> list[Mark]:
    step, median, q25, q75 = (path[c].to_numpy(dtype=np.float64) for c in ("step", "median", "q25", "q75"))
    hover = [
        f"{arm}, step {s:.0f}: KS {m:.3g} [{low:.2g}, {high:.2g}]"
        for s, m, low, high in zip(step, median, q25, q75, strict=True)
    ]
    return [
        Band(step, q25.clip(LOWEST), q75.clip(LOWEST), style, arm),
        Line(step, median.clip(LOWEST), style, arm, hover=hover),
    ]


def _thinned(path: pd.DataFrame) -> pd.DataFrame:
    return path[path["step"].isin(drawn_steps(path["step"].tolist()))]


def _line_figure(context: ReportContext, spec: LineFigure) -> Figure:
    arms, note = context.shown()
    panels, last = [], []
    for arm in arms:
        paths = {line: _path(context.groups[arm], line.column, positive=spec.log) for line in spec.lines}
        paths = {line: path for line, path in paths.items() if not path.empty}
        panels.append(_line_panel(context, spec, arm, paths))
        last += [f"{arm}, {line.name}: {path['median'].iloc[-1]:.3g}" for line, path in paths.items()]
    alt = f"{spec.heading}, one panel per arm. At the last step: {'; '.join(last[:6]) or 'nothing is committed'}."
    return Figure(
        name=spec.name,
        heading=spec.heading,
        caption=f"{spec.caption} {note}".strip(),
        alt=alt,
        scene=Scene(
            panels,
            {line.name: line.style for line in spec.lines},
            columns=3,
            height=230,
            empty="" if panels else "No committed row holds them.",
        ),
        numbers=path_table(context.frame, context.arms, [line.column for line in spec.lines]),
    )


def _path(members: pd.DataFrame, column: str, *, positive: bool) -> pd.DataFrame:
    """The steps of a column that are drawn; on a logarithmic axis those with a positive median."""
    path = _thinned(over_steps(members, column))
    return path[path["median"] > 0].assign(q25=path["q25"].clip(lower=_LEAST_NORM)) if positive else path


def _line_panel(context: ReportContext, spec: LineFigure, arm: str, paths: dict[SnapshotLine, pd.DataFrame]) -> Panel:
    marks: list[Mark] = []
    for line, path in paths.items():
        steps = path["step"].tolist()
        if line.band:
            marks.append(Band(steps, path["q25"].tolist(), path["q75"].tolist(), line.style, line.name))
        marks.append(Line(steps, path["median"].tolist(), line.style, line.name))
    ends = [v for path in paths.values() for v in (*path["q25"], *path["q75"])]
    low, high = extent(ends, _LEAST_NORM) if spec.log else (None, None)
    final = f"final KS {context.groups[arm]['ks'].median():.3g}"
    x, y = Axis("training step", steps=True), Axis(spec.label, log=spec.log, low=low, high=high)
    return Panel(marks or [Note("none committed")], x, y, arm, final)
