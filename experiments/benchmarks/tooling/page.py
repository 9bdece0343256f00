"""The table of a run, and its place in docs/performance.md: functions of its document."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from writing.machine import busy
from writing.page import PAGE, between_marks
from writing.table import Table

from tooling.bars import BARS, Bar, Document

FORMAT = 1

COMMITTED = PAGE.parent / "figures/tooling.json"


def read(path: Path) -> Document:
    """A document from its file.

    Raises:
        SystemExit: the file holds something else.
    """
    found: Document = json.loads(path.read_text())
    if found.get("format") != FORMAT or "lines" not in found:
        raise SystemExit(f"{path}: no results of this benchmark (format {FORMAT})")
    return found


def table(document: Document) -> Table:
    """Every bar, what this run found, and whether it holds: a small run says nothing about that."""
    rows = []
    for bar in BARS:
        line = document["lines"].get(bar.name)
        found = ("not measured", "") if line is None else (_spread(bar, line["values"]), _verdict(bar, line))
        aim = "" if bar.aim is None else bar.shown(bar.aim)
        rows.append((bar.what, bar.shown(bar.must), aim, *found))
    return Table("All that is not training", ("", "must", "aim", "seen", "verdict"), rows)


def _spread(bar: Bar, values: Sequence[float]) -> str:
    """The median, and the quartiles where there are enough values to have any."""
    middle = bar.shown(statistics.median(values))
    if len(values) < 4:
        return middle
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle} [{bar.shown(first)}, {bar.shown(third)}]"


def _verdict(bar: Bar, line: Document) -> str:
    if bar.trials and line["trials"] != bar.trials[0]:
        return f"{line['trials']} trials only"
    return bar.verdict(statistics.median(line["values"]))


def measured(document: Document) -> str:
    """Command and machine, a warning where it was busy, and the table."""
    machine = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    head = (
        f"`{document['command']}`, {machine['date']}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}; {versions}. Load average before the run: "
        f"{machine['load_before']}."
    )
    warning = [f"**{words}**"] if (words := busy(machine)) else []
    return "\n\n".join([head, *warning, table(document).markdown()])


def rewritten(text: str, document: Document) -> str:
    """The page with this part made anew.

    Raises:
        ValueError: the page lacks the marks.
    """
    return between_marks(text, "tooling", measured(document))
