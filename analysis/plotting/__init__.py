"""A figure as plain data, drawn twice: by plotly on the page (``screen``), by matplotlib on paper (``paper``).

A scene is panels of marks. What a figure shows is decided once, where the scene is made, so that the interactive
figure, its copy as PNG and SVG, and the print agree. Colours are names (``looks``), because the page has two themes.
"""

from analysis.plotting.marks import Axis, Band, Bars, Dots, Heatmap, IntervalMarks, Line, Mark, Note, Panel, Rule, Scene
from analysis.plotting.theme import CLASSES, FAINT, INK, QUIET, Style, looks_of

__all__ = [
    "CLASSES",
    "FAINT",
    "INK",
    "QUIET",
    "Axis",
    "Band",
    "Bars",
    "Dots",
    "Heatmap",
    "IntervalMarks",
    "Line",
    "Mark",
    "Note",
    "Panel",
    "Rule",
    "Scene",
    "Style",
    "looks_of",
]
