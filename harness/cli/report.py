"""``harness report``: the page of a committed sweep, or of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    sweeps: Annotated[
        list[Path] | None, typer.Argument(help="Sweeps' folders (default: the newest in sweeps/).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Folder to write into (default: report/ in the sweep; several sweeps need it)."
        ),
    ] = None,
) -> None:
    """Write the report of a sweep, or of several on one page.

    One HTML page that needs no network, its figures as PNG and SVG, their numbers as CSV and parquet, a Markdown table
    and a JSON summary.

    Examples:

        harness report

        harness report sweeps/labels

        harness report sweeps/labels sweeps/zoo -o both
    """
    from analysis.report import write_reports
    from harness.errors import InputError
    from harness.store import SWEEPS

    if not sweeps:
        described = sorted(SWEEPS.glob("*/sweep.json"), key=lambda path: path.stat().st_mtime)
        if not described:
            raise InputError(f"{SWEEPS}/: holds no sweep; run `harness sweep` first, or name a folder")
        sweeps = [described[-1].parent]
    print(write_reports(sweeps, out))  # noqa: T201
