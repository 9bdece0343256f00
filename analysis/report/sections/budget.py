"""How good an arm gets when it may be tried k times."""

from __future__ import annotations

import numpy as np

from analysis.budget import budget_curves
from analysis.plotting import Axis, Band, Line, Mark, Panel, Scene, Style
from analysis.report.axes import extent, shares
from analysis.report.blocks import Figure, Section
from analysis.report.context import LOWEST, ReportContext

#: Numbers that the figure carries.
_MOST = 4500


def section(material: ReportContext) -> Section:
    """The curves of all arms."""
    return Section("budget", "What more trials would buy", [_figure(material)])


def _figure(material: ReportContext) -> Figure:
    trials = material.read.trials
    count = max(int(trials["arm"].nunique()), 1)
    found = budget_curves(trials, points=int(np.clip(_MOST // (2 * count), 8, 40)))
    groups = {str(a): own for a, own in found.groupby("arm", sort=False)}
    low, high = extent([*found["low"].to_numpy(float), *found["high"].to_numpy(float)], LOWEST)
    most = int(found["trials"].max()) if len(found) else 1
    panels = []
    for heading, some in shares(material, [a for a in material.arms if a in groups]):
        marks: list[Mark] = []
        for arm in some:
            own, look = groups[arm], material.look(arm)
            k, expected, least, worst = (own[c].to_numpy(np.float64) for c in ("trials", "expected", "low", "high"))
            told = [f"{arm}: the best of {n:.0f} trials, KS {v:.3g} [{a:.2g}, {b:.2g}]"
                    for n, v, a, b in zip(k, expected, least, worst, strict=True)]  # fmt: skip
            marks.append(Band(k, least.clip(LOWEST), worst.clip(LOWEST), look, arm, 0.12))
            sign = look if len(k) <= 12 else Style(look.colour, "", look.dash)
            marks.append(Line(k, expected.clip(LOWEST), sign, arm, told=told))
        x = Axis("trials of a search", log=most > 12, low=0.9 if most > 12 else None, high=1.1 * most if most > 12
                 else None)  # fmt: skip
        panels.append(Panel(marks, x, Axis("expected KS of the best", log=True, low=low, high=high), heading))
    last = [f"{a} {own['expected'].iloc[-1]:.3g} after {own['trials'].iloc[-1]}" for a, own in groups.items()]
    held = bool(found["held_out"].all()) if len(found) else True
    return Figure(
        "budget", "Expected best KS after k trials",
        "The best of k trials drawn from those of the search, chosen by half of its seeds and judged by the other "
        "half; bands: 95 % bootstrap over trials. The table has what was in hand in the order of the search, too."
        + ("" if held else " Trials with one seed are judged by the seed that chose them: their curves are too good."),
        f"Expected KS of the best of k trials, a line per arm: {'; '.join(last[:6]) or 'no trials'}.",
        Scene(panels, {a: material.look(a) for a in material.arms if a in groups},
              columns=2 if len(panels) > 1 else 1, height=360,
              empty="" if panels else "No searched trials are committed."),
        found,
    )  # fmt: skip
