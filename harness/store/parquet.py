"""A table as the bytes of a parquet file that holds its own checksum, and back.

The file is ordinary parquet. Its metadata hold the sha256 of the file itself, taken with zeros in place of the
checksum, so that no altered byte is ever read as data.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

#: Where a file's metadata hold its own checksum.
_CHECKSUM = b"harness.sha256"


def encoded(table: pa.Table) -> bytes:
    """The table, with its metadata, as a parquet file whose metadata hold its own checksum."""
    # A placeholder of the checksum's length that is in no other file.
    placeholder = secrets.token_hex(32).encode()
    sink = pa.BufferOutputStream()
    # A population has a few dozen rows: dictionaries and statistics of columns would make the file half as large again
    # and take as long as the rest of writing it.
    with pq.ParquetWriter(
        sink, table.schema, compression="zstd", use_dictionary=False, write_statistics=False
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_CHECKSUM: placeholder})
    data: bytes = sink.getvalue().to_pybytes()
    return data.replace(placeholder, _checksum(data, placeholder))


def opened(data: bytes) -> pq.ParquetFile:
    """The file that ``encoded`` made, after a check of its checksum.

    Raises:
        pyarrow.ArrowException, OSError, ValueError: the bytes are truncated, altered, or no parquet file.
    """
    # From the bytes, not the path: pyarrow would take names of folders for columns.
    file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    metadata = file.metadata.metadata or {}
    if _checksum(data, metadata.get(_CHECKSUM, b"")) != metadata.get(_CHECKSUM):
        raise pa.ArrowInvalid("its checksum is another")
    return file


def read(file: pq.ParquetFile, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in an opened file, or its ``columns`` alone.

    Raises:
        pyarrow.ArrowException, OSError, ValueError: as ``opened``.
    """
    # Without threads: a pool of them may hold the bytes when the interpreter ends, and then aborts the process
    # ("terminate called without an active exception").
    return file.read(columns=None if columns is None else list(columns), use_threads=False)


def metadata(table: pa.Table, prefix: str) -> dict[str, str]:
    """The metadata of a table whose names have this prefix, by name without the prefix."""
    items = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items() if k != _CHECKSUM}
    return {k.removeprefix(prefix): v for k, v in items.items() if k.startswith(prefix)}


def _checksum(data: bytes, placeholder: bytes) -> bytes:
    """sha256 (64 hex digits) of a file's bytes with zeros in place of ``placeholder``."""
    return hashlib.sha256(data.replace(placeholder, bytes(len(placeholder)))).hexdigest().encode()
