"""Cleanup of a folder of sweeps: exactly what is listed goes, and nothing else is ever touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command_line import tree
from support.fabricated import ARMS, fabricate_sweep
from support.processes import HOLD, python
from support.rows import ROW
from support.sweeps import carry_on, experiment

from analysis.report import write_report
from analysis.winner_figure import draw_winners
from harness.errors import InputError
from harness.store import Store, locked
from harness.store.cleanup import KINDS, SETTLED_SECONDS, Kind, Removable, find_removable, remove
from harness.sweep.folder import set_aside

LEFT = ".0123456789abcdef"


def sweep(folder: Path, name: str = "x", created: str = "2026-01-01") -> Store:
    """A sweep as a process would leave it: a population, and a lock that no one holds."""
    store = Store(folder)
    with store.lock():
        store.start({"name": name, "created": created})
        store.commit(0, [ROW], {})
    return store


def listed(root: Path, *kinds: Kind) -> list[str]:
    """The paths that could go."""
    return [item.path for item in find_removable(root, kinds or KINDS).items]


def cleaned(root: Path, *kinds: Kind) -> list[str]:
    """Remove what is listed; the refusals."""
    return refusals(root, find_removable(root, kinds or KINDS).items)


def refusals(root: Path, items: Iterable[Removable]) -> list[str]:
    """Remove these; why each was not removed, empty where it was."""
    return [reason for _, reason in remove(root, items)]


KILLED = """
from pathlib import Path
from harness.store import Store
store = Store(Path(sys.argv[1]))
with store.lock():
    store.commit(1, [{"key": "a"}], {})
"""


@pytest.mark.parametrize("place", ["file.created", "file.written", "file.synced"])
def test_what_a_killed_writer_left_is_found_and_goes(place: str, tmp_path: Path) -> None:
    """A process killed in the middle of a commit leaves one temporary; it goes, and the rows stay."""
    store = sweep(tmp_path / "x")
    before = tree(tmp_path)
    done = subprocess.run(python(KILLED, store.folder), env={**os.environ, "HARNESS_FAILPOINT": f"{place}:1"})
    assert done.returncode == -signal.SIGKILL
    left = set(tree(tmp_path)) - set(before)
    assert len(left) == 1
    assert listed(tmp_path) == sorted(left)
    assert tree(tmp_path) == before | {name: tree(tmp_path)[name] for name in left}  # listing changes nothing
    assert cleaned(tmp_path) == [""]
    assert tree(tmp_path) == before


def test_a_sweep_in_use_is_left_alone(tmp_path: Path) -> None:
    """While a process holds the writer's or the mirror's lock nothing of that sweep is listed or removed."""
    store = sweep(tmp_path / "x")
    (store.folder / f"populations/.000001.parquet{LEFT}").write_text("")
    found = find_removable(tmp_path)
    assert len(found.items) == 1
    with subprocess.Popen(
        python(HOLD, store.folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert (find_removable(tmp_path).items, find_removable(tmp_path).kept) == ([], [("x", "a process writes it")])
        assert refusals(tmp_path, found.items) == ["a process writes it"]
        holder.kill()
    with locked(store.folder / "mirror.lock"):
        assert find_removable(tmp_path).kept == [("x", "a process mirrors it")]
        assert refusals(tmp_path, found.items) == ["a process mirrors it"]
    assert refusals(tmp_path, found.items) == [""]


def test_a_file_that_may_still_be_written_stays(tmp_path: Path) -> None:
    """The report is written without a lock: its temporaries count as left only when they are old."""
    store = sweep(tmp_path / "x")
    for name in ("report/.report.html", "winners/a/.sample.csv", "winners/a/.qq.png"):
        path = store.folder / (name + LEFT)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert listed(tmp_path) == []
    old = path.stat().st_mtime - 2 * SETTLED_SECONDS
    os.utime(path, (old, old))
    assert listed(tmp_path) == [f"x/winners/a/.qq.png{LEFT}"]


def test_a_population_that_was_revised_goes_once_its_successor_can_be_read(tmp_path: Path) -> None:
    """Earlier revisions go and the same rows are read; where the latest is damaged they stay, and it is said why."""
    store = sweep(tmp_path / "x")
    for revision in (1, 2):
        store.commit(0, [ROW | {"trial": revision}], {}, revision=revision)
    last = store.folder / "populations/000000.r2.parquet"
    whole, rows = last.read_bytes(), store.table()
    last.write_bytes(whole[:-1])
    found = find_removable(tmp_path)
    assert found.items == []
    assert [path for path, _ in found.kept] == ["x/populations/000000.parquet", "x/populations/000000.r1.parquet"]
    assert "000000.r2.parquet, which replaces it, is damaged" in found.kept[0][1]
    last.write_bytes(whole)
    assert listed(tmp_path, "superseded") == ["x/populations/000000.parquet", "x/populations/000000.r1.parquet"]
    assert cleaned(tmp_path) == ["", ""]
    assert store.table().equals(rows)


@pytest.mark.slow
def test_a_sweep_that_was_set_aside_goes_whole(tmp_path: Path) -> None:
    """A real sweep with report, winners and their pictures, set aside as --fresh does: the folder is gone.

    The layout knows every file that the program wrote there. The fresh sweep keeps its bytes.
    """
    store = carry_on(experiment(), tmp_path / "small")
    draw_winners(store)
    write_report(store.folder)
    for name in ("mirror.lock", "mirror.log"):
        (store.folder / name).touch()
    assert set_aside(store.folder) == tmp_path / "small.1"
    assert listed(tmp_path) == []  # nothing stands in its place yet
    carry_on(experiment(), tmp_path / "small")
    before = tree(tmp_path / "small")
    items = find_removable(tmp_path).items
    assert [(item.kind, item.path, item.why) for item in items] == [
        ("aside", "small.1", "set aside by --fresh for small")
    ]
    assert len(items[0].entries) > 20
    assert items[0].size == sum(p.stat().st_size for p in (tmp_path / "small.1").rglob("*") if p.is_file())
    assert cleaned(tmp_path) == [""]
    assert tree(tmp_path) == {"small": "folder"} | {f"small/{name}": found for name, found in before.items()}


def test_only_what_was_set_aside_counts_as_such(tmp_path: Path) -> None:
    """Another experiment's name, a later start, a name that --fresh does not give, a damaged base: none goes."""
    sweep(tmp_path / "x", created="2026-02")
    sweep(tmp_path / "x.1", created="2026-01")
    sweep(tmp_path / "x.2", created="2026-03")
    sweep(tmp_path / "x.3", name="y", created="2026-01")
    sweep(tmp_path / "x.12345678", created="2026-01")
    sweep(tmp_path / "y.1", created="2026-01")
    sweep(tmp_path / "x.01", created="2026-01")
    assert listed(tmp_path) == ["x.1"]
    # One that was set aside because its description was damaged.
    (tmp_path / "x.1/sweep.json").write_text("{")
    assert listed(tmp_path) == ["x.1"]
    (tmp_path / "x/sweep.json").write_text("{")
    assert listed(tmp_path) == []


@pytest.mark.parametrize("name", ["notes.txt", "populations/notes.txt", "report/x/y", "winners/a/b/c/d", ".hidden"])
def test_a_folder_that_holds_anything_else_stays(name: str, tmp_path: Path) -> None:
    """A file of somebody's own in a sweep that was set aside keeps the whole folder, and it is named."""
    sweep(tmp_path / "x", created="2026-02")
    own = sweep(tmp_path / "x.1").folder / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("mine")
    before = tree(tmp_path)
    found = find_removable(tmp_path)
    assert found.items == []
    assert found.kept[0][0] == "x.1"
    assert "which is not a file of a sweep" in found.kept[0][1]
    assert cleaned(tmp_path) == []
    assert tree(tmp_path) == before


def replaced_by_link(root: Path, outside: Path) -> None:
    """The sweep's populations become a link to a folder outside with files of the same names."""
    shutil.move(root / "x/populations", root.parent / "moved")
    (root / "x/populations").symlink_to(outside)


def replaced_whole(root: Path, outside: Path) -> None:
    """The sweep's folder becomes a link to another sweep outside."""
    shutil.move(root / "x", root.parent / "moved")
    (root / "x").symlink_to(outside.parent)


def rewritten(root: Path, outside: Path) -> None:
    """The file that was listed becomes another file of its name."""
    path = root / f"x/populations/.000001.parquet{LEFT}"
    path.unlink()
    path.write_text("new")


@pytest.mark.parametrize("change", [replaced_by_link, replaced_whole, rewritten])
def test_what_was_replaced_since_it_was_listed_stays(change: Callable[[Path, Path], None], tmp_path: Path) -> None:
    """Between listing and removal a folder or file becomes another: it is refused, and nothing anywhere goes."""
    for place in (tmp_path / "sweeps", tmp_path / "other"):
        sweep(place / "x")
        (place / f"x/populations/.000001.parquet{LEFT}").write_text("left")
    items = find_removable(tmp_path / "sweeps").items
    assert len(items) == 1
    change(tmp_path / "sweeps", tmp_path / "other/x/populations")
    before = tree(tmp_path)
    (refusal,) = refusals(tmp_path / "sweeps", items)
    assert refusal
    assert tree(tmp_path) == before


def test_a_file_that_came_since_keeps_a_folder_whole(tmp_path: Path) -> None:
    """All or nothing: where anything appeared in a sweep set aside after it was listed, nothing of it goes."""
    sweep(tmp_path / "x", created="2026-02")
    sweep(tmp_path / "x.1")
    items = find_removable(tmp_path).items
    (tmp_path / "x.1/notes.txt").write_text("mine")
    before = tree(tmp_path)
    assert refusals(tmp_path, items) == ["has changed since it was listed"]
    assert tree(tmp_path) == before


def test_links_are_never_followed(tmp_path: Path) -> None:
    """A sweep, its folders, its lock or its description behind a link: nothing is listed, nothing outside changes."""
    outside = sweep(tmp_path / "outside/x").folder
    (outside / f"populations/.000001.parquet{LEFT}").write_text("")
    root = tmp_path / "sweeps"
    root.mkdir()
    (root / "linked").symlink_to(outside)
    sweep(root / "inner")
    shutil.rmtree(root / "inner/populations")
    (root / "inner/populations").symlink_to(outside / "populations")
    (root / f"inner/.sweep.json{LEFT}").symlink_to(outside / "sweep.json")
    sweep(root / "locked")
    (root / "locked/sweep.lock").unlink()
    (root / "locked/sweep.lock").symlink_to(outside / "new.lock")
    (root / f"locked/.sweep.json{LEFT}").write_text("")
    (root / "described").mkdir()
    (root / "described/sweep.json").symlink_to(outside / "sweep.json")
    before = tree(tmp_path)
    found = find_removable(root)
    assert found.items == []
    assert [path for path, _ in found.kept] == ["locked"]
    assert tree(tmp_path) == before


def test_kinds_are_chosen(tmp_path: Path) -> None:
    """Each kind alone lists its own; a temporary in a sweep set aside goes with that sweep."""
    store = sweep(tmp_path / "x", created="2026-02")
    store.commit(0, [ROW], {}, revision=1)
    for folder in (store.folder, sweep(tmp_path / "x.1").folder):
        (folder / f".sweep.json{LEFT}").write_text("")
    assert listed(tmp_path, "temporaries") == [f"x/.sweep.json{LEFT}"]
    assert listed(tmp_path, "superseded") == ["x/populations/000000.parquet"]
    assert listed(tmp_path, "aside") == ["x.1"]
    assert listed(tmp_path) == [f"x/.sweep.json{LEFT}", "x/populations/000000.parquet", "x.1"]
    with pytest.raises(InputError, match=r"nowhere: cannot be opened \(No such file or directory\)"):
        find_removable(tmp_path / "nowhere")


PARTS = st.sampled_from(
    [
        *("sweep.json", "sweep.lock", "populations", "report", "winners", "a", "x", "x.1", "000000.parquet"),
        *("000000.r1.parquet", "report.html", "sample.csv", "\n", "..."),
        *(f".{name}{LEFT}" for name in ("sweep.json", "000000.parquet", "sample.csv", "own", "")),
    ]
) | st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    places=st.lists(st.tuples(st.lists(PARTS, min_size=1, max_size=4), st.sampled_from(["file", "link", "folder"]))),
)
def test_whatever_lies_there_only_what_was_listed_goes(
    places: list[tuple[list[str], str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Odd names, files in place of folders, links to outside anywhere: outside nothing changes, inside what is listed.

    Every file that goes has a name of the program's, and the sweep that stands keeps its rows.
    """
    home = tmp_path_factory.mktemp("home")
    outside = sweep(home / "outside/x").folder
    root = home / "sweeps"
    store = sweep(root / "x", created="2026-02")
    sweep(root / "x.1")
    rows = store.table()
    for parts, kind in places:
        path = root.joinpath("x", *parts)
        if path.exists() or path.is_symlink() or not path.parent.resolve().is_relative_to(root):
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "link":
                path.symlink_to(outside)
            elif kind == "file":
                path.write_text("")
            else:
                path.mkdir()
        except OSError:
            continue
    before, far = tree(root), tree(home / "outside")
    items = find_removable(root).items
    goes = {f"{item.sweep}/{entry.path}" for item in items for entry in item.entries} | {
        item.sweep for item in items if item.kind == "aside"
    }
    assert "x.1" in goes
    assert refusals(root, items) == [""] * len(items)
    assert tree(root) == {name: found for name, found in before.items() if name not in goes}
    assert tree(home / "outside") == far
    assert all(LEFT in name or name.startswith("x.1") or name == "x/populations/000000.parquet" for name in goes)
    assert store.table().num_rows == rows.num_rows
    assert json.loads((store.folder / "sweep.json").read_text())["name"] == "x"


def test_a_fabricated_sweep_without_a_lock_is_kept(tmp_path: Path) -> None:
    """Without a lock no process can be kept out, so nothing goes, and the reason is given."""
    fabricate_sweep(tmp_path / "x", arms=ARMS[:1], trials=1, confirm=1)
    (tmp_path / f"x/.sweep.json{LEFT}").write_text("")
    found = find_removable(tmp_path)
    assert found.items == []
    assert "it has no sweep.lock" in found.kept[0][1]
