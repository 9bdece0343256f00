"""A scene on paper: matplotlib's figure, as PNG and SVG, in the light theme."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import drawing
from analysis.escaping import drawable
from analysis.scene.looks import DASHES, MARKERS, SCALE, THEMES, Look
from analysis.scene.marks import Axis, Band, Bars, Cells, Dots, Line, Mark, Note, Panel, Rule, Scene, Spans

_PAPER = THEMES["light"]
_MAP = LinearSegmentedColormap.from_list("scale", SCALE)
#: Inches per pixel of a scene's height: paper holds more of it than a screen.
_INCH = 1 / 120
_LOWER = 8


def paper(scene: Scene) -> Figure:
    """The scene as a figure of matplotlib."""
    if scene.empty or not scene.panels:
        return drawing.empty(scene.empty or "There is nothing to draw.")
    figure, axes = drawing.panels(
        len(scene.panels), columns=scene.columns, height=scene.height * _INCH, sharex=False, sharey=False
    )
    for ax, panel in zip(axes, scene.panels, strict=True):
        _draw(ax, panel, figure)
    drawing.legend(figure, {name: _key(look) for name, look in scene.keys.items()}, columns=2)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG; the same figure gives the same bytes with the same matplotlib."""
    return drawing.png(figure)


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
            ax.text(mark.x, mark.y, drawable(mark.text, 60), transform=ax.transAxes, ha="center", va="center",
                    fontsize=_LOWER, color=_PAPER[mark.colour], parse_math=False)  # fmt: skip
    drawing.title(ax, panel.title, panel.detail)
    drawing.labels(ax, panel.x.label, panel.y.label)


def _mark(ax: Axes, mark: Mark, figure: Figure) -> None:
    if isinstance(mark, Cells):
        _cells(ax, mark, figure)
        return
    if isinstance(mark, (Rule, Note)):
        return
    colour, marker = _PAPER[mark.look.colour], MARKERS.get(mark.look.marker, "")
    if isinstance(mark, Line):
        ax.plot(mark.x, mark.y, color=colour, ls=DASHES[mark.look.dash], marker=marker, ms=3.5, lw=mark.width)
    elif isinstance(mark, Band):
        ax.fill_between(np.asarray(mark.x), mark.low, mark.high, color=colour, alpha=mark.strength, lw=0)
    elif isinstance(mark, Dots):
        _dots(ax, mark, colour, marker or "o")
    elif isinstance(mark, Spans):
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


def _cells(ax: Axes, mark: Cells, figure: Figure) -> None:
    norm = (LogNorm if mark.log else Normalize)(mark.low, mark.high)
    x, y = ((np.asarray(v) if mark.edges else _edges(len(v))) for v in (mark.x, mark.y))
    drawn = ax.pcolormesh(x, y, np.ma.masked_invalid(mark.value), norm=norm, cmap=_MAP, edgecolors="white", lw=0.5)
    bar = figure.colorbar(drawn, ax=ax, shrink=0.9)
    bar.set_label(drawable(mark.label), fontsize=_LOWER)
    bar.ax.tick_params(labelsize=7)
    for i, line in enumerate(mark.shown):
        for j, text in enumerate(line):
            light = np.isfinite(mark.value[i][j]) and norm(mark.value[i][j]) < 0.55
            ax.text(j, i, drawable(text), ha="center", va="center", fontsize=7, color="white" if light else "black",
                    parse_math=False)  # fmt: skip


def _edges(count: int) -> np.ndarray:
    return np.arange(count + 1) - 0.5


def _rule(ax: Axes, mark: Rule) -> None:
    colour = _PAPER[mark.colour]
    (ax.axvline if mark.axis == "x" else ax.axhline)(mark.at, color=colour, lw=0.9, ls=DASHES[mark.dash])
    if not mark.text:
        return
    if mark.axis == "x":
        ax.annotate(mark.text, (mark.at, 1), (0, 2), xycoords=("data", "axes fraction"), textcoords="offset points",
                    ha="center", fontsize=7, color=colour, parse_math=False)  # fmt: skip
    else:
        ax.annotate(mark.text, (0, mark.at), (3, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                    ha="left", fontsize=7, color=colour, parse_math=False)  # fmt: skip


def _axis(ax: Axes, axis: Axis, which: str) -> None:
    if axis.log:
        drawing.log_axis(ax, which)
    if axis.low is not None and axis.high is not None:
        ends = (axis.high, axis.low) if axis.down else (axis.low, axis.high)
        (ax.set_xlim if which == "x" else ax.set_ylim)(*ends)
    elif axis.down:
        (ax.invert_xaxis if which == "x" else ax.invert_yaxis)()
    if axis.names:
        _names(ax, axis.names, which)
    elif axis.ticks:
        (ax.set_xticks if which == "x" else ax.set_yticks)(list(axis.ticks))


def _names(ax: Axes, names: Sequence[str], which: str) -> None:
    if which == "y":
        drawing.tick_names(ax, range(len(names)), names)
        return
    ax.set_xticks(range(len(names)))
    ax.set_xticklabels([drawable(n, 24) for n in names], fontsize=7.5, rotation=35, ha="right", parse_math=False)


def _key(look: Look) -> Line2D:
    return Line2D([], [], color=_PAPER[look.colour], marker=MARKERS.get(look.marker, ""), ls=DASHES[look.dash], ms=5)
