"""Text for people: a user's words made safe for a terminal, a page or a table, and amounts in words."""

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


def size_text(count: int) -> str:
    """Bytes to three digits: ``999 B``, ``1.23 MB``; powers of 1,000."""
    return f"{count} B" if count < 1000 else _scaled(count, ("kB", "MB", "GB", "TB", "PB"))


def energy_text(joules: float) -> str:
    """Joules to three digits: ``12 J``, ``3.40 kJ``."""
    return f"{joules:.3g} J" if joules < 999.5 else _scaled(joules, ("kJ", "MJ", "GJ", "TJ"))


def duration_text(seconds: float) -> str:
    """Seconds in words: ``12.3 s``, ``4 min 5 s``, ``2 h 3 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _scaled(amount: float, units: tuple[str, ...]) -> str:
    for unit in units:
        amount /= 1000
        if amount < 999.5 or unit == units[-1]:
            break
    digits = 2 if amount < 9.995 else 1 if amount < 99.95 else 0
    return f"{amount:.{digits}f} {unit}"
