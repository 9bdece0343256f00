"""``harness sweeps``: which sweeps lie here, and how far each is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import AsJson
from harness.text import size_text, visible

if TYPE_CHECKING:
    from harness.store.status import SweepSummary


def command(
    folder: Annotated[Path | None, typer.Option("--in", help="Where the sweeps lie (default: sweeps/).")] = None,
    as_json: AsJson = False,
) -> None:
    """List the sweeps of a folder, the newest last: state, progress, best arm, size.

    The best KS is the least median over confirm seeds; before there are any, the least mean of a search trial. Every
    committed file is read and its checksum compared, so that a damaged sweep is told as such.

    Examples:

        harness sweeps

        harness sweeps --in /data/sweeps --json
    """
    from harness.store import SWEEPS
    from harness.store.status import summarize_all

    place = folder or SWEEPS
    found = summarize_all(place) if folder or place.is_dir() else []
    if as_json:
        print(json.dumps([each.as_json() for each in found], indent=1, allow_nan=False))  # noqa: T201
        return
    if not found:
        print(f"{visible(place)}: holds no sweep; `harness sweep EXPERIMENT` makes one")  # noqa: T201
        return
    console = Console()
    console.print(_table(found))
    for each in found:
        if each.status.reason:
            console.print(Text(f"{visible(each.folder.name)}: {visible(each.status.reason)}"))


def _table(found: list[SweepSummary]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("sweep", "state"):
        table.add_column(head, overflow="fold")
    for head in ("done", "members", "arms"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("best KS", overflow="fold", min_width=14)
    table.add_column("created", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for each in found:
        stands, best = each.status, each.best
        cells = (
            each.folder.name if each.name in (each.folder.name, None) else f"{each.folder.name} ({each.name})",
            stands.state,
            f"{stands.committed}/{'?' if stands.populations is None else stands.populations}",
            each.members,
            len(each.arms),
            "-" if best is None else f"{best.ks:.4g} {best.arm} ({best.stage})",
            (each.created or "-")[:10],
            size_text(each.size),
        )
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table
