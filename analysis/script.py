"""What the scripts that answer one question share: SWEEP and -o, tables as CSV, figures as PNG, errors in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis import drawing
from analysis.compare import compare_described
from analysis.escaping import csv_cell, visible
from analysis.reading import Read, read_sweep
from harness.errors import InputError
from harness.store import Store, write_whole


@dataclass(frozen=True)
class Answer:
    """What a script writes, tables as NAME.csv and figures as NAME.png, and what it prints beside their paths."""

    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Figure]
    told: str = ""


#: From what was read, and the arms in order of rank, to the answer.
Ask = Callable[[Read, Sequence[str]], Answer]


def answered(program: str, question: str | None, ask: Ask, arguments: Sequence[str] | None) -> int:
    """Read the sweep that the arguments name, write its answer, print the paths; exit status 2 where there is none."""
    parser = argparse.ArgumentParser(prog=f"python -m analysis.{program}", description=question)
    parser.add_argument("folder", type=Path, metavar="SWEEP", help="the sweep's folder")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="where to write (default: SWEEP/report)")
    options = parser.parse_args(arguments)
    try:
        read = read_sweep(Store(options.folder))
        found = ask(read, arms_in_order(read))
        paths = written(found, options.out or options.folder / "report")
    except InputError as error:
        sys.stderr.write(f"{visible(error)}\n")
        return 2
    sys.stdout.write("".join(f"{path}\n" for path in paths))
    told = [found.told, *read.remarks]
    sys.stdout.write("".join(f"{visible(line)}\n" for text in told if text for line in text.splitlines()))
    return 0


def arms_in_order(read: Read) -> list[str]:
    """The arms by rank, as the report has them: their colours follow from it."""
    return [arm.arm for arm in compare_described(read.description, read.frame).arms]


def written(answer: Answer, out: Path) -> list[Path]:
    """Write tables and figures into ``out``; their paths."""
    files = {f"{name}.csv": csv_of(table) for name, table in answer.tables.items()}
    files |= {f"{name}.png": drawing.png(figure) for name, figure in answer.figures.items()}
    for name, data in files.items():
        write_whole(out / name, data)
    return [out / name for name in files]


def csv_of(table: pd.DataFrame) -> bytes:
    """The table as CSV, numbers to seven digits; text that a spreadsheet would run is quoted with an apostrophe."""
    safe = table.map(lambda cell: csv_cell(cell) if isinstance(cell, str) else cell)
    data: str = safe.to_csv(index=False, lineterminator="\n", float_format="%.7g")
    return data.encode("utf-8", "backslashreplace")
