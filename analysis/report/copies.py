"""What lies beside a page for one of its blocks."""

from __future__ import annotations

from analysis.plotting.static import paper, png, svg
from analysis.report.blocks import Block, Figure, Lines
from analysis.report.tables import csv_text


def copies(block: Block) -> dict[str, bytes]:
    """Files by their names: a figure as PNG and SVG, the numbers of a figure or of a named table as CSV."""
    files = {}
    if isinstance(block, Figure):
        drawn = paper(block.scene)
        files = {f"{block.name}.png": png(drawn), f"{block.name}.svg": svg(drawn)}
    if isinstance(block, (Figure, Lines)) and block.name and len(block.numbers.columns):
        files[f"{block.name}.csv"] = csv_text(block.numbers).encode("utf-8", "backslashreplace")
    return files
