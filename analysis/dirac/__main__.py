"""``python -m analysis.dirac [-o DIR]``: play every loss on the Dirac-GAN and compare outcomes with predictions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from analysis.dirac.entries import HEADINGS, disagreements, more_games, registry_games, text_rows
from analysis.dirac.theory_page import write_theory


def main(arguments: Sequence[str] | None = None) -> int:
    """Play every entry of the registry; print and write the outcomes. Exit status 1 where a prediction fails."""
    parser = argparse.ArgumentParser(prog="python -m analysis.dirac", description=main.__doc__)
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="where to write theory.md, .csv and .png")
    out = parser.parse_args(arguments).out
    entries, others = registry_games(), more_games()
    console = Console()
    _print(pd.concat([entries, others], ignore_index=True), console)
    wrong = disagreements(entries)
    claims = int(entries["agrees"].ne("").sum())
    console.print(f"\n{claims} predictions, {len(wrong)} of them contradicted by the game.")
    if out is not None:
        for path in write_theory(out, entries, others):
            console.print(str(path), soft_wrap=True)
    return 1 if len(wrong) else 0


def _print(frame: pd.DataFrame, console: Console) -> None:
    """Print the rows; a disagreement stands out."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("entry, with settings", *HEADINGS[2:]):
        table.add_column(heading, no_wrap=heading in HEADINGS[4:], overflow="fold")
    last = ""
    for entry, settings, *cells in text_rows(frame):
        name = f"{entry}, {settings}" if settings else entry
        table.add_row("" if name == last else name, *cells, style="bold red" if cells[-1].startswith("not ") else None)
        last = name
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
