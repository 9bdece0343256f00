"""A scene is drawn twice from the same numbers, on the page and on paper, and text in it stays text."""

import re
import subprocess
import sys

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import ROOT

from analysis.plotting import (
    Axis,
    Band,
    Bars,
    Dots,
    Heatmap,
    IntervalMarks,
    Line,
    Note,
    Panel,
    Rule,
    Scene,
    Style,
    mpl_style,
    styles_of,
)
from analysis.plotting.interactive import plain, to_plotly
from analysis.plotting.marks import renamed, without_shared_suffix
from analysis.plotting.static import png, svg, to_matplotlib
from analysis.plotting.theme import DASHES, MARKERS, THEMES

STYLE = Style("c0", "circle", "dash")
HOSTILE = ("$\\input{x}$", "_hidden", "\x1b[31m\n$", "\u4e2d\u6587 \u202e", "x" * 300, "<img src=x>", "a & b", "%{x}")


def everything(name: str = "an arm") -> Scene:
    """A scene with every kind of mark, of one name."""
    x, y = np.array([1.0, 10.0, 100.0]), np.array([0.1, np.nan, 0.4])
    lines = Panel(
        [Band(x, y / 2, y * 2, STYLE, name), Line(x, y, STYLE, name, hover=[name] * 3), Rule("x", 10.0, name),
         Rule("y", 0.2, name), Note(name)],
        Axis(name, log=True, low=1.0, high=100.0), Axis(name), name, name,
    )  # fmt: skip
    rows = Panel(
        [IntervalMarks([0], [0.1], [0.2], [0.4], STYLE, name, hover=[name]),
         Dots([0.3], [0.0], STYLE, name, hover=[name]), Bars([0.0], [0.0], [0.5], STYLE, name, hover=[name])],
        Axis(name), Axis(names=[name], low=-0.6, high=0.6, down=True),
    )  # fmt: skip
    value = np.array([[0.01, np.nan], [0.1, 1.0]])
    cells = Heatmap([0, 1], [0, 1], value, 0.01, 1.0, name, log=True, hover=[[name] * 2] * 2, shown=[[name] * 2] * 2)
    return Scene(
        [lines, rows, Panel([cells], Axis(names=[name] * 2), Axis(names=[name] * 2))], {name: STYLE}, columns=2
    )


def resolved(value: object) -> object:
    """Colours' names as a colour, as the page's script resolves them."""
    if isinstance(value, dict):
        return {k: resolved(v) for k, v in value.items()}
    if isinstance(value, list):
        return [resolved(v) for v in value]
    return "#123456" if isinstance(value, str) and re.fullmatch(r"@[a-z0-9]+(:[0-9.]+)?", value) else value


def test_both_drawings_show_the_same_numbers() -> None:
    """plotly's line and matplotlib's have the points of the mark; NaN is a gap in both."""
    scene = everything()
    line = to_plotly(scene)["panels"][0]["data"][1]
    assert (line["x"], line["y"]) == ([1.0, 10.0, 100.0], [0.1, None, 0.4])
    drawn = to_matplotlib(scene).axes[0].get_lines()[0]
    np.testing.assert_allclose(np.asarray(drawn.get_ydata(), dtype=float), [0.1, np.nan, 0.4])


def test_plotly_takes_every_mark() -> None:
    """All traces and layouts are valid to plotly's own Python package, which refuses what it does not know."""
    for panel in to_plotly(everything())["panels"]:
        figure = go.Figure(resolved({"data": panel["data"], "layout": panel["layout"]}))
        assert len(figure.data) == len(panel["data"]) > 0


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_drawn_as_text(name: str) -> None:
    """Formula marks, control characters, missing glyphs, a leading underscore, markup and a long name break nothing."""
    figure = to_matplotlib(everything(name))
    assert png(figure).startswith(b"\x89PNG")
    assert b"<script" not in svg(figure)
    (key,) = figure.legends
    assert len(key.get_texts()) == 1


@given(st.text())
def test_labels_hold_no_tag(text: str) -> None:
    """Text that plotly would read as a tag or an entity is escaped, at any length."""
    told = plain(text)
    assert "<" not in told
    assert not re.search(r"&(?!amp;|lt;|gt;)", told)


def test_a_scene_without_panels_says_why() -> None:
    """The figure holds the reason."""
    figure = to_matplotlib(Scene([], empty="nothing was committed"))
    assert [t.get_text() for t in figure.axes[0].texts] == ["nothing was committed"]


def test_styles_differ_and_are_known_to_both() -> None:
    """No two of 60 arms share colour and marker; what they are made of exists in both themes and libraries."""
    styles = list(styles_of(str(i) for i in range(60)).values())
    assert len({(s.colour, s.marker) for s in styles}) == 60
    assert {s.marker for s in styles} <= set(MARKERS)
    assert {s.dash for s in styles} <= set(DASHES)
    assert set(THEMES["light"]) == set(THEMES["dark"]) >= {s.colour for s in styles}


def test_a_style_belongs_to_a_name() -> None:
    """An arm keeps its style when others come after it, and a name twice counts once."""
    few, more = styles_of(["a", "b"]), styles_of(["a", "b", "a", "c"])
    assert {n: more[n] for n in few} == few
    assert len(more) == 3


def contrast(one: str, two: str) -> float:
    """Ratio of luminances of two colours (WCAG 2.1, "contrast ratio")."""
    lights = []
    for colour in (one, two):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        lights.append(0.2126 * r + 0.7152 * g + 0.0722 * b)
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize(("theme", "page"), [("light", "#ffffff"), ("dark", "#181818")])
def test_text_and_lines_stand_out(theme: str, page: str) -> None:
    """Words reach 4.5 to 1 on either page, arms 2 to 1: they differ by marker and dash, too (WCAG 2.1, 1.4.3)."""
    colours = THEMES[theme]
    assert min(contrast(colours[n], page) for n in ("ink", "quiet")) >= 4.5
    assert min(contrast(c, page) for n, c in colours.items() if n.startswith("c")) >= 2.0


def test_same_scene_same_bytes() -> None:
    """A picture made twice from the same scene has the same bytes, as PNG and as SVG."""
    one, two = to_matplotlib(everything()), to_matplotlib(everything())
    assert (png(one), svg(one)) == (png(two), svg(two))


def test_points_are_counted() -> None:
    """Three of the band, three of the line, one of each rule and note, row mark and bar, four cells: 16."""
    assert everything().points() == 3 + 3 + 3 + 3 + 4


def test_no_pyplot() -> None:
    """Importing what draws loads no pyplot, whose state is global."""
    code = "import sys, analysis.plotting.static; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_styles_are_those_of_a_scene() -> None:
    """``mpl_style.styles`` are the styles of a scene under matplotlib's names."""
    (drawn,) = mpl_style.styles(["a"]).values()
    (style,) = styles_of(["a"]).values()
    assert (drawn.colour, drawn.marker, drawn.dash) == (
        THEMES["light"][style.colour], MARKERS[style.marker], DASHES[style.dash],
    )  # fmt: skip


def test_what_all_names_share_at_their_end_is_left_out() -> None:
    """One view: names without it. Two views, a name without one, or nothing before it: as they are."""
    assert without_shared_suffix(["a / raw", "b(t=0.5) / raw"], " / ") == {"a / raw": "a", "b(t=0.5) / raw": "b(t=0.5)"}
    for kept in (["a / raw", "b / sample"], ["a / raw", "b"], [" / raw", "a / raw"], []):
        assert without_shared_suffix(kept, " / ") == {}


def test_another_word_stands_wherever_the_name_stood() -> None:
    """On axes, above panels, in the legend and as a mark's key, so that its button still finds it; words told stay."""
    scene = renamed(everything("an arm"), {"an arm": "it"})
    expected = everything("it")
    assert list(scene.keys) == ["it"]
    assert [(p.title, list(p.x.names), list(p.y.names)) for p in scene.panels] == [
        (p.title, list(p.x.names), list(p.y.names)) for p in expected.panels
    ]
    keys = [getattr(mark, "key", None) for panel in scene.panels for mark in panel.marks]
    assert keys == [getattr(mark, "key", None) for panel in expected.panels for mark in panel.marks]
    assert scene.panels[0].detail == "an arm"
