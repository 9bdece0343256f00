"""``harness sweeps``: the sweeps of a folder and the progress of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import AsJson, SweepsFolder
from harness.text import size_text, visible

if TYPE_CHECKING:
    from harness.store.status import SweepSummary


def command(
    folder: SweepsFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the sweeps of a folder, newest last: state, progress, best arm, size.

    The best KS is the least median over confirm seeds or, before there are any, the least score of a search trial.
    Every committed file is read and its checksum compared, so damaged sweeps are reported.

    Examples:

        harness sweeps

        harness sweeps --in /data/sweeps --json
    """
    from harness.store import SWEEPS
    from harness.store.status import summarize_all

    root = folder or SWEEPS
    summaries = summarize_all(root) if folder or root.is_dir() else []
    if as_json:
        print(json.dumps([summary.as_json() for summary in summaries], indent=1, allow_nan=False))  # noqa: T201
        return
    if not summaries:
        print(f"{visible(root)}: holds no sweep; start one with `harness sweep EXPERIMENT`")  # noqa: T201
        return
    console = Console()
    console.print(_table(summaries))
    for summary in summaries:
        if summary.status.reason:
            console.print(Text(f"{visible(summary.folder.name)}: {visible(summary.status.reason)}"))


def _table(summaries: list[SweepSummary]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("sweep", "state"):
        table.add_column(head, overflow="fold")
    for head in ("done", "members", "arms"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("best KS", overflow="fold", min_width=14)
    table.add_column("created", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for summary in summaries:
        folder, status, best = summary.folder.name, summary.status, summary.best
        cells = (
            folder if summary.name in (folder, None) else f"{folder} ({summary.name})",
            status.state,
            f"{status.committed}/{'?' if status.populations is None else status.populations}",
            summary.members,
            len(summary.arms),
            "-" if best is None else f"{best.ks:.4g} {best.arm} ({best.stage})",
            (summary.created or "-")[:10],
            size_text(summary.size),
        )
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table
