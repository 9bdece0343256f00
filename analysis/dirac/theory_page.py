"""The files of docs/: theory.md with the numbers of every game, its rows theory.csv, and phase portraits theory.png."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.dirac.entries import HEADINGS, disagreements, rules_in, settings_text, text_rows
from analysis.dirac.game import DiracGame, game
from analysis.dirac.label_theory import label_law_rows, landing
from analysis.dirac.play import play, result_of
from analysis.plotting import mpl_style
from analysis.plotting.mpl_style import INK, QUIET
from harness.losses import parse_variant
from harness.store import write_whole
from harness.text import markdown

#: The games of the phase portraits, with settings that replace the variant's required ones.
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


def write_theory(out: Path, entries: pd.DataFrame, others: pd.DataFrame) -> list[Path]:
    """Write the three files into ``out`` (made where missing) and return their paths."""
    environment = Environment(
        loader=PackageLoader("analysis"),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701
    )
    environment.filters["cell"] = markdown
    page = environment.get_template("theory.md").render(
        headings=HEADINGS,
        entries=text_rows(entries),
        others=text_rows(others),
        claims=int(entries["agrees"].ne("").sum()),
        wrong=len(disagreements(entries)),
        law=label_law_rows(),
        landing=landing(),
    )
    data = {"theory.md": page.encode(), "theory.csv": _csv(entries, others), "theory.png": mpl_style.png(portraits())}
    out.mkdir(parents=True, exist_ok=True)
    for name, content in data.items():
        write_whole(out / name, content)
    return [out / name for name in data]


def _csv(*frames: pd.DataFrame) -> bytes:
    sink = io.StringIO()
    pd.concat(frames, ignore_index=True).to_csv(
        sink, index=False, float_format="%.6g", quoting=csv.QUOTE_MINIMAL, lineterminator="\n"
    )
    return sink.getvalue().encode()


def portraits() -> Figure:
    """Six runs with alternating steps of 0.1 from theta = 1, psi = bias = 0, over the flow at bias 0."""
    styles = mpl_style.styles([f"{text} {dict(needs)}" for text, needs in PORTRAITS])
    figure, axes = mpl_style.panels(len(PORTRAITS), columns=3, height=2.9, sharex=False, sharey=False)
    for i, (ax, (text, needs), style) in enumerate(zip(axes, PORTRAITS, styles.values(), strict=True)):
        variant, params = parse_variant(text)
        rules = rules_in("alternating", needs)
        played = game(variant, params, rules)
        path = play(played, rules)
        _draw(ax, path, style.colour)
        _flow(ax, played)
        extra = settings_text(rules)
        mpl_style.title(ax, f"{text} with {extra}" if extra else text, result_of(played, rules, path).outcome, size=9)
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


def _flow(ax: Axes, played: DiracGame) -> None:
    """Arrows of the flow at bias 0 over the panel, all of one length: they show its direction."""
    across, up = (np.linspace(*limits, GRID + 2)[1:-1] for limits in (ax.get_xlim(), ax.get_ylim()))
    points = [(x, y) for y in up for x in across]
    arrows = np.array([played.flow(0.0, (x, y, 0.0))[:2] for x, y in points])
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
