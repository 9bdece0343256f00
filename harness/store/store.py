"""The folder of parquet files that is the truth of a sweep: the only code that writes results.

Layout of a sweep's folder::

    sweep.json               the spec as run, its fingerprint, a unique id and the provenance
    populations/000000.parquet ...   one immutable file per finished population, a row per member
    populations/000000.r1.parquet    a revision of the same population: its rows replace the first ones
    winners/<arm>/           generator.safetensors and sample.csv of the best trial of each arm
    report/                  written by analysis/
    sweep.lock  mirror.lock  held by the one writer, and by the one mirror

A file is complete or invisible: it is written under a temporary name in its own folder, synced and renamed.
Rows do not depend on when or how fast they were trained (that is in the file's metadata), so a resumed sweep has the
rows of an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from harness.errors import FormatError, InputError, StoreError
from harness.store import parquet
from harness.store.failpoints import reach
from harness.store.files import locked, write_whole
from harness.store.schema import SCHEMA

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 4

#: Where sweeps lie unless another folder is named.
SWEEPS = Path("sweeps")

#: The key under which sweep.json holds the sha256 of its content, so that no altered byte is ever read as data.
_CHECKSUM = "sha256"

_POPULATION = re.compile(r"([0-9]{6}|[1-9][0-9]{6,})(?:\.r([1-9][0-9]{0,5}))?\.parquet")


def population_named(name: str) -> tuple[int, int] | None:
    """Index and revision of the population whose file has this name; None if ``commit`` gives no such name."""
    match = _POPULATION.fullmatch(name)
    return (int(match[1]), int(match[2] or 0)) if match else None


class Store:
    """One sweep's folder. Reading needs no lock; only the process that holds ``lock()`` may write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def exists(self) -> bool:
        """True if a sweep was started in this folder."""
        return (self.folder / "sweep.json").is_file()

    def start(self, description: Mapping[str, Any]) -> None:
        """Begin a sweep: write its description (see ``describe``) into a folder that has none yet."""
        if self.exists:
            raise InputError(f"{self.folder}: already holds a sweep")
        self.amend(description)

    def amend(self, description: Mapping[str, Any]) -> None:
        """Replace the sweep's description, as when its budget is extended; for the holder of ``lock()``."""
        whole = {**description, "format": FORMAT}
        text = json.dumps({**whole, _CHECKSUM: _checksum(whole)}, indent=1, sort_keys=True, allow_nan=False)
        write_whole(self.folder / "sweep.json", text.encode())

    def describe(self) -> dict[str, Any]:
        """The description: uid, name, spec, fingerprint, arms, created, provenance, populations.

        ``populations`` is the number that the whole sweep will have. ``finished`` is the time at which the last was
        committed, None while a raised budget or a retry is under way.

        Raises:
            StoreError: there is no sweep here, or its description is damaged.
            FormatError: its description is of another format.
        """
        path = self.folder / "sweep.json"
        if not path.is_file():
            raise StoreError(f"{self.folder}: no sweep here (no sweep.json)")
        try:
            description: dict[str, Any] = json.loads(path.read_bytes())
            form = description["format"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(f"{path}: damaged ({_reason(error)}); restore the file or start with --fresh") from None
        if form != FORMAT:
            shown = _reason(ValueError(form))
            raise FormatError(
                f"{path}: written in format {shown}, and this program reads format {FORMAT}; read it with the version "
                "that wrote it, or start with --fresh, which sets it aside"
            )
        if description.pop(_CHECKSUM, None) != _checksum(description):
            raise StoreError(f"{path}: damaged (checksum does not match); restore the file or start with --fresh")
        return description

    def lock(self) -> Any:
        """The writer's lock, as a context manager."""
        return locked(self.folder / "sweep.lock")

    def commit(
        self, index: int, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, str], revision: int = 0
    ) -> None:
        """Write population ``index``; after return it survives a kill.

        A ``revision`` above 0 replaces the revisions below it, whose files stay. ``metadata`` holds what does not
        depend on the members alone: seconds, time, device.

        Raises:
            StoreError: that revision is committed already, or the system refuses to write it.
        """
        path = self._path(index, revision)
        if path.exists():
            raise StoreError(f"{path}: population {index} is committed already; committed files never change")
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
        table = table.replace_schema_metadata({f"harness.{k}": v for k, v in metadata.items()})
        reach("commit.begun")
        write_whole(path, parquet.encoded(table))
        reach("commit.done")

    def committed(self) -> list[int]:
        """Indices of the committed populations, ascending."""
        return sorted(self.revisions())

    def revisions(self) -> dict[int, int]:
        """The latest revision of each committed population, by index; it alone counts."""
        folder = self.folder / "populations"
        latest: dict[int, int] = {}
        for named in (population_named(path.name) for path in folder.iterdir()) if folder.is_dir() else ():
            if named:
                index, revision = named
                latest[index] = max(revision, latest.get(index, 0))
        return latest

    def population(self, index: int, columns: Sequence[str] | None = None, *, revision: int | None = None) -> pa.Table:
        """The rows of one committed population, or ``columns`` of them; of its latest revision unless one is named.

        Raises:
            StoreError: the file is truncated, altered or of another schema.
        """
        return _read(self._path(index, self._latest(index) if revision is None else revision), columns)

    def metadata(self, index: int) -> Mapping[str, str]:
        """The metadata that ``commit`` wrote with a population's latest revision.

        Raises:
            StoreError: as ``population``.
        """
        return metadata_of(self.population(index, ["key"]))

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All committed rows, or ``columns`` of them, in order of population."""
        # SCHEMA.empty_table() would import pandas and slow down `harness sweeps`.
        empty = pa.Table.from_batches([], SCHEMA)
        revisions = sorted(self.revisions().items())
        tables = [_read(self._path(i, r), columns).replace_schema_metadata(None) for i, r in revisions]
        return pa.concat_tables(tables or [empty if columns is None else empty.select(columns)])

    def best_confirm_rows(self) -> list[dict[str, Any]]:
        """The row of each arm's best confirm seed: the least KS among members that have a generator."""
        best: dict[str, dict[str, Any]] = {}
        for row in self._confirmed():
            if row["generator"] is not None:
                least = best.setdefault(row["arm"], row)
                best[row["arm"]] = row if row["ks"] < least["ks"] else least
        return list(best.values())

    def _confirmed(self) -> Iterator[dict[str, Any]]:
        """The rows of the confirm stage; of search populations, a thousand times more, only the stages are read."""
        for index, revision in sorted(self.revisions().items()):
            if "confirm" in self.population(index, ["stage"], revision=revision)["stage"].to_pylist():
                table = self.population(index, revision=revision)
                yield from table.filter(pc.equal(table["stage"], "confirm")).to_pylist(maps_as_pydicts="strict")

    def frame(self) -> pd.DataFrame:
        """All committed rows as a pandas frame; list columns hold arrays, ``loss_params`` dictionaries."""
        frame: pd.DataFrame = self.table().to_pandas(maps_as_pydicts="strict", use_threads=False)
        return frame

    def _latest(self, index: int) -> int:
        # After a cleanup the names have gaps, and only a listing of the folder shows the last one.
        if not self._path(index, 0).exists():
            return self.revisions().get(index, 0)
        revision = 0
        while self._path(index, revision + 1).exists():
            revision += 1
        return revision

    def _path(self, index: int, revision: int) -> Path:
        return self.folder / "populations" / f"{index:06d}{f'.r{revision}' if revision else ''}.parquet"


def metadata_of(table: pa.Table) -> Mapping[str, str]:
    """The metadata of a population's table that was read already, as ``Store.metadata`` returns them."""
    return parquet.metadata(table, "harness.")


def _read(path: Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        file = parquet.opened(path.read_bytes())
        # Without the metadata, which also hold how a column was written.
        has_schema = file.schema_arrow.remove_metadata().equals(SCHEMA)
        table = parquet.read(file, columns) if has_schema else None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(
            f"{path}: damaged ({_reason(error)}); delete it and resume to train that population again"
        ) from None
    if table is None:
        raise StoreError(
            f"{path}: its columns are not those of format {FORMAT}; read it with the version that wrote it"
        )
    return table


def _checksum(description: Mapping[str, Any]) -> str:
    """sha256 (64 hex digits) of a description as JSON with sorted keys, whatever the file's layout."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _reason(error: Exception) -> str:
    """The first line of an error's text, which may quote a damaged file, without control characters."""
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in line[:120])
