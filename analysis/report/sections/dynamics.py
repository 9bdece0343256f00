"""How the run got there: KS, losses and gradient norms over steps, median and middle half of the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.curves import over_steps, path_table
from analysis.plotting import Axis, Band, Line, Mark, Note, Panel, Scene, Style
from analysis.report.axes import drawn_steps, extent, floors, shares
from analysis.report.blocks import Figure, Section
from analysis.report.context import DRAWS, LOWEST, ReportContext


@dataclass(frozen=True)
class Path:
    """A line of a panel: the snapshot column, how it is drawn, its name, and whether its band is drawn."""

    column: str
    look: Style
    name: str
    band: bool = True


LOSSES = (
    Path("loss_d", Style("c0"), "discriminator"),
    Path("loss_g", Style("c1"), "generator"),
    Path("loss_d_real", Style("c2", dash="dash"), "discriminator: real", band=False),
    Path("loss_d_fake", Style("c3", dash="dot"), "discriminator: generated", band=False),
)
NORMS = (Path("grad_norm_d", Style("c0"), "discriminator"), Path("grad_norm_g", Style("c1", dash="dash"), "generator"))

#: The least gradient norm that a logarithmic axis shows.
_LEAST_NORM = 1e-8


def section(material: ReportContext) -> Section:
    """Three figures over training steps."""
    return Section("dynamics", "How the runs got there", [_distance(material), _losses(material), _norms(material)])


def _distance(material: ReportContext) -> Figure:
    paths = {a: over_steps(material.groups[a], "ks") for a in material.arms if a in material.groups}
    paths = {a: _thinned(p) for a, p in paths.items() if not p.empty}
    low, high = extent([v for p in paths.values() for v in p["q25"]] + [1.0], LOWEST, 1.1)
    panels = [
        Panel(
            [m for arm in some for m in _distance_marks(paths[arm], material.look(arm), arm)]
            + list(floors(DRAWS, low, high, "y")),
            Axis("training step", steps=True), Axis("KS distance", log=True, low=low, high=high), heading,
        )
        for heading, some in shares(material, list(paths))
    ]  # fmt: skip
    last = {a: float(p["median"].iloc[-1]) for a, p in paths.items()}
    alt = "Median KS distance over training steps. At the last step: " + (
        "; ".join(f"{a} {v:.3g}" for a, v in list(last.items())[:5]) or "nothing is committed"
    )
    return Figure(
        "ks_over_steps", "Distance to the target during training",
        "Median over seeds and the band of their middle half. A member that diverged counts as 1 from there on. "
        "Dotted: noise floor. The buttons hide and show an arm.", alt,
        Scene(panels, {a: material.look(a) for a in paths}, columns=2 if len(panels) > 1 else 1,
              height=360, empty="" if panels else "No committed row holds a path over training steps."),
        path_table(material.frame, material.arms, ["ks"]),
    )  # fmt: skip


def _distance_marks(path: pd.DataFrame, look: Style, arm: str) -> list[Mark]:
    step, median, low, high = (path[c].to_numpy(dtype=np.float64) for c in ("step", "median", "q25", "q75"))
    told = [f"{arm}, step {s:.0f}: KS {m:.3g} [{a:.2g}, {b:.2g}]" for s, m, a, b in zip(step, median, low, high,
                                                                                        strict=True)]  # fmt: skip
    return [
        Band(step, low.clip(LOWEST), high.clip(LOWEST), look, arm),
        Line(step, median.clip(LOWEST), look, arm, told=told),
    ]


def _thinned(path: pd.DataFrame) -> pd.DataFrame:
    return path[path["step"].isin(drawn_steps(path["step"].tolist()))]


def _losses(material: ReportContext) -> Figure:
    return _paths(
        material, "losses", LOSSES, "loss", "Losses beside the distance",
        "Median over seeds, and the middle half for each player's whole loss; arms in order of their final KS. A low "
        "loss is not a small distance: compare the last panels with the first. Each panel has its own scale.",
        log=False,
    )  # fmt: skip


def _norms(material: ReportContext) -> Figure:
    return _paths(
        material, "gradient_norms", NORMS, "gradient norm", "Gradients of both players",
        "Euclidean norm of each player's gradient in the step of the snapshot: median over seeds and their middle "
        "half. A generator's norm near zero is a generator that no longer learns, wherever it stands.", log=True,
    )  # fmt: skip


def _paths(
    material: ReportContext, name: str, paths: Sequence[Path], label: str, heading: str, caption: str, *, log: bool
) -> Figure:
    arms, said = material.shown()
    panels, last = [], []
    for arm in arms:
        own = material.groups[arm]
        marks: list[Mark] = []
        seen: list[float] = []
        for path in paths:
            found = _thinned(over_steps(own, path.column))
            if log:
                found = found[found["median"] > 0]
            if found.empty:
                continue
            low = found["q25"].clip(lower=_LEAST_NORM) if log else found["q25"]
            seen += [*low, *found["q75"]]
            if path.band:
                marks.append(Band(found["step"].tolist(), low.tolist(), found["q75"].tolist(), path.look, path.name))
            marks.append(Line(found["step"].tolist(), found["median"].tolist(), path.look, path.name))
            last.append(f"{arm}, {path.name}: {found['median'].iloc[-1]:.3g}")
        final = f"final KS {own['ks'].median():.3g}"
        ends = extent(seen, _LEAST_NORM) if log else (None, None)
        y = Axis(label, log=log, low=ends[0], high=ends[1])
        panels.append(Panel(marks or [Note("none committed")], Axis("training step", steps=True), y, arm, final))
    alt = f"{heading}, one panel per arm. At the last step: {'; '.join(last[:6]) or 'nothing is committed'}."
    return Figure(
        name, heading, f"{caption} {said}".strip(), alt,
        Scene(panels, {p.name: p.look for p in paths}, columns=3, height=230,
              empty="" if panels else "No committed row holds them."),
        path_table(material.frame, material.arms, [p.column for p in paths]),
    )  # fmt: skip
