"""Sample files: reading .npy and .csv, and the scores of the sample in one file."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.target import Target
from harness.errors import InputError
from harness.metrics.distances import distances, finite_or_none, ks_test, sample_states
from harness.metrics.noise_floor import floors

Float64 = NDArray[np.float64]

#: Largest sample file that is read.
LARGEST_FILE_BYTES = 256 * 2**20


def score_file(path: Path, target: Target, column: str | None = None) -> dict[str, Any]:
    """The scores of the sample in one file, as plain values for JSON (None for a nonfinite number).

    Keys: n, target, state, the ``distances``, ks_pvalue (right only if the draws are independent), ``floors`` (of
    n draws from the target itself) and ks_over_floor = ks / mean of ks for such draws. An empty sample has no floors.

    Raises:
        InputError: as ``read_samples``.
    """
    x_1S = read_samples(path, column)[None, :]
    n = x_1S.shape[1]
    measured = {name: finite_or_none(values[0]) for name, values in distances(x_1S, target).items()}
    floor = floors(n, target) if n else None
    mean_floor = floor["ks_mean"] if floor else None
    return {
        "n": n,
        "target": target.text,
        "state": sample_states(x_1S)[0],
        **measured,
        "ks_pvalue": float(ks_test(x_1S, target)[1][0]),
        "floors": floor,
        "ks_over_floor": None if mean_floor is None else float(measured["ks"] or 0.0) / mean_floor,
    }


def read_samples(path: Path, column: str | None = None) -> Float64:
    """The numbers in a file, float64, shape (S,); S may be 0, and nan and infinities are kept.

    A .npy file holds a one-dimensional array of integers or floats, or one column of them. A .csv file holds one
    number a line below an optional header line; ``column`` names one of several columns.

    Raises:
        InputError: no such file, over 256 MiB, of another suffix, or not as above.
    """
    readers = {".npy": _read_npy, ".csv": _read_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: got suffix {path.suffix!r}; allowed: .npy, .csv")
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a .npy or .csv file")
    size = path.stat().st_size
    if size > LARGEST_FILE_BYTES:
        raise InputError(f"{path}: got {size / 2**20:.0f} MiB; allowed: up to {LARGEST_FILE_BYTES // 2**20} MiB")
    return reader(path, column)


def _read_npy(path: Path, column: str | None) -> Float64:
    allowed = "allowed: one column of integers or floats"
    if column is not None:
        raise InputError(f"{path}: got column {column!r}, but only .csv files have named columns; leave it out")
    try:
        # Mapped, not loaded: a header that claims more than the file has is refused before memory is allocated. So are
        # object arrays, which would need pickle.
        with np.errstate(all="ignore"):
            array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header raises numpy's own errors or those of Python's tokenizer
        raise InputError(f"{path}: not a readable .npy file ({_one_line(error)}); {allowed}") from None
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != 1):
        raise InputError(f"{path}: got shape {array.shape} of {_one_line(array.dtype)}; {allowed}")
    with np.errstate(over="ignore"):
        return np.array(array, dtype=np.float64).reshape(-1)


def _read_csv(path: Path, column: str | None) -> Float64:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    head, *rest = re.split(rb"[\r\n]+", path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip(b"\r\n"), maxsplit=1)
    names, has_header = _csv_columns(path, head)
    known = _listed(names) if has_header else "they have no names"
    if column is not None and (not has_header or names.count(column) != 1):
        raise InputError(f"{path}: no single column named {column!r}; allowed: {known}")
    if column is None and len(names) > 1:
        raise InputError(f"{path}: got {len(names)} columns ({known}); name one of them, or save a single column")
    body = b"".join(rest) if has_header else b"\n".join((head, *rest))
    if not body:
        return np.empty(0)
    name = column if column is not None else names[0]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[name], column_types={name: pa.float64()}, null_values=[]
            ),
        )
    except pa.ArrowException as error:
        raise InputError(f"{path}: {_one_line(error)}; write numbers in the same columns on every line") from None
    return np.array(table.column(name).to_numpy(), dtype=np.float64)


def _csv_columns(path: Path, head: bytes) -> tuple[list[str], bool]:
    """Names of the columns, and whether the first line is a header: it is if none of its fields is a number."""
    try:
        fields = next(csv.reader([head.decode("utf-8", errors="replace")]), [])
    except csv.Error as error:
        raise InputError(f"{path}: not readable as text ({_one_line(error)})") from None
    if any(_is_number(field) for field in fields):
        return [f"column {i}" for i in range(1, len(fields) + 1)], False
    return [field.strip() for field in fields], True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _listed(names: Sequence[str]) -> str:
    return _one_line(", ".join(names))


def _one_line(reason: object) -> str:
    """A foreign message, which may quote the file, cut to one short line of printable characters."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(reason).split()))[:120]
