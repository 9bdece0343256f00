"""The measured parts of docs/performance.md, each between two marks of its own."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs/performance.md"


def between_marks(text: str, name: str, content: str) -> str:
    """The text with other content between the marks of that name.

    Raises:
        ValueError: the text lacks the marks.
    """
    begin, end = (f"<!-- {name}: {which} -->" for which in ("begin", "end"))
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page needs {begin} and {end}")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"
