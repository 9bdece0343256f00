"""A member by its key or the first digits of it, a sweep by its folder or name: what is found, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rows import ROW

from harness.errors import InputError, StoreError
from harness.store import Store, slug
from harness.sweep.lookup import find_copies, find_member, find_sweep

KEYS = ("aaaaaaaa00000000", "aaaaaaab00000000", "bbbbbb0000000000")


@pytest.fixture
def folder_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with sweeps/one and sweeps/two, each with the three members, in two populations."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        store = Store(tmp_path / "sweeps" / name)
        store.start({"name": name})
        store.commit(0, [ROW | {"key": KEYS[0]}], {})
        store.commit(1, [ROW | {"key": key, "trial": 4} for key in KEYS[1:]], {})
    return tmp_path


@pytest.mark.parametrize("what", [KEYS[2], KEYS[2][:6], KEYS[2][:15]])
def test_a_key_or_its_first_digits_find_a_member_wherever_it_stands(what: str, folder_of_two: Path) -> None:
    """Six digits will do; every sweep that has the member is told, with the population it stands in there."""
    copies = find_copies(what)
    assert [(copy.store.folder, copy.population) for copy in copies] == [
        (Path("sweeps/one"), 1),
        (Path("sweeps/two"), 1),
    ]
    assert {(copy.row["key"], copy.row["trial"]) for copy in copies} == {(KEYS[2], 4)}
    assert find_copies(what, folder_of_two / "sweeps/two")[0].store.folder == folder_of_two / "sweeps/two"
    assert find_member(what).store.folder == Path("sweeps/one")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("aaaaaaa", r"2 members' keys begin so: aaaaaaaa00000000, aaaaaaab00000000; give more digits"),
        ("aaaaa", "allowed are a member's key"),
        ("AAAAAAAA00000000", "allowed are a member's key"),
        ("aaaaaaaa000000000", "allowed are a member's key"),
        ("cccccc", r"no committed member has this key; looked in sweeps/one, sweeps/two$"),
        ("../sweeps/one\n", "allowed are a member's key"),
    ],
)
def test_what_names_no_one_member_is_refused(what: str, message: str, folder_of_two: Path) -> None:
    """Several members, too few digits, no digits of a key, nobody: each in one line that says what would do."""
    with pytest.raises(InputError, match=message):
        find_copies(what)


def test_a_damaged_population_hides_no_other(folder_of_two: Path) -> None:
    """Past a file that cannot be read members are found; one that is not found names that file."""
    path = folder_of_two / "sweeps/one/populations/000000.parquet"
    path.write_bytes(b"")
    assert len(find_copies(KEYS[2])) == 2
    assert [copy.store.folder.name for copy in find_copies(KEYS[0])] == ["two"]
    with pytest.raises(StoreError, match=r"000000\.parquet: damaged"):
        find_copies(KEYS[0], folder_of_two / "sweeps/one")
    with pytest.raises(InputError, match=r"looked in .*000000\.parquet: damaged"):
        find_copies("cccccc")


def test_the_latest_revision_is_found(folder_of_two: Path) -> None:
    """A member that a revision left out is no more there; one that came with it is."""
    store = Store(folder_of_two / "sweeps/one")
    store.commit(0, [ROW | {"key": "dddddddddddddddd"}], {}, revision=1)
    assert find_member("dddddd").population == 0
    with pytest.raises(InputError, match="no committed member"):
        find_copies(KEYS[0], store.folder)


def test_a_sweep_is_found_by_folder_and_by_name(folder_of_two: Path) -> None:
    """A path, a name in sweeps/, and a name whose folder is its slug; anything else, however odd, finds nothing."""
    Store(folder_of_two / "sweeps" / slug("my sweep")).start({"name": "my sweep"})
    for what, folder in (("sweeps/one", "one"), ("two", "two"), ("my sweep", slug("my sweep"))):
        store = find_sweep(what)
        assert store is not None
        assert store.folder.name == folder
    for what in ("three", "", "\0", "x" * 5000, "sweeps", "one/populations", "~", "a\nb"):
        assert find_sweep(what) is None
