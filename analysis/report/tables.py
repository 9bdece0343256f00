"""Frames as tables of text, and as files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.arms_table import ABSENT
from harness.text import csv_cell

#: Lines of a table that the page shows.
LONGEST = 400


@dataclass(frozen=True)
class Table:
    """Column names and lines of text; the first cell of a line names it. ``left_out`` lines are not printed."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    left_out: int = 0


def table_of(frame: pd.DataFrame) -> Table:
    """A frame as text: numbers to four significant digits, whole ones whole, a dash where there is none."""
    shown = frame.head(LONGEST)
    lines = [tuple(cell(v) for v in line) for line in shown.itertuples(index=False, name=None)]
    return Table(tuple(str(c) for c in frame.columns), tuple(lines), max(0, len(frame) - LONGEST))


def shortened(columns: Sequence[str], lines: Sequence[tuple[str, ...]]) -> Table:
    """The first ``LONGEST`` lines: thousands of seeds would bury the page, and the committed rows hold them all."""
    return Table(tuple(columns), tuple(lines[:LONGEST]), max(0, len(lines) - LONGEST))


def cell(value: Any) -> str:
    """One value as text."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ABSENT
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, (list, tuple, np.ndarray)):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def csv_text(frame: pd.DataFrame) -> str:
    """A frame as CSV, full precision; text that a spreadsheet would run is quoted with an apostrophe."""
    shown = frame.rename(columns=csv_cell)
    for name in shown.columns:
        if shown[name].dtype == object or isinstance(shown[name].dtype, pd.StringDtype):
            values = shown[name]
            texts = {
                v: csv_cell(v) for v in {v for v in values if isinstance(v, str)}
            }  # names of arms, again and again
            shown[name] = [texts.get(v, v) if isinstance(v, str) else v for v in values]
    return shown.to_csv(index=False, lineterminator="\n")


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """A frame as a parquet file; a column of mixed values is text."""
    columns = {str(name): _column(frame[name].tolist()) for name in frame.columns}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _column(values: Sequence[Any]) -> pa.Array:
    known = [None if _absent(v) else v for v in values]
    try:
        return pa.array(known)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if v is None else str(v).encode("utf-8", "replace").decode() for v in known], pa.string())


def _absent(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def markdown_lines(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, from cells that are escaped already."""
    shown = [f"| {' | '.join(line)} |" for line in (columns, *lines)]
    return [shown[0], f"|{'---|' * len(columns)}", *shown[1:]]
