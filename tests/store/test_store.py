"""The folder of results: what is committed comes back, and what was altered is refused by the file's name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.rows import DESCRIPTION, ROW

import harness.store
from harness.errors import InputError, StoreError
from harness.store import FORMAT, SCHEMA, Store

_VALUES: Mapping[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.text(max_size=20),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.map_(pa.string(), pa.float64()): st.dictionaries(st.text(max_size=5), st.floats() | st.none(), max_size=3),
    pa.list_(pa.string()): st.lists(st.text(max_size=5), max_size=3),
    pa.list_(pa.int32()): st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
    pa.list_(pa.float32()): st.lists(st.floats(width=32) | st.none(), max_size=3),
    pa.list_(pa.float64()): st.lists(st.floats() | st.none(), max_size=3),
}
any_row = st.fixed_dictionaries({field.name: st.none() | _VALUES[field.type] for field in SCHEMA})


def store_in(folder: Path) -> Store:
    """A store whose population 0 is committed: two rows, 1.5 seconds."""
    store = Store(folder)
    store.commit(0, [ROW, ROW | {"key": "f" * 16}], {"seconds": "1.5"})
    return store


def file_of(store: Store, index: int = 0) -> Path:
    """The file of a population, by the layout that the module documents."""
    return store.folder / "populations" / f"{index:06d}.parquet"


@pytest.mark.promise("P1")
@given(rows=st.lists(any_row, max_size=2))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_rows_come_back_as_committed(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nulls, every bit of a number, infinities, nan, -0, any text, lists and maps are read as they were committed."""
    store = Store(tmp_path_factory.mktemp("sweep"))
    store.commit(0, rows, {})
    # By repr, in which nan equals nan and -0.0 differs from 0.0; Python's repr of a float has all its bits.
    wanted = [repr({name: row[name] for name in SCHEMA.names}) for row in rows]
    assert list(map(repr, store.population(0).to_pylist(maps_as_pydicts="strict"))) == wanted


@pytest.mark.promise("P3")
def test_table_holds_the_populations_in_order(tmp_path: Path) -> None:
    """``table`` and ``frame`` hold all rows by index of population, whatever the order of commits."""
    store = Store(tmp_path)
    assert store.table().equals(SCHEMA.empty_table())
    for index in (2, 0, 1_000_000, 1):
        store.commit(index, [ROW | {"trial": index}], {"seconds": str(index)})
    assert store.committed() == [0, 1, 2, 1_000_000]
    assert store.table().column("trial").to_pylist() == [0, 1, 2, 1_000_000]
    assert list(store.frame()["trial"]) == [0, 1, 2, 1_000_000]
    assert list(store.frame()["loss_params"]) == [{"t": 0.5}] * 4


@pytest.mark.promise("P10")
def test_metadata_are_kept_beside_the_rows(tmp_path: Path) -> None:
    """Time and device of a commit are in the file's metadata, and the rows do not depend on them."""
    quick, slow = Store(tmp_path / "quick"), Store(tmp_path / "slow")
    for store, seconds in ((quick, "1"), (slow, "9")):
        store.commit(0, [ROW], {"seconds": seconds, "device": "größer"})
        metadata = store.population(0).schema.metadata
        assert (metadata[b"harness.seconds"].decode(), metadata[b"harness.device"].decode()) == (seconds, "größer")
    assert quick.table().equals(slow.table(), check_metadata=True)


@pytest.mark.promise("P10")
def test_equal_commits_are_equal_files(tmp_path: Path) -> None:
    """The same rows and metadata give the same bytes."""
    assert file_of(store_in(tmp_path / "a")).read_bytes() == file_of(store_in(tmp_path / "b")).read_bytes()


@pytest.mark.promise("P1")
def test_any_parquet_reader_can_read_a_population(tmp_path: Path) -> None:
    """The checksum does not bother other readers: pyarrow and pandas read the rows from the path alone."""
    store = store_in(tmp_path)
    assert pq.read_table(file_of(store)).equals(store.population(0))
    assert list(pd.read_parquet(file_of(store))["ks"]) == [0.25, 0.25]


@pytest.mark.promise("P8")
def test_folder_names_are_no_columns(tmp_path: Path) -> None:
    """A sweep in a folder called lr=1 reads as any other, although pyarrow takes such a path for a column."""
    store = store_in(tmp_path / "lr=1")
    assert store.population(0).column_names == SCHEMA.names


@pytest.mark.promise("P7", "F4")
def test_committed_ignores_foreign_names(tmp_path: Path) -> None:
    """Only files that ``commit`` could have named count: no temporaries, no copies, no digits of other scripts."""
    store = store_in(tmp_path)
    partial = (".000001.parquet.0f", "000001.parquet.tmp", "000001.parquet ")
    for name in (*partial, "1.parquet", "0000001.parquet", "\u0660\u0660\u0660\u0660\u0660\u0661.parquet"):
        (tmp_path / "populations" / name).write_bytes(b"PAR1")
    assert store.committed() == [0]
    assert len(store.table()) == 2


@pytest.mark.promise("P2")
def test_committed_files_never_change(tmp_path: Path) -> None:
    """A second commit of one index is refused by name, and the file keeps its bytes."""
    store = store_in(tmp_path)
    before = file_of(store).read_bytes()
    with pytest.raises(StoreError, match=r"000000\.parquet: population 0 is committed already"):
        store.commit(0, [ROW], {})
    assert file_of(store).read_bytes() == before
    assert store.committed() == [0]


@pytest.mark.promise("P1")
def test_the_latest_revision_counts_where_earlier_files_are_gone(tmp_path: Path) -> None:
    """Of revisions 0, 1 and 2 the last is read, whichever of the others were cleaned away."""
    store = store_in(tmp_path)
    for revision in (1, 2):
        store.commit(0, [ROW | {"trial": revision}], {"seconds": str(revision)}, revision=revision)
    for name in ("000000.parquet", "000000.r1.parquet"):
        (tmp_path / "populations" / name).unlink()
        assert store.revisions() == {0: 2}
        assert store.population(0).column("trial").to_pylist() == [2]
        assert store.metadata(0)["seconds"] == "2"


def refused(store: Store, data: bytes) -> None:
    """True if population 0 with these bytes gives a StoreError of one line that names its file, and no rows."""
    file_of(store).write_bytes(data)
    with pytest.raises(StoreError) as caught:
        store.population(0)
    message = str(caught.value)
    assert message.startswith(f"{file_of(store)}: damaged (")
    assert message.endswith("delete it and resume to train that population again")
    assert message.isprintable()


@pytest.mark.promise("P7", "P12", "F13")
def test_truncated_population_is_refused(tmp_path: Path) -> None:
    """A file cut at any of 100 lengths, or continued by a byte, is reported as damaged; so is an empty one."""
    store = store_in(tmp_path)
    whole = file_of(store).read_bytes()
    for length in {*range(0, len(whole), len(whole) // 100), *range(len(whole) - 12, len(whole))}:
        refused(store, whole[:length])
    refused(store, whole + b"\0")


@pytest.mark.promise("P7", "F13")
def test_altered_population_is_refused(tmp_path: Path) -> None:
    """One flipped bit in any sampled byte is reported: data, column names, metadata, the checksum, the last magic.

    The bytes are every 23rd of the file (23 and 8 share no factor, so every bit's turn comes) and the last 200.
    """
    store = store_in(tmp_path)
    whole = file_of(store).read_bytes()
    for place in {*range(0, len(whole), 23), *range(len(whole) - 200, len(whole))}:
        altered = bytearray(whole)
        altered[place] ^= 1 << place % 8
        refused(store, bytes(altered))
    file_of(store).write_bytes(whole)
    assert len(store.population(0)) == 2


@pytest.mark.promise("P7", "F13")
def test_checksum_is_of_the_whole_file(tmp_path: Path) -> None:
    """The metadata hold, by hashlib alone, the sha256 of the file with zero bytes in place of those 64 digits."""
    whole = file_of(store_in(tmp_path)).read_bytes()
    digits = re.findall(rb"[0-9a-f]{64}", whole)
    assert hashlib.sha256(whole.replace(digits[-1], bytes(64))).hexdigest().encode() == digits[-1]


@pytest.mark.promise("P7", "F25")
def test_parquet_of_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound parquet file without the checksum, and one with it but with other columns, are no populations."""
    store = store_in(tmp_path)
    pq.write_table(store.population(0).replace_schema_metadata(None), file_of(store))
    refused(store, file_of(store).read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(harness.store.store, "SCHEMA", SCHEMA.remove(SCHEMA.get_field_index("w1")))
        store.commit(1, [ROW], {})
    with pytest.raises(StoreError, match=r"000001\.parquet: its columns are not those of format 4; "):
        store.population(1)


@pytest.mark.promise("P12", "F13")
def test_missing_population_is_a_store_error(tmp_path: Path) -> None:
    """A population that is not there, or is a folder, is reported by its file's name."""
    store = store_in(tmp_path)
    file_of(store, 1).mkdir()
    for index in (1, 7):
        with pytest.raises(StoreError, match=rf"00000{index}\.parquet: damaged"):
            store.population(index)


@pytest.mark.promise("P1")
def test_description_comes_back(tmp_path: Path) -> None:
    """A started sweep exists, and describes itself as it was started, with the format; a second start is refused."""
    store = Store(tmp_path / "sweeps" / "one")
    assert not store.exists
    store.start(DESCRIPTION)
    assert store.exists
    assert store.describe() == DESCRIPTION | {"format": FORMAT}
    with pytest.raises(InputError, match=r"one: already holds a sweep$"):
        store.start(DESCRIPTION)


@pytest.mark.promise("P12")
def test_description_is_missing(tmp_path: Path) -> None:
    """A folder without sweep.json is no sweep, and the error says so."""
    with pytest.raises(StoreError, match=rf"^{re.escape(str(tmp_path))}: no sweep here \(no sweep\.json\)$"):
        Store(tmp_path).describe()


def damaged_descriptions() -> Iterator[bytes]:
    """Every truncation of a description, and files that are not one: other JSON, no text, too deep."""
    whole = json.dumps({"format": FORMAT} | DESCRIPTION).encode()
    yield whole  # without its checksum
    yield from (whole[:length] for length in range(len(whole)))
    yield from (b"[]", b"null", b'"format"', b"{}", b"\xff\xfe\x00", b"PAR1", b"[" * 10**5)


@pytest.mark.promise("P7", "P12", "F13")
def test_damaged_description_is_refused(tmp_path: Path) -> None:
    """A description that is cut or is something else is reported in one line that names sweep.json."""
    store = Store(tmp_path)
    for data in damaged_descriptions():
        (tmp_path / "sweep.json").write_bytes(data)
        with pytest.raises(StoreError) as caught:
            store.describe()
        assert str(caught.value).startswith(f"{tmp_path / 'sweep.json'}: damaged (")
        assert str(caught.value).isprintable()


@pytest.mark.promise("P12", "F25")
@pytest.mark.parametrize("form", [0, 1, "2", None])
def test_other_format_is_refused(tmp_path: Path, form: object) -> None:
    """A description of another format is refused by both formats' names."""
    (tmp_path / "sweep.json").write_text(json.dumps({"format": form} | DESCRIPTION))
    with pytest.raises(StoreError, match=rf"sweep\.json: written in format {form}, and this program reads format 4; "):
        Store(tmp_path).describe()
