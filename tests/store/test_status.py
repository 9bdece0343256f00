"""Status and summary of a sweep, from its files and its lock; best arms by hand; asking is harmless."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command_line import environment
from support.fabricated import fabricate_sweep
from support.paths import ROOT
from support.processes import HOLD, python
from support.rows import DESCRIPTION, ROW

from analysis.rows import best_trials as reported_best_trials
from analysis.rows import tidy
from harness.errors import InputError, StoreError
from harness.store import Store, held
from harness.store.status import TRIAL_COLUMNS, BestTrial, SweepStatus, best_trials, summarize, summarize_all


def begun(folder: Path, committed: int = 2, **changes: Any) -> Store:
    """A sweep with so many populations committed; ``changes`` are keys of its description."""
    store = Store(folder)
    store.start(DESCRIPTION | changes)
    for index in range(committed):
        store.commit(index, [ROW], {})
    return store


def test_a_sweep_is_finished_when_all_its_populations_are_committed(tmp_path: Path) -> None:
    """Fewer: unfinished. A description that does not say how many, or not in a whole number: unknown, with why."""
    assert SweepStatus.of(begun(tmp_path / "a", populations=2)) == SweepStatus("finished", 2, 2, complete=True)
    assert SweepStatus.of(begun(tmp_path / "b", populations=3)) == SweepStatus("unfinished", 2, 3, complete=False)
    assert SweepStatus.of(begun(tmp_path / "c", committed=0, populations=3)) == SweepStatus(
        "unfinished", 0, 3, complete=False
    )
    for name, told in (
        ("d", {}),
        ("e", {"populations": "3"}),
        ("f", {"populations": True}),
        ("g", {"populations": -1}),
    ):
        found = SweepStatus.of(begun(tmp_path / name, **told))
        assert (found.state, found.committed, found.populations) == ("unknown", 2, None)
        assert "does not say how many" in found.reason


def test_a_revised_population_counts_once(tmp_path: Path) -> None:
    """A later revision takes a place; it adds none."""
    store = begun(tmp_path, populations=3)
    store.commit(1, [ROW], {}, revision=1)
    assert SweepStatus.of(store) == SweepStatus("unfinished", 2, 3, complete=False)


def test_a_sweep_runs_while_a_live_process_holds_its_lock(tmp_path: Path) -> None:
    """Running while another process has the writer's lock, and no longer once that process was killed."""
    store = begun(tmp_path, populations=3)
    with subprocess.Popen(python(HOLD, tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert SweepStatus.of(store) == SweepStatus("running", 2, 3, complete=False)
        holder.send_signal(signal.SIGKILL)
    assert SweepStatus.of(store) == SweepStatus("unfinished", 2, 3, complete=False)


def test_a_sweep_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A description that is cut is damaged, one of another format is told as that, both with one line of reason."""
    store = begun(tmp_path, populations=2)
    place = tmp_path / "sweep.json"
    place.write_text(json.dumps(DESCRIPTION | {"format": 3}))
    found = SweepStatus.of(store)
    assert (found.state, found.committed) == ("other format", 2)
    assert "written in format 3, and this program reads format " in found.reason
    place.write_bytes(place.read_bytes()[:-5])
    found = SweepStatus.of(store)
    assert (found.state, found.committed, found.populations) == ("damaged", 2, None)
    assert found.reason.startswith(f"{place}: damaged (")
    with pytest.raises(StoreError, match="no sweep here"):
        SweepStatus.of(Store(tmp_path / "populations"))


def test_asking_makes_no_file_and_waits_for_no_one(tmp_path: Path) -> None:
    """A missing lock file is not created; what cannot be read as a file is not held."""
    store = begun(tmp_path, populations=2)
    before = sorted(tmp_path.rglob("*"))
    SweepStatus.of(store)
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


# --- summaries ----------------------------------------------------------------------------------------------------


def rows_of(*rows: tuple[str, str, int, float | None, str]) -> list[dict[str, Any]]:
    """Rows of (stage, arm, trial, KS, outcome) with keys 0, 1, ..."""
    names = ("stage", "arm", "trial", "ks", "outcome")
    return [ROW | dict(zip(names, row, strict=True)) | {"key": str(i), "seed": i} for i, row in enumerate(rows)]


def bests_of(folder: Path, *rows: tuple[str, str, int, float | None, str]) -> list[BestTrial]:
    """``best_trials`` of those rows once committed."""
    store = Store(folder)
    store.commit(0, rows_of(*rows), {})
    return best_trials(store.table(TRIAL_COLUMNS))


def test_the_search_is_ranked_by_its_mean(tmp_path: Path) -> None:
    """The least mean over seeds, of equals the earliest; a diverged member counts what its row says, 1."""
    found = bests_of(
        tmp_path,
        ("search", "a", 0, 0.5, "scored"),
        ("search", "a", 0, 0.3, "scored"),
        ("search", "a", 1, 0.1, "scored"),
        ("search", "a", 1, 1.0, "diverged"),
        ("search", "a", 2, 0.4, "scored"),
        ("search", "a", 2, 0.4, "scored"),
        ("search", "b", 0, 0.9, "scored"),
    )
    assert found == [BestTrial("a", "search", 0, 0.4, 2, "1"), BestTrial("b", "search", 0, 0.9, 1, "6")]


def test_a_pruned_trial_comes_behind_all_others(tmp_path: Path) -> None:
    """Its score is of fewer steps, and a seed that was never trained does not count; alone, it is the best there is."""
    trained = ("search", "a", 0, 0.8, "scored")
    pruned = (("search", "a", 1, 0.1, "pruned"), ("search", "a", 1, None, "pruned"))
    assert bests_of(tmp_path / "1", *pruned, trained) == [BestTrial("a", "search", 0, 0.8, 1, "2")]
    assert bests_of(tmp_path / "2", *pruned) == [BestTrial("a", "search", 1, 0.1, 1, "0")]


def test_confirm_seeds_count_by_their_median(tmp_path: Path) -> None:
    """An arm's confirm rows alone count if there are any, by the median; the key is that of its best seed."""
    confirm = [("confirm", "a", 1, ks, "scored") for ks in (0.9, 0.2, 0.3)]
    found = bests_of(tmp_path, ("search", "a", 0, 0.1, "scored"), ("search", "b", 0, 0.05, "scored"), *confirm)
    assert found == [BestTrial("a", "confirm", 1, 0.3, 3, "3"), BestTrial("b", "search", 0, 0.05, 1, "1")]
    store = Store(tmp_path)
    store.start({"name": "x", "arms": [{"arm": "a"}, {"arm": "b"}], "created": "2026"})
    assert summarize(store).best == found[0]  # a confirmed arm before any that is not


def test_confirm_rows_of_two_settings_are_not_mixed(tmp_path: Path) -> None:
    """Of several confirmed trials the search's best one is read."""
    search = [("search", "a", 0, 0.5, "scored"), ("search", "a", 1, 0.2, "scored")]
    confirm = [("confirm", "a", 0, 0.1, "scored"), ("confirm", "a", 1, 0.3, "scored")]
    assert bests_of(tmp_path, *search, *confirm) == [BestTrial("a", "confirm", 1, 0.3, 1, "3")]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.just("search"),
            st.sampled_from("ab"),
            st.integers(0, 3),
            st.sampled_from([0.1, 0.25, 0.5, 1.0]),
            st.sampled_from(["scored", "diverged", "failed", "pruned"]),
        ),
        max_size=12,
    )
)
def test_the_list_and_the_report_name_the_same_trial(
    rows: list[tuple[str, str, int, float, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """For any rows of a search, the best trials are those that the report would choose."""
    lost = [(*row[:3], 1.0, row[4]) if row[4] in ("diverged", "failed") else row for row in rows]
    folder = tmp_path_factory.mktemp("sweep")
    found = {best.arm: best.trial for best in bests_of(folder, *lost)}
    assert found == reported_best_trials(tidy(Store(folder).frame())[0])


def test_a_damaged_population_makes_the_sweep_damaged(tmp_path: Path) -> None:
    """The other sweeps are told as they are; the damaged one has the reason, and no numbers that might be wrong."""
    for name in ("whole", "broken"):
        fabricate_sweep(tmp_path / name, trials=2, confirm=2)
    path = tmp_path / "broken/populations/000001.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    (tmp_path / "no-sweep").mkdir()
    (tmp_path / "file").write_text("")
    found = {each.folder.name: each for each in summarize_all(tmp_path)}
    assert set(found) == {"whole", "broken"}
    assert found["broken"].status.state == "damaged"
    assert "000001.parquet: damaged" in found["broken"].status.reason
    assert (found["broken"].members, found["broken"].best) == (0, None)
    assert (found["whole"].members, len(found["whole"].arms)) == (24, 4)
    assert found["whole"].size == sum(p.stat().st_size for p in (tmp_path / "whole").rglob("*") if p.is_file())
    assert json.loads(json.dumps(found["broken"].as_json(), allow_nan=False))["state"] == "damaged"


def test_sweeps_stand_in_the_order_of_their_start(tmp_path: Path) -> None:
    """The newest last, whatever its name; a sweep that does not say when comes first."""
    for name, created in (("a", "2026-03"), ("b", "2026-01"), ("c", None)):
        Store(tmp_path / name).start({"name": name, "created": created})
    assert [each.folder.name for each in summarize_all(tmp_path)] == ["c", "b", "a"]
    with pytest.raises(InputError, match=r"nothing: cannot be listed \(No such file or directory\)"):
        summarize_all(tmp_path / "nothing")


def test_links_do_not_count_as_size(tmp_path: Path) -> None:
    """A link to a large folder or file outside adds nothing to a sweep's size."""
    (tmp_path / "large").mkdir()
    (tmp_path / "large/file").write_bytes(bytes(10**6))
    store = Store(tmp_path / "sweep")
    store.start({"name": "x"})
    (store.folder / "report").symlink_to(tmp_path / "large")
    (store.folder / "winners").symlink_to(tmp_path / "large/file")
    assert summarize(store).size == (store.folder / "sweep.json").stat().st_size


def test_listing_loads_no_heavy_library(tmp_path: Path) -> None:
    """Sweeps are listed and shown without torch, mlflow, optuna, numba, pandas, scipy and sympy."""
    fabricate_sweep(tmp_path / "one", trials=1, confirm=1)
    heavy = ("torch", "mlflow", "optuna", "numba", "pandas", "scipy", "sympy", "matplotlib")
    code = f"""
import sys, contextlib
from harness.cli import app
for words in (["sweeps", "--in", "."], ["show", "one"], ["clean", "--in", "."]):
    with contextlib.suppress(SystemExit):
        app(words)
print("loaded:", *(name for name in {heavy} if name in sys.modules))
"""
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(root)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1].strip() == "loaded:"
