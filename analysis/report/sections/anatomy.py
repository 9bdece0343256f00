"""How hard the generator was pushed: D's logit on what it makes, its loss's slope there, and what came of it."""

from __future__ import annotations

import pandas as pd

from analysis.gradient_anatomy import QUANTITIES, gradient_anatomy
from analysis.plotting import Axis, Band, Line, Mark, Panel, Scene
from analysis.report.axes import drawn_steps, extent
from analysis.report.blocks import Figure, Section
from analysis.report.context import ReportContext

#: The least norm that a logarithmic axis shows.
_LEAST = 1e-8


def section(material: ReportContext) -> Section:
    """One figure, a panel per quantity."""
    return Section("anatomy", "What the generator was told", [_figure(material)])


def _figure(material: ReportContext) -> Figure:
    arms, said = material.shown()
    paths = gradient_anatomy(material.frame, arms)
    panels = [_panel(paths[paths["column"] == name], arms, material, meaning, log) for name, meaning, log in QUANTITIES]
    last = paths[paths["column"] == "slope"].drop_duplicates("arm", keep="last")
    slopes = "; ".join(f"{a} {v:.2g}" for a, v in zip(last["arm"], last["median"], strict=True)) or "none is known"
    seen = [arm for arm in arms if arm in set(paths["arm"])]
    return Figure(
        "gradient_anatomy", "Logit, slope and gradients over training",
        "Median over seeds and the middle half. Logit: log p/(1 - p) of the mean probability that D gives generated "
        "data. Slope: dL_G/dlogit of the arm's formula at that logit; zero is no push, and the sign says which way a "
        f"rising logit is taken. {said}".strip(),
        f"Four panels over training steps. Slope of the generator's loss at the last step: {slopes}.",
        Scene(panels if seen else [], {arm: material.look(arm) for arm in seen}, columns=2, height=280,
              empty="" if seen else "No committed row holds them."),
        paths,
    )  # fmt: skip


def _panel(paths: pd.DataFrame, arms: list[str], material: ReportContext, meaning: str, log: bool) -> Panel:
    marks: list[Mark] = []
    seen: list[float] = []
    for arm in arms:
        own = paths[paths["arm"] == arm]
        own = own[own["step"].isin(drawn_steps(own["step"].tolist()))]
        if own.empty:
            continue
        low, middle, high = ((own[n].clip(lower=_LEAST) if log else own[n]).tolist() for n in ("q25", "median", "q75"))
        steps, look = own["step"].tolist(), material.look(arm)
        seen += [*low, *high]
        told = [f"{arm}, step {s:.0f}: {v:.3g}" for s, v in zip(steps, middle, strict=True)]
        marks += [Band(steps, low, high, look, arm), Line(steps, middle, look, arm, told=told)]
    ends = extent(seen, _LEAST) if log else _most(paths["median"])
    return Panel(marks, Axis("training step", steps=True), Axis("", log=log, low=ends[0], high=ends[1]), meaning)


def _most(medians: pd.Series[float]) -> tuple[float | None, float | None]:
    """Ends of an axis by what most of the medians do: one arm that left would flatten the others to a line."""
    if medians.empty:
        return None, None
    low, high = float(medians.quantile(0.2)), float(medians.quantile(0.8))
    room = 5 * (high - low) or 1.0
    ends = max(min(0.0, float(medians.min())), low - room), min(max(0.0, float(medians.max())), high + room)
    margin = 0.05 * (ends[1] - ends[0]) or 1.0
    return ends[0] - margin, ends[1] + margin
