"""Of each arm the share of seeds that come within any distance of the target."""

from __future__ import annotations

import numpy as np

from analysis.plotting import Axis, Band, Line, Mark, Panel, Rule, Scene
from analysis.profiles import performance_profiles
from analysis.report.axes import extent, shares
from analysis.report.blocks import Figure, Section
from analysis.report.context import LOWEST, ReportContext

#: Numbers that the figure carries; bands are drawn where there are few arms.
_MOST, _BANDS = 4500, 8


def section(material: ReportContext) -> Section:
    """The profiles of all arms."""
    return Section("profiles", "How near, how often", [_figure(material)])


def _figure(material: ReportContext) -> Figure:
    ranked = [a.arm for a in material.ranked]
    bands = len(ranked) <= _BANDS
    points = int(np.clip(_MOST // (len(ranked) * (2 if bands else 1)), 20, 120)) if ranked else 20
    found = performance_profiles(material.frame, ranked, points)
    groups = {str(arm): own for arm, own in found.groupby("arm", sort=False)}
    threshold = material.comparison.success_ks
    low, high = extent([*found["ks"], 1.0], LOWEST, 1.0)
    panels = []
    for heading, some in shares(material, list(groups)):
        marks: list[Mark] = [Rule("x", threshold, f"success: below {threshold:g}"), Rule("y", 0.5, dash="dot")]
        for arm in some:
            own, look = groups[arm], material.look(arm)
            tau, share, least, most = (own[c].to_numpy(dtype=np.float64) for c in ("ks", "share", "low", "high"))
            told = [f"{arm}: {s:.0%} of seeds within KS {t:.3g}" for t, s in zip(tau, share, strict=True)]
            marks += [Band(tau, least, most, look, arm, 0.1)] if bands else []
            marks.append(Line(tau, share, type(look)(look.colour, "", look.dash), arm, told=told))
        x = Axis("KS distance τ (log scale)", log=True, low=low, high=high)
        panels.append(Panel(marks, x, Axis("share of seeds with KS ≤ τ", low=-0.02, high=1.02), heading))
    told = [f"{a.arm} {a.successes}/{a.n}" for a in material.ranked[:6]]
    return Figure(
        "profiles", "Performance profiles",
        "Higher is better: the share of an arm's seeds that come within τ of the target. Where a line passes the "
        "dotted line is its median; a member that diverged or failed never arrives. "
        + ("Bands: Wilson's 95 % interval at each τ. " if bands else "") + "Dashed: success threshold.",
        f"Share of seeds within any KS distance, a line per arm. Within {threshold:g}: {'; '.join(told)}.",
        Scene(panels, {a: material.look(a) for a in groups}, columns=2 if len(panels) > 1 else 1, height=360,
              empty="" if panels else "No committed row holds a final KS distance."),
        found,
    )  # fmt: skip
