"""Phase portraits of the Dirac-GAN: where generated data lie against D's weight, for six characteristic games."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.dirac.entries import rules_in, settings_text
from analysis.dirac.game import Game, game
from analysis.dirac.outcomes import course
from analysis.dirac.play import play
from analysis.plotting import mpl_style
from analysis.plotting.mpl_style import INK, QUIET
from harness.losses import parse_variant

#: What is drawn, with settings that replace the variant's needs.
PORTRAITS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("non_saturating", {}),
    ("minimax", {}),
    ("flipped_labels", {}),
    ("generator_label(t=0.5)", {}),
    ("wasserstein", {"weight_clip": 0.3}),
    ("non_saturating", {"r1": 0.3}),
)
#: Steps at the start that are drawn strongly, and steps at the end (about a rotation) that are drawn in black.
FIRST, LAST = 600, 130
#: Arrows across a panel.
GRID = 13
ARROWS = "#BFBFBF"


def portraits() -> Figure:
    """Six runs with alternating steps of 0.1 from theta = 1, psi = bias = 0, over the flow at bias 0."""
    look = mpl_style.styles([f"{text} {dict(needs)}" for text, needs in PORTRAITS])
    figure, axes = mpl_style.panels(len(PORTRAITS), columns=3, height=2.9, sharex=False, sharey=False)
    for i, (ax, (text, needs), style) in enumerate(zip(axes, PORTRAITS, look.values(), strict=True)):
        variant, params = parse_variant(text)
        rules = rules_in("alternating", needs)
        made = game(variant, params, rules)
        path = play(made, rules)
        _draw(ax, path, style.colour)
        _flow(ax, made)
        extra = settings_text(rules)
        mpl_style.title(ax, f"{text} with {extra}" if extra else text, course(made, rules, path).outcome, size=9)
        mpl_style.labels(ax, "θ (generated data)" if i >= 3 else "", "ψ (slope of D)" if i % 3 == 0 else "")
    return figure


def _draw(ax: Axes, path: np.ndarray, colour: str) -> None:
    at, weight = path[:, 0], path[:, 1]
    ax.grid(visible=False)
    ax.plot(at, weight, color=colour, lw=0.5, alpha=0.25, zorder=2)
    ax.plot(at[:FIRST], weight[:FIRST], color=colour, lw=1.0, zorder=3)
    ax.plot(at[-LAST:], weight[-LAST:], color=INK, lw=1.6, zorder=4)
    ax.plot(at[:1], weight[:1], "o", color=colour, ms=5, zorder=4)
    ax.axvline(0.0, color=QUIET, lw=0.9, ls=(0, (4, 3)), zorder=1)
    ax.plot([0.0], [0.0], "+", color=INK, ms=9, mew=1.6, zorder=5)
    for low, high, limits in ((at.min(), at.max(), ax.set_xlim), (weight.min(), weight.max(), ax.set_ylim)):
        low, high = min(low, -0.05), max(high, 0.05)
        limits(low - 0.12 * (high - low), high + 0.12 * (high - low))


def _flow(ax: Axes, made: Game) -> None:
    """Arrows of the flow at bias 0 over the panel, of one length: the direction is what they tell."""
    across, up = (np.linspace(*limits, GRID + 2)[1:-1] for limits in (ax.get_xlim(), ax.get_ylim()))
    points = [(x, y) for y in up for x in across]
    arrows = np.array([made.flow(0.0, (x, y, 0.0))[:2] for x, y in points])
    # In the panel's own proportions, so that an arrow points the way that a path runs there.
    scaled = arrows / [np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())]
    length = np.hypot(*scaled.T)
    unit = scaled / np.where(length > 0, length, 1.0)[:, None]
    ax.quiver(
        *np.array(points).T,
        *unit.T,
        color=ARROWS,
        scale=19,
        width=0.005,
        headwidth=4,
        headlength=4,
        pivot="mid",
        zorder=0,
    )
