"""Colours, markers and dashes by name, and what matplotlib and plotly call them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: Names of colours that are not an arm's: text and axes, background marks, grid lines.
INK, QUIET, FAINT = "ink", "quiet", "faint"

#: Colours that colour-blind readers can tell apart, also in grey (Okabe and Ito 2008): on white without the yellow,
#: which is too light there; on a dark page without the black, and lighter where the original would be too dark.
THEMES: dict[str, dict[str, str]] = {
    "light": {
        INK: "#222222", QUIET: "#707070", FAINT: "#dddddd",
        "c0": "#0072b2", "c1": "#d55e00", "c2": "#009e73", "c3": "#cc79a7", "c4": "#56b4e9", "c5": "#e69f00",
        "c6": "#000000", "s0": "#00224e", "s1": "#3b5a8c", "s2": "#7c7b78", "s3": "#b9aa5e", "s4": "#e6d87e",
    },
    "dark": {
        INK: "#e8e8e8", QUIET: "#a0a0a0", FAINT: "#3c3c3c",
        "c0": "#3f9bd6", "c1": "#ec7a2c", "c2": "#25bd92", "c3": "#dd93bd", "c4": "#8fd0f7", "c5": "#f2b632",
        "c6": "#f5f5f5", "s0": "#fee434", "s1": "#c3b369", "s2": "#8a8678", "s3": "#5f7396", "s4": "#3a5488",
    },
}  # fmt: skip
COLOURS = tuple(name for name in THEMES["light"] if name.startswith("c"))
#: Five classes from least to most; the least stands out in either theme.
CLASSES = tuple(name for name in THEMES["light"] if name.startswith("s"))

#: Nine points of cividis, which is perceptually uniform for colour-blind readers, too (Nuñez, Anderton and Renslow
#: 2018); from the least value to the largest.
SCALE = ("#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55")

#: Name (plotly's) to matplotlib's.
MARKERS = {"circle": "o", "square": "s", "triangle-up": "^", "diamond": "D", "triangle-down": "v", "cross": "P",
           "star": "*", "triangle-left": "<", "triangle-right": ">", "x-thin": "x", "line-ns": "|"}  # fmt: skip
DASHES: dict[str, Any] = {
    "solid": "-", "dash": (0, (5, 2)), "dot": (0, (1, 1.4)), "dashdot": (0, (6, 2, 1.4, 2)),
}  # fmt: skip
_ARM_MARKERS = tuple(MARKERS)[:9]


@dataclass(frozen=True)
class Style:
    """Colour, marker and dash of one arm, the same in every figure of a report."""

    colour: str
    marker: str = ""
    dash: str = "solid"


def styles_of(names: Iterable[str]) -> dict[str, Style]:
    """A style per name. Colour and marker change with each, so that the first 63 pairs of them are distinct."""
    colours, dashes = len(COLOURS), tuple(DASHES)
    return {
        name: Style(COLOURS[i % colours], _ARM_MARKERS[i % len(_ARM_MARKERS)], dashes[(i // colours + i) % len(dashes)])
        for i, name in enumerate(dict.fromkeys(names))
    }
