"""What a scene is made of: records of numbers and text, without a word of any plotting library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
    look: Style
    key: str = ""
    width: float = 1.6
    told: Sequence[str] = ()


@dataclass(frozen=True)
class Band:
    """The area between two lines over the same x."""

    x: Numbers
    low: Numbers
    high: Numbers
    look: Style
    key: str = ""
    strength: float = 0.16


@dataclass(frozen=True)
class Dots:
    """A mark per point; ``told`` is what a pointer over it reads. ``sizes``: one for all, or one each, in pixels."""

    x: Numbers
    y: Numbers
    look: Style
    key: str = ""
    size: float | Numbers = 6.0
    strength: float = 0.7
    hollow: bool = False
    told: Sequence[str] = ()


@dataclass(frozen=True)
class IntervalMarks:
    """A horizontal interval with its estimate, per line."""

    y: Numbers
    low: Numbers
    middle: Numbers
    high: Numbers
    look: Style
    key: str = ""
    told: Sequence[str] = ()


@dataclass(frozen=True)
class Bars:
    """Horizontal bars of ``length`` that start at ``start``, one per line ``y``."""

    y: Numbers
    start: Numbers
    length: Numbers
    look: Style
    key: str = ""
    told: Sequence[str] = ()


@dataclass(frozen=True)
class Heatmap:
    """A grid of values, drawn in colours from ``low`` to ``high``; ``value[i][j]`` lies at ``y[i]``, ``x[j]``.

    ``edges``: x and y are the edges of the cells, one more each than cells. ``log``: colours by the logarithm.
    ``shown`` is printed in each cell, where given.
    """

    x: Numbers
    y: Numbers
    value: np.ndarray
    low: float
    high: float
    label: str
    log: bool = False
    edges: bool = False
    told: Sequence[Sequence[str]] = ()
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
    """Words in the panel at a share of its width and height; ``anchor``: which end of them stands there."""

    text: str
    x: float = 0.5
    y: float = 0.5
    colour: str = QUIET
    anchor: Literal["left", "center", "right"] = "center"


Mark = Line | Band | Dots | IntervalMarks | Bars | Heatmap | Rule | Note


@dataclass(frozen=True)
class Axis:
    """One axis: its label, its ends (data's own where None), and names of the lines 0, 1, ... instead of numbers.

    ``down``: the first line is at the top. ``bare``: neither numbers nor marks stand beside it. ``steps``: its numbers
    are counts of thousands, and read 20,000.
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
    """Marks within a pair of axes; ``title`` and ``detail`` stand above."""

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
        """How many coordinates the figure carries; a page is to stay quick to open."""
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
