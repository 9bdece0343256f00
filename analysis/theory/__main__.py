"""``python -m analysis.theory [-o DIR]``: play the registry on the Dirac-GAN and hold it against its predictions;
``python -m analysis.theory SWEEP [-o DIR]``: hold a sweep's arms against theirs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from analysis.compare import success_threshold
from analysis.reading import Read
from analysis.rows import select, target_of
from analysis.script import Answer, answered
from analysis.theory.beside import beside, diagnosis_figure
from analysis.theory.entries import HEADINGS, besides, disagreements, registered, shown
from analysis.theory.page import write_theory
from harness.diagnosis import diagnose


def main(arguments: Sequence[str] | None = None) -> int:
    """Play every entry of the registry; print and write what happened. Exit status 1 where a prediction fails.

    With SWEEP, write what theory predicts of its arms beside what became of their seeds; exit status 2 without a sweep.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given and not given[0].startswith("-"):
        return answered("theory", "What does theory predict of each arm, and what became of its seeds?", _beside, given)
    parser = argparse.ArgumentParser(prog="python -m analysis.theory", description=main.__doc__)
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="where to write theory.md, .csv and .png")
    out = parser.parse_args(given).out
    entries, others = registered(), besides()
    console = Console()
    _print(pd.concat([entries, others], ignore_index=True), console)
    wrong = disagreements(entries)
    claims = int(entries["agrees"].ne("").sum())
    console.print(f"\n{claims} predictions, {len(wrong)} of them contradicted by the game.")
    if out is not None:
        for path in write_theory(out, entries, others):
            console.print(str(path), soft_wrap=True)
    return 1 if len(wrong) else 0


def _beside(read: Read, arms: Sequence[str]) -> Answer:
    """Predictions beside findings, and the diagnoses of the compared seeds."""
    table = beside(read.description, read.frame, arms)
    rows = select(read.frame).frame
    words = diagnose(rows, target_of(read.description), success_threshold(read.description)[0])
    counts = {arm: own.value_counts().to_dict() for arm, own in words.groupby(rows["arm"])}
    told = [
        f"{row.arm}: predicted {row.predicted or 'nothing'}; found {row.found}"
        + (f"; {row.as_predicted:.0f} of {row.seeds} as predicted" if row.as_predicted == row.as_predicted else "")
        for row in table.itertuples()
    ]
    return Answer({"theory": table}, {"theory": diagnosis_figure(table, counts)}, "\n".join(told))


def _print(frame: pd.DataFrame, console: Console) -> None:
    """Print the rows; a disagreement stands out."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("entry, with settings", *HEADINGS[2:]):
        table.add_column(heading, no_wrap=heading in HEADINGS[4:], overflow="fold")
    before = ""
    for entry, settings, *rest in shown(frame):
        told = f"{entry}, {settings}" if settings else entry
        table.add_row("" if told == before else told, *rest, style="bold red" if rest[-1].startswith("not ") else None)
        before = told
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
