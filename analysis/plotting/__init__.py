"""Figures as plain data, drawn by plotly on the page (``interactive``) and by matplotlib as PNG and SVG (``static``).

A scene is panels of marks. Both drawings, and the printed page, show the same scene, so they agree. Colours are names
(``theme``), because the page has a light and a dark theme.
"""

from analysis.plotting.marks import Axis, Band, Bars, Dots, Heatmap, IntervalMarks, Line, Mark, Note, Panel, Rule, Scene
from analysis.plotting.theme import CLASSES, FAINT, INK, QUIET, Style, styles_of

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
    "styles_of",
]
