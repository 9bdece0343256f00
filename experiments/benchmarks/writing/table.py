"""A table, as text for a terminal and as Markdown for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Headings and rows of equal length; the first column is text, the others are numbers."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def text(self) -> str:
        """Columns aligned by spaces."""
        widths = [max(map(len, column)) for column in zip(self.headings, *self.rows, strict=True)]
        made = [self.title]
        for row in (self.headings, *self.rows):
            first, *others = [cell.replace("`", "") for cell in row]
            made.append(
                f"  {first:<{widths[0]}}" + "".join(f"  {c:>{w}}" for c, w in zip(others, widths[1:], strict=True))
            )
        return "\n".join(made)

    def markdown(self) -> str:
        """A table under its title in bold."""
        rule = ("---", *["---:"] * (len(self.headings) - 1))
        body = "\n".join(f"| {' | '.join(row)} |" for row in (self.headings, rule, *self.rows))
        return f"**{self.title}**\n\n{body}"
