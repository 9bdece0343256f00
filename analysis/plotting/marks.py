"""The parts of a scene: records of numbers and text, independent of any plotting library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from analysis.plotting.theme import INK, QUIET, Style

#: Numbers of one coordinate; NaN leaves a gap.
Numbers: TypeAlias = "Sequence[float] | np.ndarray | pd.Series[Any]"


@dataclass(frozen=True)
class Line:
    """A line through points. ``key``: the entry of the legend that it belongs to; empty for none."""

    x: Numbers
    y: Numbers
    style: Style
    key: str = ""
    width: float = 1.6
    hover: Sequence[str] = ()


@dataclass(frozen=True)
class Band:
    """The area between two lines over the same x."""

    x: Numbers
    low: Numbers
    high: Numbers
    style: Style
    key: str = ""
    strength: float = 0.16


@dataclass(frozen=True)
class Dots:
    """A mark per point; ``hover`` is shown under the pointer. ``size``: one for all, or one each, in pixels."""

    x: Numbers
    y: Numbers
    style: Style
    key: str = ""
    size: float | Numbers = 6.0
    strength: float = 0.7
    hollow: bool = False
    hover: Sequence[str] = ()


@dataclass(frozen=True)
class IntervalMarks:
    """A horizontal interval with its estimate, per row ``y``."""

    y: Numbers
    low: Numbers
    middle: Numbers
    high: Numbers
    style: Style
    key: str = ""
    hover: Sequence[str] = ()


@dataclass(frozen=True)
class Bars:
    """Horizontal bars of ``length`` that start at ``start``, one per row ``y``."""

    y: Numbers
    start: Numbers
    length: Numbers
    style: Style
    key: str = ""
    hover: Sequence[str] = ()


@dataclass(frozen=True)
class Heatmap:
    """A grid of values, drawn in colours from ``low`` to ``high``; ``value[i][j]`` lies at ``y[i]``, ``x[j]``.

    ``edges``: x and y are the edges of the cells, one more each than cells. ``log``: colours by the logarithm.
    ``shown`` is text printed in each cell.
    """

    x: Numbers
    y: Numbers
    value: np.ndarray
    low: float
    high: float
    label: str
    log: bool = False
    edges: bool = False
    hover: Sequence[Sequence[str]] = ()
    shown: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Rule:
    """A straight line across the panel at one value of an axis, with a few words at its end."""

    axis: str
    at: float
    text: str = ""
    dash: str = "dash"
    colour: str = INK


@dataclass(frozen=True)
class Note:
    """Words in the panel at a share of its width and height; ``anchor``: the end of the words that stands there."""

    text: str
    x: float = 0.5
    y: float = 0.5
    colour: str = QUIET
    anchor: Literal["left", "center", "right"] = "center"


Mark = Line | Band | Dots | IntervalMarks | Bars | Heatmap | Rule | Note


@dataclass(frozen=True)
class Axis:
    """One axis: its label, its ends (data's own where None), and names of the rows 0, 1, ... instead of numbers.

    ``down``: the first row is at the top. ``bare``: no numbers and no ticks. ``steps``: numbers read 20,000.
    """

    label: str = ""
    log: bool = False
    low: float | None = None
    high: float | None = None
    names: Sequence[str] = ()
    down: bool = False
    bare: bool = False
    steps: bool = False


@dataclass(frozen=True)
class Panel:
    """Marks within a pair of axes, with ``title`` and ``detail`` above."""

    marks: Sequence[Mark]
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)
    title: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Scene:
    """Panels, at most ``columns`` beside each other, each ``height`` pixels high; ``keys`` is the legend.

    ``empty``: why there is nothing to draw.
    """

    panels: Sequence[Panel]
    keys: dict[str, Style] = field(default_factory=dict)
    columns: int = 1
    height: int = 320
    empty: str = ""

    def points(self) -> int:
        """Number of coordinates of the figure, which a page that opens quickly must limit."""
        return sum(_size(mark) for mark in self._marks())

    def _marks(self) -> Iterator[Mark]:
        for panel in self.panels:
            yield from panel.marks


def _size(mark: Mark) -> int:
    if isinstance(mark, Heatmap):
        return int(mark.value.size)
    if isinstance(mark, (Line, Dots, Band)):
        return len(mark.x)
    return len(mark.y) if isinstance(mark, (IntervalMarks, Bars)) else 1


def renamed(scene: Scene, names: Mapping[str, str]) -> Scene:
    """The scene with ``names[name]`` wherever exactly that name stands on an axis, above a panel or in the legend."""
    panels = [
        replace(
            panel,
            title=names.get(panel.title, panel.title),
            x=_renamed_axis(panel.x, names),
            y=_renamed_axis(panel.y, names),
            marks=[_renamed_mark(mark, names) for mark in panel.marks],
        )
        for panel in scene.panels
    ]
    return replace(scene, panels=panels, keys={names.get(name, name): style for name, style in scene.keys.items()})


def without_shared_suffix(names: Sequence[str], separator: str) -> dict[str, str]:
    """Each name without the part after its last ``separator``, if that part is the same in all; else empty."""
    parts = [name.rpartition(separator) for name in names]
    if not all(start for start, _, _ in parts) or len({end for _, _, end in parts}) != 1:
        return {}
    return {name: start for name, (start, _, _) in zip(names, parts, strict=True)}


def _renamed_axis(axis: Axis, names: Mapping[str, str]) -> Axis:
    return replace(axis, names=[names.get(name, name) for name in axis.names])


def _renamed_mark(mark: Mark, names: Mapping[str, str]) -> Mark:
    if isinstance(mark, (Line, Band, Dots, IntervalMarks, Bars)) and mark.key in names:
        return replace(mark, key=names[mark.key])
    return mark
