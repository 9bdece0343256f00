"""Files of a sweep that somebody or something damaged, or that an older program wrote: never read as data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command_line import EXPERIMENT, tree
from support.forks import COMMAND_LINE, Forks
from support.paths import ASSETS
from support.sweeps import InterruptingListener, assert_same_rows, carry_on, experiment

from analysis.report import write_report
from harness.errors import StoreError
from harness.store import Store
from harness.sweep.lookup import find_member

#: How many bytes, evenly spread over a file, have their turn.
PLACES = 64

#: A folder that a program of format 3, the one before, wrote: its sweep.json and one population of one row.
OLD = ASSETS / "store-format-3"


def damaged(whole: bytes) -> Iterator[bytes]:
    """The file with one bit flipped in each of 64 bytes, and cut at 64 lengths."""
    for n in range(PLACES):
        place = n * len(whole) // PLACES
        flipped = bytearray(whole)
        flipped[place] ^= 1 << n % 8
        yield bytes(flipped)
        yield whole[:place]


def refusal(store: Store) -> str:
    """What is said when all of a sweep is read."""
    with pytest.raises(StoreError) as caught:
        store.describe(), store.table()
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.promise("P7", "P12", "F13")
def test_a_population_with_any_byte_wrong_is_no_data(sweep_copy: Store) -> None:
    """Each flip and each cut is refused by the file's name, with what to do."""
    path = sweep_copy.folder / "populations/000001.parquet"
    for data in damaged(path.read_bytes()):
        path.write_bytes(data)
        line = refusal(sweep_copy)
        assert line.startswith(f"{path}: damaged (")
        assert line.endswith("); delete it and resume to train that population again")


@pytest.mark.promise("P7", "P12", "F13")
def test_a_description_with_any_byte_wrong_is_no_data(sweep_copy: Store) -> None:
    """Each flip and each cut of sweep.json is refused by its name, with what to do, also where it still is JSON."""
    path = sweep_copy.folder / "sweep.json"
    for data in damaged(path.read_bytes()):
        path.write_bytes(data)
        line = refusal(sweep_copy)
        assert line.startswith(f"{path}: ")
        assert "start with --fresh" in line


@pytest.mark.promise("P4", "F13")
@pytest.mark.parametrize("index", [0, 3, 7])
def test_what_is_deleted_as_told_comes_back_bit_for_bit(index: int, finished_sweep: Store, sweep_copy: Store) -> None:
    """After a flipped bit in the first, a middle and a late population: refused, deleted, trained again, the same."""
    path = sweep_copy.folder / f"populations/{index:06d}.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=rf"{index:06d}\.parquet: damaged .*; delete it and resume"):
        carry_on(experiment(), sweep_copy.folder)
    path.unlink()
    ear = InterruptingListener()
    carry_on(experiment(), sweep_copy.folder, ear)
    assert ear.indices == [index]
    assert_same_rows(sweep_copy, finished_sweep)


@pytest.mark.promise("P12", "F13", "F27")
def test_every_reader_names_a_damaged_population(sweep_copy: Store) -> None:
    """Resuming and looking for a member are refused; the report is written without those rows and says which."""
    key = sweep_copy.population(2, ["key"]).to_pylist()[0]["key"]
    path = sweep_copy.folder / "populations/000002.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"000002\.parquet: damaged"):
        carry_on(experiment(), sweep_copy.folder)
    with pytest.raises(StoreError, match=r"000002\.parquet: damaged"):
        find_member(key, sweep_copy.folder)
    assert "populations/000002.parquet: damaged" in write_report(sweep_copy.folder).read_text()


@pytest.mark.promise("P12", "F25")
@pytest.mark.parametrize(
    "command",
    ["sweep small.toml --out old --engine batched-cpu", "report old", "replay 0123456789abcdef --sweep old"],
)
def test_a_sweep_of_an_older_format_is_refused_and_kept(command: str, forks: Forks, tmp_path: Path) -> None:
    """Status 2 and one line with both formats and what to do; the folder stays as the older program left it."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    shutil.copytree(OLD, tmp_path / "old")
    before = tree(tmp_path / "old")
    ended = forks.run(COMMAND_LINE, *command.split(), folder=tmp_path)
    assert (ended.status, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("error: old/sweep.json: written in format 3, and this program reads format 4; read it with ")
    assert "--fresh" in line
    assert tree(tmp_path / "old") == before
