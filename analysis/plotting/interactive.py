"""A scene for plotly in a browser: plain dictionaries with names for colours, which the page's script resolves.

A colour is ``@name`` or ``@name:opacity``. Plotly reads a few HTML tags in its labels; text is escaped so that it shows
them literally.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.plotting.marks import (
    Axis,
    Band,
    Bars,
    Dots,
    Heatmap,
    IntervalMarks,
    Line,
    Mark,
    Note,
    Numbers,
    Panel,
    Rule,
    Scene,
)
from analysis.plotting.theme import SCALE
from harness.text import visible

#: Characters of a name beside an axis, and below one.
LONGEST_NAME, _LONGEST_BELOW = 40, 24


def to_plotly(scene: Scene) -> dict[str, Any]:
    """The scene as the page's script draws it; JSON values, numbers to five digits."""
    return {
        "columns": scene.columns,
        "height": scene.height,
        "keys": [
            {"name": visible(name), "colour": style.colour, "marker": style.marker, "dash": style.dash}
            for name, style in scene.keys.items()
        ],
        "panels": [
            {"title": visible(p.title), "detail": visible(p.detail), "data": _data(p), "layout": _layout(p)}
            for p in scene.panels
        ],
    }


def plain(text: object, width: int = 10_000) -> str:
    """``text`` for a label of plotly's: no tag, no entity, at most ``width`` characters."""
    shown = visible(text)
    if len(shown) > width:  # both ends matter: a name begins with the loss and ends with the view
        shown = f"{shown[: (width + 1) // 2]}…{shown[-(width // 2 - 1) :]}"
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _numbers(values: Numbers) -> list[float | None]:
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in np.asarray(values, dtype=np.float64).ravel()]


def _hover(texts: Sequence[str]) -> dict[str, Any]:
    # No hovertemplate: it would read a name's %{...} as a field.
    return {"text": [plain(t) for t in texts], "hoverinfo": "text"} if texts else {"hoverinfo": "x+y+name"}


def _data(panel: Panel) -> list[dict[str, Any]]:
    return [trace for mark in panel.marks for trace in _traces(mark)]


def _named(mark: Line | Band | Dots | IntervalMarks | Bars) -> dict[str, Any]:
    return {"name": plain(mark.key, LONGEST_NAME), "meta": visible(mark.key), "showlegend": False}


def _traces(mark: Mark) -> list[dict[str, Any]]:
    if isinstance(mark, Line):
        return [_line(mark)]
    if isinstance(mark, Band):
        return [_band(mark)]
    if isinstance(mark, Dots):
        return [_dots(mark)]
    if isinstance(mark, IntervalMarks):
        return [_intervals(mark)]
    if isinstance(mark, Bars):
        return [_bars(mark)]
    return [_heatmap(mark)] if isinstance(mark, Heatmap) else []


def _line(mark: Line) -> dict[str, Any]:
    style = mark.style
    return {
        "type": "scatter", "mode": "lines+markers" if style.marker else "lines", **_named(mark), **_hover(mark.hover),
        "x": _numbers(mark.x), "y": _numbers(mark.y),
        "line": {"color": f"@{style.colour}", "dash": style.dash, "width": mark.width},
        "marker": {"symbol": style.marker or "circle", "size": 5},
    }  # fmt: skip


def _band(mark: Band) -> dict[str, Any]:
    x, low, high = (_numbers(v) for v in (mark.x, mark.low, mark.high))
    return {
        "type": "scatter", "mode": "lines", **_named(mark), "x": [*x, *x[::-1]], "y": [*low, *high[::-1]],
        "fill": "toself", "fillcolor": f"@{mark.style.colour}:{mark.strength:g}", "line": {"width": 0},
        "hoverinfo": "skip",
    }  # fmt: skip


def _dots(mark: Dots) -> dict[str, Any]:
    size: Any = float(mark.size) if isinstance(mark.size, (float, int)) else _numbers(np.asarray(mark.size))
    symbol = mark.style.marker or "circle"
    drawn = f"{symbol}-open" if mark.hollow or symbol in ("x-thin", "line-ns") else symbol
    return {
        "type": "scatter", "mode": "markers", **_named(mark), **_hover(mark.hover),
        "x": _numbers(mark.x), "y": _numbers(mark.y),
        "marker": {"symbol": drawn, "size": size, "color": f"@{mark.style.colour}", "opacity": mark.strength,
                   "line": {"width": 1.5 if drawn.endswith("-open") else 0, "color": f"@{mark.style.colour}"}},
    }  # fmt: skip


def _intervals(mark: IntervalMarks) -> dict[str, Any]:
    low, middle, high = (np.asarray(v, dtype=np.float64) for v in (mark.low, mark.middle, mark.high))
    return {
        "type": "scatter", "mode": "markers", **_named(mark), **_hover(mark.hover),
        "x": _numbers(middle), "y": _numbers(mark.y),
        "error_x": {"type": "data", "symmetric": False, "array": _numbers(high - middle),
                    "arrayminus": _numbers(middle - low), "thickness": 2, "width": 4,
                    "color": f"@{mark.style.colour}"},
        "marker": {"symbol": mark.style.marker or "line-ns-open", "size": 10, "color": f"@{mark.style.colour}",
                   "line": {"width": 2.5, "color": f"@{mark.style.colour}"}},
    }  # fmt: skip


def _bars(mark: Bars) -> dict[str, Any]:
    return {
        "type": "bar", "orientation": "h", **_named(mark), "hovertext": [plain(t) for t in mark.hover],
        "hoverinfo": "text" if mark.hover else "x+name", "y": _numbers(mark.y),
        "x": _numbers(mark.length), "base": _numbers(mark.start), "width": 0.62,
        "marker": {"color": f"@{mark.style.colour}", "line": {"width": 1, "color": "@paper"}},
    }  # fmt: skip


def _heatmap(mark: Heatmap) -> dict[str, Any]:
    value = np.asarray(mark.value, dtype=np.float64)
    z = np.log10(value) if mark.log else value
    low, high = (math.log10(v) if mark.log else v for v in (mark.low, mark.high))
    exponents = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    ticks = {"tickvals": list(exponents), "ticktext": [f"{10.0**e:g}" for e in exponents]} if mark.log else {}
    trace: dict[str, Any] = {
        "type": "heatmap", "x": _numbers(mark.x), "y": _numbers(mark.y), "z": [_numbers(line) for line in z],
        "zmin": low, "zmax": high, "xgap": 1, "ygap": 1, "hoverongaps": False, "showlegend": False,
        "colorscale": [[i / (len(SCALE) - 1), colour] for i, colour in enumerate(SCALE)],
        "colorbar": {"title": {"text": plain(mark.label), "side": "right"}, "thickness": 12, "outlinewidth": 0,
                     **ticks},
    }  # fmt: skip
    if mark.hover:
        trace |= {"hovertext": [[plain(t) for t in line] for line in mark.hover], "hoverinfo": "text"}
    if mark.shown:
        trace |= {"text": [[plain(t) for t in line] for line in mark.shown], "texttemplate": "%{text}",
                  "textfont": {"size": 11}}  # fmt: skip
    return trace


def _layout(panel: Panel) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "xaxis": _axis(panel.x, "x"),
        "yaxis": _axis(panel.y, "y"),
        "shapes": [],
        "annotations": [],
    }
    for mark in panel.marks:
        if isinstance(mark, Rule):
            layout["shapes"].append(_rule(mark, panel.x if mark.axis == "x" else panel.y))
        elif isinstance(mark, Note):
            layout["annotations"].append(
                {"text": plain(mark.text), "xref": "paper", "yref": "paper", "x": mark.x, "y": mark.y,
                 "xanchor": mark.anchor, "showarrow": False, "font": {"color": f"@{mark.colour}", "size": 12}}
            )  # fmt: skip
    if any(isinstance(m, Bars) for m in panel.marks):
        layout["barmode"] = "overlay"
    return layout


def _rule(mark: Rule, axis: Axis) -> dict[str, Any]:
    other = "y" if mark.axis == "x" else "x"
    words: dict[str, Any] = {"text": plain(mark.text), "font": {"color": f"@{mark.colour}", "size": 11}}
    if mark.axis == "x":
        words |= {"textangle": 0, "textposition": "end", "xanchor": _side(mark.at, axis), "yanchor": "bottom"}
    else:
        words |= {"textposition": "start"}
    return {
        "type": "line", f"{mark.axis}ref": mark.axis, f"{other}ref": "paper", f"{mark.axis}0": mark.at,
        f"{mark.axis}1": mark.at, f"{other}0": 0, f"{other}1": 1, "layer": "above",
        "line": {"color": f"@{mark.colour}", "width": 1, "dash": mark.dash}, **({"label": words} if mark.text else {}),
    }  # fmt: skip


def _side(at: float, axis: Axis) -> str:
    """The anchor of words at ``at`` that keeps them within the panel."""
    if axis.low is None or axis.high is None:
        return "center"
    position, low, high = (np.log10(v) if axis.log else v for v in (at, axis.low, axis.high))
    share = (position - low) / (high - low)
    return "left" if share < 0.2 else "right" if share > 0.8 else "center"


def _axis(axis: Axis, across: str) -> dict[str, Any]:
    layout: dict[str, Any] = {"title": {"text": plain(axis.label)}}
    low, high = axis.low, axis.high
    if axis.log:
        # With few decades two and five are labelled, too; with many, not every decade is.
        decades = np.log10(high / low) if low is not None and high is not None else 3.0
        layout |= {"type": "log", "dtick": "D2" if decades < 1.8 else int(np.ceil(decades / 7)), "tickformat": "~g"}
        if decades >= 3 and low is not None and low < 1e-3:
            layout["tickformat"] = ".0e"
    if low is not None and high is not None:
        ends = [float(np.log10(v)) if axis.log else v for v in (low, high)]
        layout |= {"range": ends[::-1] if axis.down else ends}
    elif axis.down:
        layout["autorange"] = "reversed"
    if axis.names:
        width = LONGEST_NAME if across == "y" else _LONGEST_BELOW
        layout |= {"tickmode": "array", "tickvals": list(range(len(axis.names))),
                  "ticktext": [plain(n, width) for n in axis.names]}  # fmt: skip
    elif axis.steps:
        layout["tickformat"] = ",~r"
    elif axis.bare:
        layout |= {"showticklabels": False, "ticks": "", "showline": False, "showgrid": False}
    return layout
