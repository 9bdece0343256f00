"""How far a sweep is, as its files and its lock tell it, and that asking disturbs no one."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.processes import HOLD, python
from support.rows import DESCRIPTION, ROW

from harness.errors import StoreError
from harness.store import Store, held
from harness.store.status import SweepStatus, standing


def begun(folder: Path, committed: int = 2, **changes: Any) -> Store:
    """A sweep with so many populations committed; ``changes`` are keys of its description."""
    store = Store(folder)
    store.start(DESCRIPTION | changes)
    for index in range(committed):
        store.commit(index, [ROW], {})
    return store


def test_a_sweep_is_finished_when_all_its_populations_are_committed(tmp_path: Path) -> None:
    """Fewer: unfinished. A description that does not say how many, or not in a whole number: unknown, with why."""
    assert standing(begun(tmp_path / "a", populations=2)) == SweepStatus("finished", 2, 2, complete=True)
    assert standing(begun(tmp_path / "b", populations=3)) == SweepStatus("unfinished", 2, 3, complete=False)
    assert standing(begun(tmp_path / "c", committed=0, populations=3)).text == "unfinished, 0 of 3 populations"
    for name, told in (
        ("d", {}),
        ("e", {"populations": "3"}),
        ("f", {"populations": True}),
        ("g", {"populations": -1}),
    ):
        found = standing(begun(tmp_path / name, **told))
        assert (found.state, found.committed, found.populations) == ("unknown", 2, None)
        assert "does not say how many" in found.reason


def test_a_revised_population_counts_once(tmp_path: Path) -> None:
    """A later revision takes a place; it adds none."""
    store = begun(tmp_path, populations=3)
    store.commit(1, [ROW], {}, revision=1)
    assert standing(store) == SweepStatus("unfinished", 2, 3, complete=False)


def test_a_sweep_runs_while_a_live_process_holds_its_lock(tmp_path: Path) -> None:
    """Running while another process has the writer's lock, and no longer once that process was killed."""
    store = begun(tmp_path, populations=3)
    with subprocess.Popen(python(HOLD, tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert standing(store) == SweepStatus("running", 2, 3, complete=False)
        holder.send_signal(signal.SIGKILL)
    assert standing(store) == SweepStatus("unfinished", 2, 3, complete=False)


def test_a_sweep_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A description that is cut is damaged, one of another format is told as that, both with one line of reason."""
    store = begun(tmp_path, populations=2)
    place = tmp_path / "sweep.json"
    place.write_text(json.dumps(DESCRIPTION | {"format": 3}))
    found = standing(store)
    assert (found.state, found.committed) == ("other format", 2)
    assert "written in format 3, and this program reads format " in found.reason
    place.write_bytes(place.read_bytes()[:-5])
    found = standing(store)
    assert (found.state, found.committed, found.populations) == ("damaged", 2, None)
    assert found.reason.startswith(f"{place}: damaged (")
    with pytest.raises(StoreError, match="no sweep here"):
        standing(Store(tmp_path / "populations"))


def test_asking_makes_no_file_and_waits_for_no_one(tmp_path: Path) -> None:
    """Where there is no lock file there is none afterwards; what is no file that can be read is not held."""
    store = begun(tmp_path, populations=2)
    before = sorted(tmp_path.rglob("*"))
    standing(store)
    assert not held(tmp_path / "none")
    assert not held(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


#: Asks without a pause until its standard input closes.
ASK = """
import threading
from pathlib import Path
from harness.store import held
gone = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), gone.set()), daemon=True).start()
print("asking", flush=True)
while not gone.is_set():
    held(Path(sys.argv[1]))
"""


def test_asking_keeps_no_writer_out(tmp_path: Path) -> None:
    """While another process asks without a pause, the lock is had each of a hundred times that it is asked for."""
    lock = tmp_path / "sweep.lock"
    lock.touch()
    with subprocess.Popen(python(ASK, lock), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asker:
        assert asker.stdout is not None
        assert asker.stdout.readline() == "asking\n"
        for _ in range(100):
            with Store(tmp_path).lock():
                assert held(lock)
        assert asker.stdin is not None
        asker.stdin.close()
    assert asker.returncode == 0
