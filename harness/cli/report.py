"""``harness report``: the pages of a committed sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[Path | None, typer.Argument(help="A sweep's folder (default: the newest in sweeps/).")] = None,
) -> None:
    """Write the report of a sweep: one HTML page, PNGs, a Markdown table and a JSON summary.

    Examples:

        harness report

        harness report sweeps/labels
    """
    from analysis.report import write_report
    from harness.errors import InputError
    from harness.store import SWEEPS

    if folder is None:
        described = sorted(SWEEPS.glob("*/sweep.json"), key=lambda path: path.stat().st_mtime)
        if not described:
            raise InputError(f"{SWEEPS}/: holds no sweep; run `harness sweep` first, or name a folder")
        folder = described[-1].parent
    print(write_report(folder))  # noqa: T201
