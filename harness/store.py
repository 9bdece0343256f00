"""The folder of parquet files that is the truth of a sweep: the only code that writes results.

Layout of a sweep's folder::

    sweep.json               the spec as run, its fingerprint, a unique id and the provenance
    populations/000000.parquet ...   one immutable file per finished population, a row per member
    winners/<arm>/           generator.safetensors and sample.csv of the best trial of each arm
    report/                  what analysis/ wrote
    sweep.lock  mirror.lock  held by the one writer, and by the one mirror

A file is complete or invisible: it is written under a temporary name in its own folder, synced and renamed.
Rows hold nothing that depends on when or how fast they were made (that is in the file's metadata), so the
rows of an interrupted and resumed sweep equal those of an uninterrupted one.

A population's file is ordinary parquet. Its metadata hold the sha256 of the file itself, taken with zeros in that
place, so that no altered byte is ever read as data.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import InputError, StoreError

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 3

#: Where sweeps lie unless another folder is named.
SWEEPS = Path("sweeps")

_F64, _F32S, _F64S = pa.float64(), pa.list_(pa.float32()), pa.list_(pa.float64())

#: What a snapshot keeps of one member: the value at each step of ``snapshot_step``.
SNAPSHOT_COLUMNS: dict[str, str] = {
    "ks": "KS distance on stratified noise, after that many steps",
    "loss_d": "discriminator's loss in that step",
    "loss_d_real": "the part of it that reads real data alone; null where the loss has no such part",
    "loss_d_fake": "the part of it that reads generated data alone; null where the loss has no such part",
    "loss_g": "generator's loss in that step",
    "real_mean": "mean of the real minibatch",
    "real_sd": "standard deviation of the real minibatch (divisor n, as numpy.std)",
    "fake_mean": "mean of the generated minibatch of the discriminator's step",
    "fake_sd": "its standard deviation",
    "grad_norm_d": "Euclidean norm of the discriminator's gradient",
    "grad_norm_g": "Euclidean norm of the generator's gradient",
    "d_real": "mean probability, sigmoid of the logit, that D gives the real minibatch in its update",
    "d_fake": "the same for the generated minibatch",
    "penalty": "weighted sum of the gradient penalties in D's update; null where there are none",
}

#: One row per member. Every column is a function of the member and the engine alone.
SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # content hash of the member's definition and the engine: its name everywhere
        ("stage", pa.string()),  # search | confirm
        ("round", pa.int32()),
        ("arm", pa.string()),  # variant with parameters, and view: what is compared
        ("trial", pa.int32()),
        ("loss", pa.string()),
        ("loss_params", pa.map_(pa.string(), _F64)),
        ("view", pa.string()),
        ("target", pa.string()),
        ("study_seed", pa.int64()),
        ("seed", pa.int64()),
        ("steps", pa.int32()),
        ("batch", pa.int32()),
        ("hidden", pa.int32()),
        ("hidden_g", pa.int32()),
        ("activations_g", pa.list_(pa.string())),
        ("activations_d", pa.list_(pa.string())),
        ("noise", pa.string()),
        ("latent", pa.int32()),
        ("optimizer", pa.string()),
        ("order", pa.string()),
        ("schedule", pa.string()),
        ("d_steps", pa.int32()),
        ("g_steps", pa.int32()),
        ("lr_d", _F64),
        ("lr_g", _F64),
        ("beta1", _F64),
        ("beta2", _F64),
        ("lr_decay", _F64),
        ("penalty_decay", _F64),
        ("ema", _F64),
        ("replay", _F64),
        ("instance_noise", _F64),
        ("weight_clip", _F64),
        ("spectral_norm", _F64),
        ("r1", _F64),
        ("r2", _F64),
        ("zero_gp", _F64),
        ("gp", _F64),
        ("one_sided_gp", _F64),
        ("dragan", _F64),
        ("wgan_div", _F64),
        ("consensus", _F64),
        ("engine", pa.string()),
        ("outcome", pa.string()),  # scored | diverged | failed | pruned (stopped by halving, healthy)
        ("stopped_step", pa.int32()),  # null unless diverged or pruned
        ("stopped_tensor", pa.string()),  # null unless diverged: e.g. "gradient of D.weight1"
        ("failure", pa.string()),  # null unless failed: the engine's one-line reason
        ("ks", _F64),  # on stratified noise; 1 where diverged or failed; of a pruned member, where it stopped
        ("ks_iid", _F64),  # on fresh independent draws
        ("ks_pvalue", _F64),
        ("w1", _F64),  # null where diverged or failed, as all below
        ("cvm", _F64),
        ("ad", _F64),
        ("mean", _F64),
        ("sd", _F64),
        ("sample_state", pa.string()),  # ordinary | constant | nonfinite | empty
        ("quantiles", _F64S),  # of the generator's law at the levels QUANTILE_LEVELS; null where not finite
        ("snapshot_step", pa.list_(pa.int32())),
        *[(f"snapshot_{name}", _F64S) for name in SNAPSHOT_COLUMNS],
        ("digest", pa.string()),  # sha256 of the final parameters' bits, both players
        ("generator", _F32S),  # flat parameters of the generator; confirm stage only
    ]
)

#: The columns that hold a member's hyper-parameters: what [train] says, but for the snapshots.
HYPERPARAMETERS: tuple[str, ...] = tuple(SCHEMA.names[SCHEMA.names.index("steps") : SCHEMA.names.index("engine")])

#: The levels of the column ``quantiles``: (i + 1/2)/200, i = 0..199.
QUANTILE_LEVELS = tuple((i + 0.5) / 200 for i in range(200))

_POPULATION = re.compile(r"([0-9]{6}|[1-9][0-9]{6,})\.parquet")

#: Where a file's metadata hold its own checksum.
_CHECKSUM = b"harness.sha256"


def slug(label: str) -> str:
    """A file name for any label: its harmless characters, and a hash after a dot where something was lost.

    Never empty, never with a path separator or a leading dot, so a path built from it stays in its folder. Labels
    that differ have slugs that differ, up to 32 bits of sha256.
    """
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", label).strip("-")[:60]
    if kept and kept == label:
        return kept
    return f"{kept or 'x'}.{hashlib.sha256(label.encode(errors='surrogatepass')).hexdigest()[:8]}"


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader, even after a crash, sees the old file or the whole new one.

    Raises:
        StoreError: the system refuses to write: a full disk, a limit on file sizes, missing rights.
    """
    # Not by tempfile, whose files are for their owner alone: results are as readable as the umask says.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if not isinstance(error, OSError):
            raise
        raise StoreError(
            f"{path}: {len(data)} bytes cannot be written ({error.strerror}); nothing that was there has changed; "
            "make room, or allow writing, and run again"
        ) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (freed by the system when the process ends, however it ends).

    Raises:
        InputError: another process holds it and ``wait`` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise InputError(f"{path.parent}: another process is writing this sweep; wait for it or stop it") from None
        yield


class Store:
    """One sweep's folder. Reading needs no lock; ``commit`` is for the process that holds ``lock()``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def exists(self) -> bool:
        """Whether a sweep was started in this folder."""
        return (self.folder / "sweep.json").is_file()

    def start(self, description: Mapping[str, Any]) -> None:
        """Begin a sweep: write its description (see ``describe``) into a folder that has none yet."""
        if self.exists:
            raise InputError(f"{self.folder}: already holds a sweep")
        text = json.dumps({"format": FORMAT, **description}, indent=1, sort_keys=True, allow_nan=False)
        write_whole(self.folder / "sweep.json", text.encode())

    def describe(self) -> dict[str, Any]:
        """What ``start`` wrote: uid, name, spec, fingerprint, arms, created, provenance.

        Raises:
            StoreError: there is no sweep here, or its description is of another format or damaged.
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
            raise StoreError(f"{path}: written in format {form}; this program reads format {FORMAT}")
        return description

    def lock(self) -> Any:
        """The writer's lock, as a context manager."""
        return locked(self.folder / "sweep.lock")

    def commit(self, index: int, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, str]) -> None:
        """Make population ``index`` part of the truth; after return it survives a kill.

        ``metadata`` holds what is not a function of the members: seconds, time, device.

        Raises:
            StoreError: population ``index`` is committed already, or the system refuses to write it.
        """
        path = self._path(index)
        if path.exists():
            raise StoreError(f"{path}: population {index} is committed already; committed files never change")
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
        table = table.replace_schema_metadata({f"harness.{k}": v for k, v in metadata.items()})
        write_whole(path, _parquet(table))

    def committed(self) -> list[int]:
        """Indices of the committed populations, ascending."""
        folder = self.folder / "populations"
        if not folder.is_dir():
            return []
        found = (_POPULATION.fullmatch(p.name) for p in folder.iterdir())
        return sorted(int(m[1]) for m in found if m)

    def population(self, index: int) -> pa.Table:
        """The rows of one committed population.

        Raises:
            StoreError: the file is truncated, altered or of another schema.
        """
        path = self._path(index)
        try:
            data = path.read_bytes()
            # From the bytes, not the path, in whose folders pyarrow would look for columns.
            found = pq.read_metadata(pa.BufferReader(data)).metadata or {}
            if _checksum(data, found.get(_CHECKSUM, b"")) != found.get(_CHECKSUM):
                raise pa.ArrowInvalid("its checksum is another")
            # Not read_table: its pool of threads may hold the bytes when the interpreter ends, and then aborts the
            # process ("terminate called without an active exception").
            table = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise StoreError(
                f"{path}: damaged ({_reason(error)}); delete it and resume to train that population again"
            ) from None
        if not table.schema.remove_metadata().equals(SCHEMA):
            raise StoreError(f"{path}: has other columns than this program writes (format {FORMAT})")
        return table

    def table(self) -> pa.Table:
        """All committed rows, in order of population."""
        tables = [self.population(i).replace_schema_metadata(None) for i in self.committed()]
        return pa.concat_tables(tables) if tables else SCHEMA.empty_table()

    def winners(self) -> list[dict[str, Any]]:
        """The row of each arm's best confirm seed: the least KS among members that have a generator."""
        best: dict[str, dict[str, Any]] = {}
        for row in self.table().to_pylist(maps_as_pydicts="strict"):
            if row["stage"] == "confirm" and row["generator"] is not None:
                held = best.setdefault(row["arm"], row)
                best[row["arm"]] = row if row["ks"] < held["ks"] else held
        return list(best.values())

    def frame(self) -> pd.DataFrame:
        """All committed rows as a pandas frame; list columns hold arrays, ``loss_params`` dictionaries."""
        frame: pd.DataFrame = self.table().to_pandas(maps_as_pydicts="strict", use_threads=False)
        return frame

    def _path(self, index: int) -> Path:
        return self.folder / "populations" / f"{index:06d}.parquet"


def _parquet(table: pa.Table) -> bytes:
    """The table as a parquet file whose metadata hold its own checksum."""
    # A place as long as the checksum, and found in no other file.
    place = secrets.token_hex(32).encode()
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_CHECKSUM: place})
    data: bytes = sink.getvalue().to_pybytes()
    return data.replace(place, _checksum(data, place))


def _checksum(data: bytes, place: bytes) -> bytes:
    """sha256 (64 hex digits) of a file's bytes with zeros where ``place`` stands."""
    return hashlib.sha256(data.replace(place, bytes(len(place)))).hexdigest().encode()


def _reason(error: Exception) -> str:
    """The first line of an error's text, which may quote what a damaged file holds, without control characters."""
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in line[:120])
