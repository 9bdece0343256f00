"""Numbers, intervals and frames as text, and tables as files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.comparison import ArmResult
from analysis.intervals import Interval
from harness.text import csv_cell

#: Stands where a number does not exist.
ABSENT = "-"
#: Lines of a table that the page shows.
MAX_LINES = 400

#: Reasons for which an interval is a point.
_POINTS = ("all values equal", "one value")

#: Columns of the table of arms (``arm_cells``).
ARM_HEADINGS = ("arm", "seeds", "KS median [95 %]", "KS mean", "KS IQM", "success [95 %]", "lost", "mean", "sd",
                "KS minus baseline's [95 %]", "p (Holm)", "in floors")  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Column names and lines of text; the first cell of a line names it. ``left_out`` lines are not shown."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    left_out: int = 0


def arm_cells(result: ArmResult) -> tuple[str, ...]:
    """One arm's line under ``ARM_HEADINGS``, as unescaped text; a dash where a number does not exist."""
    paired = result.paired
    counts = ((result.diverged, "diverged"), (result.failed, "failed"))
    lost = ", ".join(f"{count} {outcome}" for count, outcome in counts if count) or "0"
    low, high = result.success.low, result.success.high
    success = "" if low is None or high is None else f"[{low:.0%}, {high:.0%}]"
    return (
        result.arm, str(result.n), interval_text(result.ks_median), number_text(result.ks_mean.estimate),
        number_text(result.ks_iqm.estimate), f"{result.successes}/{result.n} {success}", lost,
        number_text(result.mean), number_text(result.sd),
        interval_text(paired.median, "+") if paired else result.paired_state,
        ABSENT if paired is None else "<0.001" if paired.p_holm < 0.001 else f"{paired.p_holm:.3f}",
        ABSENT if paired is None or paired.floors is None else f"{paired.floors:+.1f}",
    )  # fmt: skip


def number_text(value: float | None, sign: str = "", digits: int = 3) -> str:
    """A number to that many significant digits, or a dash."""
    return ABSENT if value is None else f"{value:{sign}.{digits}g}"


def interval_text(interval: Interval, sign: str = "") -> str:
    """``0.012 [0.01, 0.015]``, or the estimate with the reason for having no interval."""
    point = number_text(interval.estimate, sign)
    low, high = (number_text(v, sign, 2) for v in (interval.low, interval.high))
    if interval.estimate is None:
        return ABSENT
    return f"{point} ({interval.method})" if interval.method in _POINTS else f"{point} [{low}, {high}]"


def table_of(frame: pd.DataFrame) -> Table:
    """A frame as text: numbers to four significant digits, whole ones whole, a dash where there is none."""
    head = frame.head(MAX_LINES)
    lines = [tuple(cell(v) for v in row) for row in head.itertuples(index=False, name=None)]
    return shortened(tuple(str(c) for c in frame.columns), lines, len(frame))


def shortened(columns: Sequence[str], lines: Sequence[tuple[str, ...]], total: int | None = None) -> Table:
    """The first ``MAX_LINES`` of ``total`` lines: thousands of seeds would bury the page; the rows hold them all."""
    total = len(lines) if total is None else total
    return Table(tuple(columns), tuple(lines[:MAX_LINES]), max(0, total - MAX_LINES))


def cell(value: Any) -> str:
    """One value as text."""
    if _is_absent(value):
        return ABSENT
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, (list, tuple, np.ndarray)):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def csv_text(frame: pd.DataFrame) -> str:
    """A frame as CSV, full precision; text that a spreadsheet would run is quoted with an apostrophe."""
    quoted = frame.rename(columns=csv_cell)
    for name in quoted.columns:
        if quoted[name].dtype == object or isinstance(quoted[name].dtype, pd.StringDtype):
            values = quoted[name]
            texts = {v: csv_cell(v) for v in set(filter(_is_text, values))}  # names of arms repeat
            quoted[name] = [texts[v] if _is_text(v) else v for v in values]
    return quoted.to_csv(index=False, lineterminator="\n")


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """A frame as a parquet file; a column of mixed values is text."""
    columns = {str(name): _column(frame[name].tolist()) for name in frame.columns}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _column(values: Sequence[Any]) -> pa.Array:
    known = [None if _is_absent(v) else v for v in values]
    try:
        return pa.array(known)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if v is None else str(v).encode("utf-8", "replace").decode() for v in known], pa.string())


def _is_absent(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def markdown_lines(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, from cells that are escaped already."""
    rows = [f"| {' | '.join(line)} |" for line in (columns, *lines)]
    return [rows[0], f"|{'---|' * len(columns)}", *rows[1:]]


def aligned_lines(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table whose columns are aligned, for a terminal."""
    widths = [max(map(len, column)) for column in zip(columns, *lines, strict=True)]
    rows = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in (columns, *lines)
    ]
    rows.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return rows
