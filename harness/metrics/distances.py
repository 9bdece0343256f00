"""How far a sample lies from the target: distances, the Kolmogorov-Smirnov test, and what becomes of bad samples.

Everything is batched over members (rows) and computed in float64 from the sorted rows, row by row the same bits
whatever the neighbours. Knows targets only; what a perfect generator would score is in ``floors``, how probable a
KS distance is in ``kolmogorov``.
Letters: P members, S sample size (n in the formulas), x_(i) the i-th smallest, F the target's distribution
function, Q its inverse.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.data.latent import midpoints
from harness.data.target import Target
from harness.errors import InputError
from harness.metrics.ks_pvalue import ks_pvalue
from harness.metrics.noise_floor import floors

Float64 = NDArray[np.float64]
Samples = NDArray[np.floating[Any]]
SampleState = Literal["ordinary", "constant", "nonfinite", "empty"]

#: What ``distances`` returns, in this order.
DISTANCES = ("ks", "w1", "cvm", "ad", "mean", "sd")

#: A sample with a value beyond this is nonfinite: the squares in its variance would leave float64.
LARGEST = 1e150

#: Least log-probability that enters Anderson-Darling, log(1e-300): a point outside a bounded support would make the
#: statistic infinite; it weighs as one of probability 1e-300 instead (37 standard deviations out in a Gaussian).
LOG_FLOOR = math.log(1e-300)

#: Probability below which its logarithm is asked of the target itself: at 1e-3 rounding moves log F(x) by 1e-13.
TAIL = 1e-3

#: Values sorted and evaluated at a time: what is made of them stays in the cache of one core.
BLOCK_VALUES = 2**16

#: Turns between rising and falling up to which a row is sorted by merging what is sorted in it already: a generator
#: makes few of ascending noise, and 10,000 values take 7 to 110 us then instead of 140.
FEW_TURNS = 32

#: Largest sample file that is read.
LARGEST_FILE_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Scores:
    """The committed columns of P members, by their names in the store; arrays (P,), ``quantiles`` (P, L).

    ``ks``, ``ks_iid`` and ``ks_pvalue`` are numbers for every member. The others are nan where the state is
    nonfinite or empty, and only ``row`` should leave this process: it has None there.
    """

    ks: Float64
    ks_iid: Float64
    ks_pvalue: Float64
    w1: Float64
    cvm: Float64
    ad: Float64
    mean: Float64
    sd: Float64
    sample_state: list[SampleState]
    quantiles: Float64

    def row(self, member: int) -> dict[str, float | str | list[float] | None]:
        """One member's columns as plain values: None wherever there is no finite number."""
        columns = ("ks", "ks_iid", "ks_pvalue", *DISTANCES[1:])
        row: dict[str, float | str | list[float] | None] = {c: _finite(getattr(self, c)[member]) for c in columns}
        row["sample_state"] = self.sample_state[member]
        whole = bool(np.isfinite(self.quantiles[member]).all())
        row["quantiles"] = self.quantiles[member].tolist() if whole else None
        return row


def score(stratified_PS: Samples, iid_PS: Samples, target: Target, levels: Sequence[float] = ()) -> Scores:
    """Every committed score of P members.

    ``stratified_PS`` is what the generators make of ``noise.evenly_spread``: all distances, ``sample_state`` and
    the quantiles at ``levels`` (each in [0, 1]; x_(i) is the quantile at (i - 1/2)/S) are taken from it.
    ``iid_PS`` is what they make of fresh independent noise, of any size: the KS test, whose p-value needs
    independence, is taken from it.
    """
    columns = _measure(stratified_PS, target, levels)
    ks_iid, ks_pvalue = ks_test(iid_PS, target)
    states = sample_states(stratified_PS)
    return Scores(ks_iid=ks_iid, ks_pvalue=ks_pvalue, sample_state=states, **columns)


def distances(x_PS: Samples, target: Target) -> dict[str, Float64]:
    """Distances of each row from the target, and its moments; each (P,).

    With u_i = F(x_(i)):

        ks    max over i of max(i/n - u_i, u_i - (i-1)/n)                       in [1/(2n), 1]
        w1    mean |x_(i) - Q((i - 1/2)/n)|                                    units of x
        cvm   1/(12n) + sum (u_i - (i - 1/2)/n)^2                              in [1/(12n), n/3]
        ad    -n - mean (2i - 1) (log u_i + log(1 - u_(n+1-i)))                >= 0, logs at least LOG_FLOOR
        mean  sd                                                               divisor n, as numpy.std

    A nonfinite or empty row has ks 1 and nan in the others (see ``sample_states``). w1 is infinite where the
    target's own quantiles leave float64.

    Source: Kolmogorov (1933); Anderson and Darling (1954), eq. 2, with F known, unlike scipy.stats.anderson.
    """
    columns = _measure(x_PS, target, ())
    return {name: columns[name] for name in DISTANCES}


def ks_distance(x_PS: Samples, target: Target) -> Float64:
    """The KS distance of each row from the target, (P,), as in ``distances``: one sort and one F."""
    ks_P = np.ones(len(x_PS))
    for members, sorted_PS in _finite_rows(x_PS):
        ks_P[members] = _ks(target.cdf(sorted_PS))
    return ks_P


def ks_test(x_PS: Samples, target: Target) -> tuple[Float64, Float64]:
    """Two-sided one-sample KS test of each row: (statistic, p-value), each (P,).

    The p-value is exact for independent draws and a continuous F (``kolmogorov``), and means nothing for stratified
    ones. A nonfinite or empty row has statistic 1 and p-value 0.
    """
    ks_P = ks_distance(x_PS, target)
    n = x_PS.shape[1]
    return ks_P, ks_pvalue(ks_P, n) if n else np.zeros_like(ks_P)


def sample_states(x_PS: Samples) -> list[SampleState]:
    """What each row is: empty (no values), nonfinite (a nan, an infinity, or beyond 1e150), constant, or ordinary."""
    members, n = x_PS.shape
    if n == 0:
        return ["empty"] * members
    low_P, high_P = x_PS.min(axis=1).astype(np.float64), x_PS.max(axis=1).astype(np.float64)
    within_P = (np.abs(low_P) <= LARGEST) & (np.abs(high_P) <= LARGEST)
    return [
        "nonfinite" if not within else "constant" if low == high else "ordinary"
        for within, low, high in zip(within_P, low_P, high_P, strict=True)
    ]


def _finite_rows(x_PS: Samples) -> Iterator[tuple[NDArray[np.intp], Float64]]:
    """Row numbers and sorted float64 values of the rows that are neither empty nor nonfinite, block by block."""
    members, n = x_PS.shape
    height = max(1, BLOCK_VALUES // max(1, n))
    for start in range(0, members if n else 0, height):
        # C order whatever the input's, so that sums run along a row and do not depend on the number of rows. In its own
        # precision, because fewer bytes are sorted faster.
        block_PS = np.array(x_PS[start : start + height], order="C")
        for x_S, turns in zip(block_PS, _turns(block_PS), strict=True):
            x_S.sort(kind="stable" if turns <= FEW_TURNS else "quicksort")
        sorted_PS = block_PS.astype(np.float64)
        # nan sorts last: the two ends tell.
        finite_P = (np.abs(sorted_PS[:, 0]) <= LARGEST) & (np.abs(sorted_PS[:, -1]) <= LARGEST)
        if finite_P.all():
            yield np.arange(start, start + len(sorted_PS)), sorted_PS
        elif finite_P.any():
            yield start + np.flatnonzero(finite_P), sorted_PS[finite_P]


def _turns(x_PS: Samples) -> NDArray[np.intp]:
    """How often the values of each row change between rising and falling."""
    falls_PS = x_PS[:, 1:] < x_PS[:, :-1]
    return np.asarray(np.count_nonzero(falls_PS[:, 1:] != falls_PS[:, :-1], axis=1))


def _measure(x_PS: Samples, target: Target, levels: Sequence[float]) -> dict[str, Float64]:
    """``distances`` and the quantiles at ``levels``."""
    members, n = x_PS.shape
    columns = {name: np.full(members, np.nan) for name in DISTANCES}
    columns["ks"][:] = 1.0
    columns["quantiles"] = np.full((members, len(levels)), np.nan)
    for rows, sorted_PS in _finite_rows(x_PS):
        u_PS = target.cdf(sorted_PS)
        columns["ks"][rows] = _ks(u_PS)
        columns["cvm"][rows] = 1 / (12 * n) + np.square(u_PS - _steps(n).middle).sum(axis=1)
        columns["ad"][rows] = _anderson_darling(sorted_PS, u_PS, target)
        with np.errstate(over="ignore"):
            columns["w1"][rows] = np.abs(sorted_PS - _quantiles(target, n)).mean(axis=1)
        columns["mean"][rows], columns["sd"][rows] = _moments(sorted_PS)
        columns["quantiles"][rows] = _hazen(sorted_PS, np.asarray(levels))
    return columns


class _Steps(NamedTuple):
    """The steps of the distribution function of n values, each (n,): (i - 1)/n, (i - 1/2)/n, i/n, and 2i - 1."""

    below: Float64
    middle: Float64
    above: Float64
    weights: Float64


@lru_cache(maxsize=2)
def _steps(n: int) -> _Steps:
    i = np.arange(n, dtype=np.float64)
    return _Steps(i / n, midpoints(n), (i + 1) / n, 2 * i + 1)


@lru_cache(maxsize=2)
def _quantiles(target: Target, n: int) -> Float64:
    """The target's own quantiles at the middles of the steps, (n,)."""
    return target.quantile(_steps(n).middle)


def _ks(u_PS: Float64) -> Float64:
    steps = _steps(u_PS.shape[1])
    above_P = (steps.above - u_PS).max(axis=1)
    below_P = (u_PS - steps.below).max(axis=1)
    distance_P: Float64 = np.maximum(above_P, below_P)
    return distance_P


def _anderson_darling(sorted_PS: Float64, u_PS: Float64, target: Target) -> Float64:
    n = sorted_PS.shape[1]
    # Only in a tail does the logarithm need more digits of the probability than F has left.
    with np.errstate(divide="ignore"):
        logs_PS, upper_PS = np.log(u_PS), np.log(1 - u_PS)
    for logs, tail, exact in (
        (logs_PS, u_PS < TAIL, target.logcdf),
        (upper_PS, u_PS > 1 - TAIL, target.logsf),
    ):
        logs[tail] = np.maximum(exact(sorted_PS[tail]), LOG_FLOOR)
    logs_PS += upper_PS[:, ::-1]
    logs_PS *= _steps(n).weights
    statistic_P: Float64 = -n - logs_PS.mean(axis=1)
    return statistic_P


def _moments(sorted_PS: Float64) -> tuple[Float64, Float64]:
    # About the median, so that a constant row has exactly its value and 0, and a far offset costs no digits.
    centre_P = sorted_PS[:, sorted_PS.shape[1] // 2]
    offset_PS = sorted_PS - centre_P[:, None]
    shift_P = offset_PS.mean(axis=1)
    return centre_P + shift_P, np.sqrt(np.square(offset_PS - shift_P[:, None]).mean(axis=1))


def _hazen(sorted_PS: Float64, levels_L: Float64) -> Float64:
    """Quantiles (P, L) by Hazen's definition, which puts x_(i) at (i - 1/2)/n, as w1 does, and lines between."""
    n = sorted_PS.shape[1]
    place_L = np.clip(levels_L * n - 0.5, 0, n - 1)
    first_L = place_L.astype(np.intp)
    low_PL, high_PL = sorted_PS[:, first_L], sorted_PS[:, np.minimum(first_L + 1, n - 1)]
    found_PL: Float64 = low_PL + (high_PL - low_PL) * (place_L - first_L)
    return found_PL


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def score_file(path: Path, target: Target, column: str | None = None) -> dict[str, Any]:
    """The scores of the sample in one file, as values that JSON can hold (None for no finite number).

    Keys: n, target, state, the ``distances``, ks_pvalue (right only if the draws are independent), ``floors`` (of
    n draws from the target itself) and ks_over_floor = ks / mean of ks for such draws. An empty sample has no floors.

    Raises:
        InputError: as ``read_samples``.
    """
    x_1S = read_samples(path, column)[None, :]
    n = x_1S.shape[1]
    measured = {name: _finite(values[0]) for name, values in distances(x_1S, target).items()}
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
        raise InputError(f"{path}: unknown suffix {path.suffix!r}; samples are read from .npy and .csv files")
    if not path.is_file():
        raise InputError(f"{path}: no such file; samples are read from .npy and .csv files")
    size = path.stat().st_size
    if size > LARGEST_FILE_BYTES:
        raise InputError(f"{path}: {size / 2**20:.0f} MiB; a sample file may have {LARGEST_FILE_BYTES // 2**20} MiB")
    return reader(path, column)


def _read_npy(path: Path, column: str | None) -> Float64:
    allowed = "a .npy sample is one column of integers or floats"
    if column is not None:
        raise InputError(f"{path}: column {column!r} asked for, but only .csv files have named columns")
    try:
        # Mapped, not loaded: a header that promises more than the file holds is refused before memory is taken,
        # and so are object arrays, which would need pickle.
        with np.errstate(all="ignore"):
            array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # damaged headers bring out numpy's own errors and those of Python's tokenizer
        raise InputError(f"{path}: not a readable .npy file ({_one_line(error)}); {allowed}") from None
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != 1):
        raise InputError(f"{path}: holds shape {array.shape} of {_one_line(array.dtype)}; {allowed}")
    with np.errstate(over="ignore"):
        return np.array(array, dtype=np.float64).reshape(-1)


def _read_csv(path: Path, column: str | None) -> Float64:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    head, *rest = re.split(rb"[\r\n]+", path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip(b"\r\n"), maxsplit=1)
    names, has_header = _csv_columns(path, head)
    known = _listed(names) if has_header else "they have no names"
    if column is not None and (not has_header or names.count(column) != 1):
        raise InputError(f"{path}: no single column named {column!r}; columns: {known}")
    if column is None and len(names) > 1:
        raise InputError(f"{path}: {len(names)} columns ({known}); give one column, or name one of a header")
    body = b"".join(rest) if has_header else b"\n".join((head, *rest))
    if not body:
        return np.empty(0)
    chosen = column if column is not None else names[0]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[chosen], column_types={chosen: pa.float64()}, null_values=[]
            ),
        )
    except pa.ArrowException as error:
        raise InputError(f"{path}: {_one_line(error)}; every line holds numbers, in the same columns") from None
    return np.array(table.column(chosen).to_numpy(), dtype=np.float64)


def _csv_columns(path: Path, head: bytes) -> tuple[list[str], bool]:
    """Names of the columns, and whether the first line gave them: it does if none of its fields is a number."""
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
    """A foreign message cut to one short line of printable characters: it may quote the file."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(reason).split()))[:120]
