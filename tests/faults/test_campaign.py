"""The checks of ``nox -s faults`` find what they look for; that they find nothing is what the session is run for."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from checks import faults_of, unmirrored
from support.sweeps import altered
from verdict import table

from harness.store import Store


@pytest.fixture
def database(finished_sweep: Store, tmp_path: Path) -> Path:
    """The two tables of an MLflow store that the checks read, with every finished run of ``finished_sweep``."""
    description = finished_sweep.describe()
    uid = description["uid"]
    keys = {uid, *(f"{uid}:{arm['arm']}" for arm in description["arms"])}
    keys |= {f"{uid}:{row['arm']}:{row['stage']}:{row['trial']}" for row in finished_sweep.table().to_pylist()}
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("create table runs (run_uuid, status)")
        connection.execute("create table tags (run_uuid, key, value)")
        for number, key in enumerate(sorted(keys)):
            connection.execute("insert into runs values (?, 'FINISHED')", (number,))
            connection.execute("insert into tags values (?, 'harness.key', ?)", (number, key))
        connection.commit()
    return tmp_path / "mlflow.db"


def found(killed: Store, whole: Store, database: Path) -> set[str]:
    """The checks that find something."""
    return {check for check, (faults, _) in faults_of(killed, whole, database).items() if faults}


@pytest.mark.promise("P4")
def test_two_equal_sweeps_have_no_faults(finished_sweep: Store, sweep_copy: Store, database: Path) -> None:
    """A copy with all its runs passes every check."""
    assert found(sweep_copy, finished_sweep, database) == set()
    assert unmirrored(sweep_copy, database) == 0


@pytest.mark.promise("P1", "P2", "P4", "P7")
def test_a_changed_row_a_lost_file_and_a_stray_one_are_found(
    finished_sweep: Store, sweep_copy: Store, database: Path
) -> None:
    """One number other, one population gone, one winner's byte changed, one file that counts as nothing."""
    altered(sweep_copy, 0, "w1", 0.5)
    assert found(sweep_copy, finished_sweep, database) == {"rows"}
    (sweep_copy.folder / "populations/000003.parquet").unlink()
    assert found(sweep_copy, finished_sweep, database) >= {"rows"}
    next((sweep_copy.folder / "winners").rglob("sample.csv")).write_text("x\n")
    shutil.copy(sweep_copy.folder / "populations/000001.parquet", sweep_copy.folder / "populations/000001.old")
    assert found(sweep_copy, finished_sweep, database) >= {"rows", "winners", "leftovers"}


@pytest.mark.promise("P2", "P3", "F3")
@pytest.mark.parametrize(
    "change",
    [
        "delete from runs where run_uuid = 3",
        "update runs set status = 'RUNNING' where run_uuid = 3",
        "insert into tags select 99, key, value from tags where run_uuid = 3;insert into runs values (99, 'FINISHED')",
    ],
    ids=["missing", "left running", "twice"],
)
def test_a_run_that_is_missing_unfinished_or_there_twice_is_found(
    change: str, finished_sweep: Store, sweep_copy: Store, database: Path
) -> None:
    """Each of the three is a fault of the runs, and of nothing else."""
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(change)
        connection.commit()
    assert found(sweep_copy, finished_sweep, database) == {"runs"}


@pytest.mark.promise("P4")
def test_the_verdict_says_what_was_found() -> None:
    """A table with every fault, and a last line that tells good from bad."""
    result = {
        "kills": {"search": 2},
        "sweeps": 1,
        "seconds": 9,
        "rows_compared": 4,
        "runs_counted": 3,
        "exported_trials_counted": 2,
    }
    result |= {"kills_before_the_mirror_had_all": 1, "kills_with_the_mirror": 0}
    assert table(result | {"faults": {"rows": []}}).endswith("nothing lost, nothing doubled, no bit other")
    bad = table(result | {"faults": {"rows": ["killed-0: column ks"]}})
    assert bad.endswith("FAULTS FOUND")
    assert "killed-0: column ks" in bad
