"""User text is shown as text."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.text import csv_cell, drawable, markdown, visible


@pytest.mark.promise("P9")
@given(st.text())
def test_visible_is_one_printable_encodable_line(text: str) -> None:
    """Whatever the text, the shown form has only printable characters and can be encoded; printable text is kept."""
    shown = visible(text)
    assert shown.isprintable()
    assert shown.encode("utf-8").decode("utf-8") == shown
    if text.isprintable():
        assert shown == text


@pytest.mark.promise("P9")
def test_terminal_escapes_and_direction_marks_are_written_out() -> None:
    """A terminal's colour sequence, a right-to-left override and a lone surrogate appear as escapes."""
    assert visible("\x1b[31mred") == "\\x1b[31mred"
    assert visible("a\u202eb") == "a\\u202eb"
    assert visible("\ud800") == "\\ud800"


@pytest.mark.promise("P9")
@given(st.text())
def test_markdown_leaves_no_bare_mark(text: str) -> None:
    """Every character that starts markup, a cell or an element is preceded by a backslash of its own."""
    shown = markdown(text)
    i = 0
    while i < len(shown):
        if shown[i] == "\\":
            i += 2
            continue
        assert shown[i] not in "`*_[<>#|&~$!\n"
        i += 1


@pytest.mark.promise("P9")
@given(st.text())
def test_csv_cell_is_no_formula(text: str) -> None:
    """Written and read as CSV, a cell never begins with what a spreadsheet takes for a formula."""
    sink = io.StringIO()
    csv.writer(sink).writerow([csv_cell(text), "end"])
    ((cell, _),) = csv.reader(io.StringIO(sink.getvalue()))
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.promise("P9")
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_formula_starts_are_quoted(text: str) -> None:
    """A cell that starts like a formula is preceded by an apostrophe, its text kept."""
    assert csv_cell(text) == "'" + visible(text)


@given(st.text(), st.integers(min_value=1, max_value=60))
def test_drawable_keeps_the_width(text: str, width: int) -> None:
    """A label is at most as wide as asked, and a short plain one is unchanged."""
    assert len(drawable(text, width)) <= width
    assert drawable("generator_label(t=0.5) / raw") == "generator_label(t=0.5) / raw"
