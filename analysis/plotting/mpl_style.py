"""Matplotlib style of the figures: colours and marks of the arms, axes, legends, PNG. No global state."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatterSciNotation

from analysis.plotting.theme import DASHES, MARKERS, THEMES, styles_of
from harness.text import drawable

INK, QUIET, FAINT = "#222222", "#777777", "#DDDDDD"
WIDTH, DPI = 9.0, 110
#: Characters of a name beside an axis.
LONGEST_TICK = 54
#: Inches that a row of a legend takes; three rows fit below the panels without more height.
_LEGEND_ROW = 0.19


@dataclass(frozen=True)
class MplStyle:
    """Colour, marker and dash of one arm as matplotlib takes them."""

    colour: str
    marker: str
    dash: Any


def styles(arms: Iterable[str]) -> dict[str, MplStyle]:
    """A style per arm: that of ``theme.styles_of`` under matplotlib's names, in the light theme."""
    light = THEMES["light"]
    return {a: MplStyle(light[s.colour], MARKERS[s.marker], DASHES[s.dash]) for a, s in styles_of(arms).items()}


def panels(count: int, *, columns: int, height: float, sharex: bool, sharey: bool) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` equal panels (at least one), at most ``columns`` beside each other.

    ``height``: of a row of panels, in inches.
    """
    wide = max(1, min(columns, count))
    rows = max(1, math.ceil(count / wide))
    figure = Figure(figsize=(WIDTH, height * rows + 0.5), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, wide, sharex=sharex, sharey=sharey, squeeze=False)
    axes = [grid[i // wide, i % wide] for i in range(rows * wide)]
    for i, ax in enumerate(axes):
        if i >= max(count, 1):
            ax.set_axis_off()
        elif i + wide >= max(count, 1):
            # The panel below a short last row is switched off: its axis labels belong here.
            ax.tick_params(labelbottom=True)
    shown = axes[: max(count, 1)]
    for ax in shown:
        plain_axes(ax)
    return figure, shown


def plain_axes(ax: Axes) -> None:
    """Two quiet spines, small numbers, a faint grid behind."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(QUIET)
    ax.tick_params(colors=INK, labelsize=8)
    ax.grid(True, color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)


def title(ax: Axes, text: str, detail: str = "", width: int = 42, size: float = 8) -> None:
    """The panel's title on at most two lines and a line of detail; formula marks in them are drawn as they are."""
    lines = textwrap.wrap(drawable(text, 2 * width - 4), width)
    ax.set_title("\n".join([*lines, *([drawable(detail, width + 8)] if detail else [])]), fontsize=size, loc="left",
                 color=INK, parse_math=False)  # fmt: skip


def labels(ax: Axes, x: str = "", y: str = "") -> None:
    """Axis labels; an empty one leaves the axis without."""
    if x:
        ax.set_xlabel(drawable(x, 110), fontsize=9, color=INK, parse_math=False)
    if y:
        ax.set_ylabel(drawable(y, 60), fontsize=9, color=INK, parse_math=False)


def log_axis(ax: Axes, which: str) -> None:
    """Make the x or the y axis logarithmic: decades are labelled; within less than one, the steps between are, too."""
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_formatter(LogFormatterSciNotation())
    axis.set_minor_formatter(LogFormatterSciNotation(minor_thresholds=(1.5, 0.5)))
    axis.set_tick_params(which="minor", labelsize=7)


def legend(figure: Figure, entries: Mapping[str, Line2D], columns: int = 2) -> None:
    """A legend below the panels, one entry per arm, in the order given.

    A figure whose layout makes room for it grows by its height.
    """
    if not entries:
        return
    wide = min(columns, len(entries))
    fitted = figure.get_layout_engine() is not None
    if fitted:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + _LEGEND_ROW * max(0, math.ceil(len(entries) / wide) - 3))
    names = [drawable(n, 100 // wide) for n in entries]
    # A leading underscore would hide the entry; the zero-width joiner before it does not show.
    texts = [f"\u200d{n}" if n.startswith("_") else n for n in names]
    drawn = figure.legend(
        list(entries.values()), texts, loc="outside lower center" if fitted else "lower center", ncols=wide,
        fontsize=8.5, frameon=False, borderaxespad=0.1,
    )  # fmt: skip
    for entry in drawn.get_texts():
        entry.set_parse_math(False)


def key(style: MplStyle, *, line: bool = True) -> Line2D:
    """The legend's mark of an arm."""
    dash: Any = style.dash if line else "none"
    return Line2D([], [], color=style.colour, marker=style.marker, linestyle=dash, markersize=5)


def empty(reason: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure, (ax,) = panels(1, columns=1, height=1.2, sharex=False, sharey=False)
    ax.set_axis_off()
    ax.text(0.5, 0.5, drawable(reason, 110), ha="center", va="center", color=QUIET, fontsize=10, parse_math=False)
    return figure


def note(ax: Axes, text: str, height: float = 0.5) -> None:
    """Small text in a panel that has nothing to show, at that share of its height."""
    ax.text(0.5, height, drawable(text, 60), transform=ax.transAxes, ha="center", va="center", fontsize=8, color=QUIET,
            parse_math=False)  # fmt: skip


def tick_names(ax: Axes, positions: Sequence[float], names: Sequence[str]) -> None:
    """Names as tick labels of the y axis."""
    ax.set_yticks(list(positions))
    ax.set_yticklabels([drawable(n, LONGEST_TICK) for n in names], fontsize=8.5, parse_math=False)


def png(figure: Figure) -> bytes:
    """The figure as a PNG; the same figure gives the same bytes with the same matplotlib."""
    sink = io.BytesIO()
    figure.savefig(sink, format="png", facecolor="white", metadata={"Software": None})
    return sink.getvalue()
