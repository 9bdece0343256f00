"""Performance profiles: the share of an arm's seeds that come within any distance of the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.intervals import success_interval
from analysis.plotting import Axis, Band, Line, Mark, Panel, Rule, Scene, Style
from analysis.report.axes import extent, panel_arms
from analysis.report.blocks import Figure, Section
from analysis.report.context import LOWEST, ReportContext
from analysis.rows import select, views_of
from harness.metrics.trials import LOST

COLUMNS = ("arm", "ks", "share", "low", "high")
#: Numbers that the figure may hold, and arms from which on it has no bands.
_MAX_POINTS, _MAX_BANDS = 4500, 8


def section(context: ReportContext) -> Section:
    """Share of seeds within any distance of the target, arm by arm."""
    return Section("profiles", "How near, how often", [_figure(context)])


def performance_profiles(frame: pd.DataFrame, arms: Sequence[str] = (), points: int = 120) -> pd.DataFrame:
    """Share of an arm's seeds with KS <= tau, for ``points`` values of tau in equal ratios from the least KS to 1.

    A profile above another everywhere belongs to the better arm (Agarwal et al. 2021, sec. 4.2); it passes 1/2 at the
    median. A lost member reaches no tau. Columns: arm, ks (tau), share, low, high: the 95 % interval of a share at one
    tau is Wilson's, which the bootstrap of independent seeds approximates.
    """
    rows = select(frame).frame
    least = max(float(rows["ks"].min()), 1e-6) if len(rows) else 1e-6
    taus = np.geomspace(min(least, 0.5), 1.0, points, endpoint=False)
    parts = []
    for arm in (arm for view_arms in views_of(rows, arms).values() for arm in view_arms):
        members = rows[rows["arm"] == arm]
        reached = np.sort(members.loc[~members["outcome"].isin(LOST), "ks"].to_numpy())
        counts = np.searchsorted(reached, taus * (1 + 1e-12), side="right")
        intervals = {int(c): success_interval(int(c), len(members)) for c in np.unique(counts)}
        ends = [(intervals[int(c)].low, intervals[int(c)].high) for c in counts]
        low, high = np.array(ends, dtype=np.float64).T
        parts.append(pd.DataFrame({"arm": arm, "ks": taus, "share": counts / len(members), "low": low, "high": high}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({name: [] for name in COLUMNS})


def _figure(context: ReportContext) -> Figure:
    ranked = [a.arm for a in context.ranked]
    bands = len(ranked) <= _MAX_BANDS
    points = int(np.clip(_MAX_POINTS // (len(ranked) * (2 if bands else 1)), 20, 120)) if ranked else 20
    table = performance_profiles(context.frame, ranked, points)
    profiles = {str(arm): rows for arm, rows in table.groupby("arm", sort=False)}
    threshold = context.comparison.success_ks
    low, high = extent([*table["ks"], 1.0], LOWEST, 1.0)
    x = Axis("KS distance τ (log scale)", log=True, low=low, high=high)
    y = Axis("share of seeds with KS ≤ τ", low=-0.02, high=1.02)
    panels = []
    for heading, arms in panel_arms(context, list(profiles)):
        marks: list[Mark] = [Rule("x", threshold, f"success: below {threshold:g}"), Rule("y", 0.5, dash="dot")]
        for arm in arms:
            marks += _profile_marks(arm, profiles[arm], context.style(arm), bands=bands)
        panels.append(Panel(marks, x, y, heading))
    successes = [f"{a.arm} {a.successes}/{a.n}" for a in context.ranked[:6]]
    return Figure(
        name="profiles",
        heading="Performance profiles",
        caption="Higher is better: the share of an arm's seeds that come within τ of the target. A profile crosses the "
        "dotted line at the arm's median. A member that diverged or failed never arrives. "
        + ("Bands: Wilson's 95 % interval at each τ. " if bands else "")
        + "Dashed: success threshold.",
        alt=f"Share of seeds within any KS distance, a line per arm. Within {threshold:g}: {'; '.join(successes)}.",
        scene=Scene(
            panels,
            {a: context.style(a) for a in profiles},
            columns=2 if len(panels) > 1 else 1,
            height=360,
            empty="" if panels else "No committed row holds a final KS distance.",
        ),
        numbers=table,
    )


def _profile_marks(arm: str, profile: pd.DataFrame, style: Style, *, bands: bool) -> list[Mark]:
    tau, share, low, high = (profile[c].to_numpy(dtype=np.float64) for c in ("ks", "share", "low", "high"))
    hover = [f"{arm}: {s:.0%} of seeds within KS {t:.3g}" for t, s in zip(tau, share, strict=True)]
    line = Line(tau, share, Style(style.colour, "", style.dash), arm, hover=hover)
    return [Band(tau, low, high, style, key=arm, strength=0.1), line] if bands else [line]
