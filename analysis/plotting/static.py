"""A scene as a figure of matplotlib in the light theme, and that as PNG and SVG."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from analysis.plotting import mpl_style
from analysis.plotting.marks import Axis, Band, Dots, Heatmap, IntervalMarks, Line, Mark, Note, Panel, Rule, Scene
from analysis.plotting.theme import DASHES, MARKERS, SCALE, THEMES, Style
from harness.text import drawable

_LIGHT = THEMES["light"]
_MAP = LinearSegmentedColormap.from_list("scale", SCALE)
#: Inches per pixel of a scene's height: paper holds more than a screen.
_INCHES_PER_PIXEL = 1 / 120
_FONT_SIZE = 8
#: Characters of a line above a panel, where there are three panels in a row.
_TITLE_WIDTH = 40


def to_matplotlib(scene: Scene) -> Figure:
    """The scene as a figure of matplotlib."""
    if scene.empty or not scene.panels:
        return mpl_style.empty(scene.empty or "There is nothing to draw.")
    figure, axes = _grid(scene)
    for ax, panel in zip(axes, scene.panels, strict=True):
        _draw(ax, panel, figure)
    mpl_style.legend(figure, {name: _key(style) for name, style in scene.keys.items()}, columns=2)
    return figure


def _grid(scene: Scene) -> tuple[Figure, list[Axes]]:
    """A figure with room for the words around its panels, computed here: matplotlib's layout takes ten times as long as
    everything else.
    """
    wide = max(1, min(scene.columns, len(scene.panels)))
    rows = math.ceil(len(scene.panels) / wide)
    names = max((min(len(n), mpl_style.LONGEST_TICK) for p in scene.panels for n in p.y.names), default=0)
    left, right = max(0.62, 0.2 + 0.068 * names), 0.15
    lines = max(len(_title(p)) + _has_rule_text(p) for p in scene.panels)
    below = 1.1 if any(p.x.names for p in scene.panels) else 0.5
    above, keys = 0.12 + 0.15 * lines, 0.19 * math.ceil(len(scene.keys) / 2) + 0.1
    inner = max(scene.height * _INCHES_PER_PIXEL - below, 0.8)
    height = rows * (inner + above + below) + keys
    figure = Figure(figsize=(mpl_style.WIDTH, height), dpi=mpl_style.DPI)
    FigureCanvasAgg(figure)
    width = (mpl_style.WIDTH - wide * (left + right)) / wide
    axes = []
    for i in range(len(scene.panels)):
        x = (i % wide) * (left + width + right) + left
        y = keys + (rows - 1 - i // wide) * (inner + above + below) + below
        box = (x / mpl_style.WIDTH, y / height, width / mpl_style.WIDTH, inner / height)
        ax = figure.add_axes(box)
        mpl_style.plain_axes(ax)
        axes.append(ax)
    return figure, axes


def _title(panel: Panel) -> list[str]:
    """Title and detail, each in at most three lines as wide as a panel of three."""
    texts = [drawable(text, 3 * _TITLE_WIDTH) for text in (panel.title, panel.detail) if text]
    return [line for text in texts for line in textwrap.wrap(text, _TITLE_WIDTH)[:3]]


def _has_rule_text(panel: Panel) -> bool:
    return any(isinstance(m, Rule) and m.axis == "x" and m.text for m in panel.marks)


def png(figure: Figure) -> bytes:
    """The figure as a PNG; the same figure gives the same bytes with the same matplotlib."""
    return mpl_style.png(figure)


def svg(figure: Figure) -> bytes:
    """The figure as an SVG with text as text; the same figure gives the same bytes with the same matplotlib."""
    sink = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "scene", "svg.fonttype": "none"}):
        figure.savefig(sink, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return sink.getvalue()


def _draw(ax: Axes, panel: Panel, figure: Figure) -> None:
    for mark in panel.marks:
        if not isinstance(mark, (Rule, Note)):
            _mark(ax, mark, figure)
    _axis(ax, panel.x, "x")
    _axis(ax, panel.y, "y")
    for mark in panel.marks:
        if isinstance(mark, Rule):
            _rule(ax, mark)
        elif isinstance(mark, Note):
            ax.text(mark.x, mark.y, drawable(mark.text, 60), transform=ax.transAxes, ha=mark.anchor, va="center",
                    fontsize=_FONT_SIZE, color=_LIGHT[mark.colour], parse_math=False)  # fmt: skip
    lines = _title(panel)
    if lines:
        # Words of rules stand directly above the panel; the title stands above those.
        ax.set_title("\n".join(lines), fontsize=_FONT_SIZE, loc="left", color=_LIGHT["ink"], parse_math=False,
                     pad=14 if _has_rule_text(panel) else 4)  # fmt: skip
    mpl_style.labels(ax, panel.x.label, panel.y.label)


def _mark(ax: Axes, mark: Mark, figure: Figure) -> None:
    if isinstance(mark, Heatmap):
        _heatmap(ax, mark, figure)
        return
    if isinstance(mark, (Rule, Note)):
        return
    colour, marker = _LIGHT[mark.style.colour], MARKERS.get(mark.style.marker, "")
    if isinstance(mark, Line):
        ax.plot(mark.x, mark.y, color=colour, ls=DASHES[mark.style.dash], marker=marker, ms=3.5, lw=mark.width)
    elif isinstance(mark, Band):
        ax.fill_between(np.asarray(mark.x), mark.low, mark.high, color=colour, alpha=mark.strength, lw=0)
    elif isinstance(mark, Dots):
        _dots(ax, mark, colour, marker or "o")
    elif isinstance(mark, IntervalMarks):
        ax.hlines(mark.y, mark.low, mark.high, color=colour, lw=1.7)
        ax.plot(mark.middle, mark.y, color=colour, marker=marker or "|", ms=7, mew=1.8, ls="none")
    else:
        ax.barh(mark.y, mark.length, left=mark.start, height=0.62, color=colour, ec="white", lw=0.6)


def _dots(ax: Axes, mark: Dots, colour: str, marker: str) -> None:
    area = (np.asarray(mark.size, dtype=np.float64) * 0.75) ** 2
    thin = marker in ("x", "|")
    face = "none" if mark.hollow and not thin else colour
    ax.scatter(mark.x, mark.y, s=area, marker=marker, alpha=mark.strength, facecolors=face,
               edgecolors=None if thin else colour, lw=1.2 if thin or mark.hollow else 0)  # fmt: skip


def _heatmap(ax: Axes, mark: Heatmap, figure: Figure) -> None:
    norm = (LogNorm if mark.log else Normalize)(mark.low, mark.high)
    x, y = ((np.asarray(v) if mark.edges else _edges(len(v))) for v in (mark.x, mark.y))
    drawn = ax.pcolormesh(x, y, np.ma.masked_invalid(mark.value), norm=norm, cmap=_MAP, edgecolors="white", lw=0.5)
    bar = figure.colorbar(drawn, ax=ax, shrink=0.9)
    bar.set_label(drawable(mark.label), fontsize=_FONT_SIZE, parse_math=False)
    bar.ax.tick_params(labelsize=7)
    for i, line in enumerate(mark.shown):
        for j, text in enumerate(line):
            light = np.isfinite(mark.value[i][j]) and norm(mark.value[i][j]) < 0.55
            ax.text(j, i, drawable(text), ha="center", va="center", fontsize=7, color="white" if light else "black",
                    parse_math=False)  # fmt: skip


def _edges(count: int) -> np.ndarray:
    return np.arange(count + 1) - 0.5


def _rule(ax: Axes, mark: Rule) -> None:
    colour = _LIGHT[mark.colour]
    (ax.axvline if mark.axis == "x" else ax.axhline)(mark.at, color=colour, lw=0.9, ls=DASHES[mark.dash])
    if not mark.text:
        return
    text = drawable(mark.text, 60)
    if mark.axis == "x":
        ax.annotate(text, (mark.at, 1), (0, 2), xycoords=("data", "axes fraction"), textcoords="offset points",
                    ha=_side(ax, mark.at), fontsize=7, color=colour, parse_math=False)  # fmt: skip
    else:
        ax.annotate(text, (0, mark.at), (3, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                    ha="left", fontsize=7, color=colour, parse_math=False)  # fmt: skip


def _side(ax: Axes, at: float) -> str:
    share = float(ax.transAxes.inverted().transform(ax.transData.transform((at, 1)))[0])
    return "left" if share < 0.2 else "right" if share > 0.8 else "center"


def _axis(ax: Axes, axis: Axis, which: str) -> None:
    mpl_axis = ax.xaxis if which == "x" else ax.yaxis
    if axis.log:
        (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    if axis.low is not None and axis.high is not None:
        ends = (axis.high, axis.low) if axis.down else (axis.low, axis.high)
        (ax.set_xlim if which == "x" else ax.set_ylim)(*ends)
    elif axis.down:
        mpl_axis.set_inverted(True)
    if axis.names:
        _names(ax, axis.names, which)
    elif axis.bare:
        mpl_axis.set_ticks([])
        ax.grid(False)
    elif axis.log:
        # As on the page: with few decades two and five are labelled, too.
        low, high = mpl_axis.get_view_interval()
        mpl_axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 60 * low else (1.0,), numticks=8))
        mpl_axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        mpl_axis.set_minor_locator(NullLocator())
    else:
        mpl_axis.set_major_locator(MaxNLocator(5))
        if axis.steps:
            mpl_axis.set_major_formatter("{x:,.6g}")


def _names(ax: Axes, names: Sequence[str], which: str) -> None:
    if which == "y":
        mpl_style.tick_names(ax, range(len(names)), names)
        return
    ax.set_xticks(range(len(names)))
    ax.set_xticklabels([drawable(n, 24) for n in names], fontsize=7.5, rotation=35, ha="right", parse_math=False)


def _key(style: Style) -> Line2D:
    return Line2D([], [], color=_LIGHT[style.colour], marker=MARKERS.get(style.marker, ""), ls=DASHES[style.dash], ms=5)
