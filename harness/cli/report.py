"""``harness report``: write the report of a committed sweep, or of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    sweeps: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SWEEP", help="Folders of sweeps (default: the newest in sweeps/)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Folder to write into (default: report/ in the sweep; required for several sweeps).",
        ),
    ] = None,
) -> None:
    """Write the report of a sweep, or one report of several sweeps.

    The report is one HTML page that needs no network, with its figures as PNG and SVG, their numbers as CSV and
    parquet, a Markdown table and a JSON summary.

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
