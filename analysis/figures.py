"""The figures of a report. Each is a function of committed rows: frame in, figure out.

``arms`` gives the order (by rank) and so the colours; an arm without rows keeps its place and is left blank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import drawing
from analysis.drawing import FAINT, INK, QUIET
from analysis.intervals import interval_of, noise_floor, stratified_floor
from analysis.rows import quantiles, select, tidy
from analysis.series import LEVELS, law_density, member_of, over_steps, trial_scores
from harness.targets import Target

DRAWS = 10_000
_LOWEST = 1e-5


#: Lines that one panel can hold and still be read.
MOST_LINES = 9


def ks_over_steps(frame: pd.DataFrame, arms: Sequence[str] = (), draws: int = DRAWS) -> Figure:
    """KS distance over training steps: median and middle half of the seeds per arm, a panel per view.

    Beyond ``MOST_LINES`` arms a view has several panels, arms in their order.
    """
    rows = select(frame).frame
    order, look = _order(rows, arms)
    views = list(dict.fromkeys(rows["view"].dropna()))
    if not views:
        return drawing.empty("No committed row holds a path over training steps.")
    shares = _shares(rows, views, order)
    figure, axes = drawing.panels(len(shares), columns=2, height=4.0, sharex=True, sharey=True)
    keys = {}
    for ax, (heading, view, some) in zip(axes, shares, strict=True):
        for arm in some:
            path = over_steps(rows[(rows["arm"] == arm) & (rows["view"] == view)], "ks")
            if path.empty:
                continue
            s, x = look[arm], path["step"]
            ax.fill_between(x, path["q25"].clip(_LOWEST), path["q75"].clip(_LOWEST), color=s.colour, alpha=0.13, lw=0)
            ax.plot(x, path["median"].clip(_LOWEST), color=s.colour, ls=s.dash, marker=s.marker, ms=4, lw=1.5)
            keys[arm] = drawing.key(s)
        drawing.log_axis(ax, "y")
        _floor_lines(ax, draws)
        drawing.title(ax, heading, size=9)
        drawing.labels(ax, "training step", "KS distance to the target")
    drawing.legend(figure, {a: keys[a] for a in order if a in keys})
    return figure


def _shares(rows: pd.DataFrame, views: Sequence[str], order: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """What each panel draws: its heading, its view, and at most ``MOST_LINES`` arms of that view."""
    found: list[tuple[str, str, list[str]]] = []
    for view in views:
        there = set(rows.loc[rows["view"] == view, "arm"])
        arms = [arm for arm in order if arm in there]
        for i in range(0, max(1, len(arms)), MOST_LINES):
            some = arms[i : i + MOST_LINES]
            part = f", arms {i + 1} to {i + len(some)}" if len(arms) > MOST_LINES else ""
            found.append((f"view: {view}{part}", view, some))
    return found


def _floor_lines(ax: Axes, draws: int) -> None:
    ax.axhline(noise_floor(draws), color=INK, lw=0.9, ls=(0, (4, 3)))
    ax.annotate(f"floor of {draws:,} independent draws", (0, noise_floor(draws)), (3, 2), ha="left", va="bottom",
                xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=7, color=INK)  # fmt: skip
    low = stratified_floor(draws)
    if ax.get_ylim()[0] < 4 * low:
        ax.axhline(low, color=QUIET, lw=0.9, ls=(0, (1, 2)))


def final_ks(frame: pd.DataFrame, arms: Sequence[str] = (), success_ks: float = 0.05, draws: int = DRAWS) -> Figure:
    """Final KS per arm: a dot per seed, the median and its 95 % bootstrap interval; lost members stand at 1."""
    rows = select(frame).frame
    order, look = _order(rows, arms)
    if rows.empty:
        return drawing.empty("No committed row holds a final KS distance.")
    figure, (ax,) = drawing.panels(1, columns=1, height=0.9 + 0.42 * len(order), sharex=False, sharey=False)
    for y, arm in enumerate(order):
        own = rows[rows["arm"] == arm]
        ks = own["ks"].to_numpy(dtype=np.float64).clip(_LOWEST)
        if not ks.size:
            continue
        lost = own["outcome"].isin(["diverged", "failed"]).to_numpy()
        spread = y - 0.15 + 0.22 * np.linspace(-1, 1, ks.size) if ks.size > 1 else np.array([y - 0.15])
        s, found = look[arm], interval_of(ks)
        ax.scatter(ks[~lost], spread[~lost], s=16, color=s.colour, marker=s.marker, alpha=0.55, lw=0)
        ax.scatter(ks[lost], spread[lost], s=20, color=s.colour, marker="x", lw=1.1)
        if found.estimate is not None:
            ax.plot(
                [found.low or found.estimate, found.high or found.estimate], [y + 0.22, y + 0.22], color=INK, lw=1.6
            )
            ax.plot([found.estimate] * 2, [y + 0.12, y + 0.32], color=INK, lw=2.2)
    drawing.log_axis(ax, "x")
    ax.axvline(success_ks, color=INK, lw=0.9, ls=(0, (4, 3)))
    ax.axvline(noise_floor(draws), color=QUIET, lw=0.9, ls=(0, (1, 2)))
    for x, text in ((success_ks, f"success: below {success_ks:g}"), (noise_floor(draws), "noise floor")):
        ax.annotate(text, (x, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center",
                    fontsize=7.5, color=INK)  # fmt: skip
    drawing.tick_names(ax, range(len(order)), order)
    ax.set_ylim(len(order) - 0.4, -0.6)
    drawing.labels(ax, "KS distance to the target after training (a cross: diverged or failed, counted as 1)")
    return figure


def densities(frame: pd.DataFrame, target: Target | None, arms: Sequence[str] = ()) -> Figure:
    """The target's density and that of each arm's generated law, at the arm's median seed."""
    return _member_panels(frame, target, arms, _draw_density, "value", "density", sharex=True)


def quantile_plot(frame: pd.DataFrame, target: Target | None, arms: Sequence[str] = ()) -> Figure:
    """Quantiles of each arm's generated law against the target's, at the arm's median and best seed."""
    return _member_panels(frame, target, arms, _draw_qq, "target's quantile", "generated quantile", sharex=False)


def _member_panels(
    frame: pd.DataFrame, target: Target | None, arms: Sequence[str], draw: Any, x: str, y: str, *, sharex: bool
) -> Figure:
    rows = select(frame).frame
    order, look = _order(rows, arms)
    if not order:
        return drawing.empty("No committed row holds a generated law.")
    figure, axes = drawing.panels(len(order), columns=3, height=2.2, sharex=sharex, sharey=sharex)
    for i, (ax, arm) in enumerate(zip(axes, order, strict=True)):
        own = rows[rows["arm"] == arm]
        drawing.title(ax, arm, draw(ax, own, target, look[arm]))
        drawing.labels(ax, x if i >= len(order) - 3 else "", y if i % 3 == 0 else "")
    return figure


def _draw_density(ax: Axes, own: pd.DataFrame, target: Target | None, look: drawing.Style) -> str:
    row = member_of(own, "median")
    top = _draw_target(ax, target)
    if row is None:
        drawing.note(ax, "no finite law")
        return ""
    _density_line(ax, quantiles(row), look, top)
    return f"seed {int(row['seed'])}, KS {row['ks']:.3g}"


def _draw_target(ax: Axes, target: Target | None) -> float | None:
    """Shade the target's density over its middle 99.8 %; return the height that panels share, if it is known."""
    if target is None:
        return None
    low, high = target.quantile(np.array([0.001, 0.999]))
    margin = 0.6 * (high - low)
    x = np.linspace(low - margin, high + margin, 400)
    f = np.nan_to_num(target.density(x), posinf=0.0)
    ax.fill_between(x, f, color=FAINT, lw=0)
    ax.plot(x, f, color=QUIET, lw=0.9)
    top = 1.8 * float(f.max()) or 1.0
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(0, top)
    return top


def _density_line(ax: Axes, law: Any, look: drawing.Style, top: float | None) -> None:
    x, f = law_density(law)
    if not x.size:
        ax.axvline(float(np.median(law)), color=look.colour, lw=2)
        return
    ax.plot(x, f, color=look.colour, lw=1.8)
    # What the shared axes cannot show is told, not silently cut.
    if ax.get_xlim()[1] < law[0] or law[-1] < ax.get_xlim()[0]:
        side = "right" if law[0] > ax.get_xlim()[1] else "left"
        drawing.note(ax, f"all mass off to the {side}, median {np.median(law):.3g}", 0.9)
    elif top is not None and f.max() > top:
        if f.min() > top:
            ax.axvline(float(np.median(law)), color=look.colour, lw=2)
        ax.annotate(f"peak {f.max():.2g}", (0.98, 0.8), xycoords="axes fraction", ha="right", fontsize=7.5, color=INK)


def _draw_qq(ax: Axes, own: pd.DataFrame, target: Target | None, look: drawing.Style) -> str:
    if target is None:
        drawing.note(ax, "the target is unknown")
        return ""
    ends = target.quantile(LEVELS[[0, -1]])
    ax.plot(ends, ends, color=QUIET, lw=0.9)
    median, best = member_of(own, "median"), member_of(own, "best")
    if median is None or best is None:
        drawing.note(ax, "no finite law")
        return ""
    dots, line = quantiles(median), quantiles(best)
    if dots is not None and dots.size == LEVELS.size:
        ax.scatter(target.quantile(LEVELS), dots, s=7, color=look.colour, lw=0)
    if line is not None and line.size == LEVELS.size:
        ax.plot(target.quantile(LEVELS), line, color=INK, lw=1.1, ls=(0, (4, 2)))
    return f"KS: median {median['ks']:.3g}, best {best['ks']:.3g}"


def search_scores(frame: pd.DataFrame, arms: Sequence[str] = ()) -> Figure:
    """Trial score (mean KS over its search seeds) against both learning rates, a panel per searched arm."""
    found = trial_scores(frame)
    order = [a for a in _order(tidy(frame)[0], arms)[0] if (found["arm"] == a).any()]
    if not order:
        return drawing.empty("No searched trials are committed, or their learning rates are missing.")
    look = drawing.styles(_order(tidy(frame)[0], arms)[0])
    figure, axes = drawing.panels(len(order), columns=3, height=2.2, sharex=True, sharey=True)
    for i, (ax, arm) in enumerate(zip(axes, order, strict=True)):
        own = found[found["arm"] == arm]
        colour = look[arm].colour
        ax.scatter(own["lr_g"], own["score"].clip(_LOWEST), s=18, color=colour, marker="o", lw=0)
        ax.scatter(own["lr_d"], own["score"].clip(_LOWEST), s=20, facecolors="none", edgecolors=INK, marker="^", lw=0.7)
        best = own.sort_values("score", kind="stable").iloc[0]
        ax.axhline(best["score"], color=QUIET, lw=0.8, ls=(0, (1, 2)))
        drawing.log_axis(ax, "x")
        drawing.log_axis(ax, "y")
        drawing.title(ax, arm, f"best {best['score']:.3g}, trial {int(best['trial'])} of {len(own)}")
        last = i >= len(order) - 3
        drawing.labels(ax, "learning rate" if last else "", "mean KS" if i % 3 == 0 else "")
    dot = drawing.Style(QUIET, "o", "none")
    hollow = drawing.key(drawing.Style(INK, "^", "none"), line=False)
    hollow.set_markerfacecolor("none")
    drawing.legend(figure, {"of the generator": drawing.key(dot, line=False), "of the discriminator": hollow})
    return figure


#: The lines of a loss panel: column, colour, dash, name.
LOSSES = (
    ("loss_d", "#0072B2", "-", "discriminator"),
    ("loss_g", "#D55E00", "-", "generator"),
    ("loss_d_real", "#009E73", (0, (5, 2)), "discriminator: real"),
    ("loss_d_fake", "#CC79A7", (0, (1, 1.4)), "discriminator: generated"),
)


def losses(frame: pd.DataFrame, arms: Sequence[str] = ()) -> Figure:
    """Losses of both players over training steps, median over seeds, a panel per arm, by rank of its KS."""
    rows = select(frame).frame
    order, _ = _order(rows, arms)
    if not order:
        return drawing.empty("No committed row holds losses.")
    figure, axes = drawing.panels(len(order), columns=3, height=2.2, sharex=True, sharey=False)
    for i, (ax, arm) in enumerate(zip(axes, order, strict=True)):
        own = rows[rows["arm"] == arm]
        drawn = 0
        for column, colour, dash, _ in LOSSES:
            path = over_steps(own, column)
            drawn += len(path)
            if len(path):
                ax.plot(
                    path["step"], path["median"], color=colour, ls=dash, lw=1.5, marker="." if len(path) == 1 else ""
                )
        if not drawn:
            drawing.note(ax, "no losses committed")
        drawing.title(ax, arm, f"final KS {own['ks'].median():.3g}" if len(own) else "")
        drawing.labels(ax, "training step" if i >= len(order) - 3 else "", "loss" if i % 3 == 0 else "")
    drawing.legend(figure, {n: drawing.key(drawing.Style(c, "", d)) for _, c, d, n in LOSSES}, columns=4)
    return figure


def _order(rows: pd.DataFrame, arms: Sequence[str]) -> tuple[list[str], dict[str, drawing.Style]]:
    """The arms as given, then those that only the rows know; and a style for each."""
    order = list(dict.fromkeys([*arms, *(str(a) for a in rows["arm"])]))
    return order, drawing.styles(order)


def winner_figures(row: Mapping[str, Any], target: Target) -> tuple[Figure, Figure]:
    """Q-Q plot and density of one member's generated law against the target, from its row in the store."""
    law = quantiles(row)
    look = drawing.styles(["winner"])["winner"]
    name = f"{row.get('arm')}, seed {row.get('seed')}"
    made = []
    for kind in ("qq", "density"):
        figure, (ax,) = drawing.panels(1, columns=1, height=4.0, sharex=False, sharey=False)
        figure.set_size_inches(6, 4.5)
        top = _draw_target(ax, target) if kind == "density" else None
        if law is None or (kind == "qq" and law.size != LEVELS.size):
            drawing.note(ax, f"no finite law: {row.get('sample_state') or row.get('outcome') or 'missing'}")
        elif kind == "density":
            _density_line(ax, law, look, top)
        else:
            x = target.quantile(LEVELS)
            ax.scatter(x, law, s=10, color=look.colour, lw=0)
            ax.plot(x[[0, -1]], x[[0, -1]], color=QUIET, lw=0.9)
        drawing.title(ax, name, width=70, size=9)
        drawing.labels(ax, *(("target's quantile", "generated quantile") if kind == "qq" else ("value", "density")))
        made.append(figure)
    return made[0], made[1]
