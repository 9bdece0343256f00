"""How text that a user wrote (names, questions, failures) is shown: as that text, wherever it is printed."""

from __future__ import annotations

import json
import re
from functools import cache

from markupsafe import Markup

#: What starts markup, a table cell, a formula or a link in CommonMark and GitHub's dialect.
_MARKDOWN = re.compile(r"([\\`*_\[<>#|&~$!])")
_CELL_STARTS = ("=", "+", "-", "@", "\t", "\r")


def visible(text: object) -> str:
    """``text`` on one line, with control, direction-changing and unencodable characters written as escapes.

    A terminal escape sequence or a lone surrogate comes out as ``\\x1b`` or ``\\ud800``; line ends become spaces.
    """
    joined = re.sub(r"[\r\n\t\v\f]+", " ", str(text))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in joined)


def markdown(text: object) -> str:
    """``text`` for a Markdown paragraph or table cell: punctuation with a meaning is preceded by a backslash."""
    return _MARKDOWN.sub(r"\\\1", visible(text))


def script_json(value: object) -> Markup:
    """``value`` as JSON for a script element of a page: no character of it can end the element or a line of it.

    ``<``, ``>`` and ``&`` are written as escapes of JSON, and so is all that is not ASCII, U+2028 and U+2029 among it.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing that means anything to a parser of HTML is left


def csv_cell(text: object) -> str:
    """``text`` for a spreadsheet cell: an apostrophe before what a spreadsheet would take for a formula."""
    raw = str(text)
    shown = visible(raw)
    return f"'{shown}" if raw.startswith(_CELL_STARTS) or shown.startswith(_CELL_STARTS) else shown


@cache
def _drawable_codes() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def drawable(text: object, width: int = 44) -> str:
    """``text`` for a figure: characters that the figure font lacks as escapes, at most ``width`` characters.

    Formula marks stay as they are: draw it with ``parse_math=False``.
    """
    codes = _drawable_codes()
    shown = "".join(c if ord(c) in codes else c.encode("unicode_escape").decode("ascii") for c in visible(text))
    return shown if len(shown) <= width else shown[: width - 1] + "…"
