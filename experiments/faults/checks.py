"""Checks of a sweep that was killed and has ended: equal to one that was not, and everything there exactly once.

A further check is a function like those in ``faults_of``.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

from harness.search.studies import NUMBER, open_storage
from harness.store import SCHEMA, Store
from harness.sweep.optuna_export import export

#: The kills, of any phase, that came when a committed trial had no finished run yet.
NOT_MIRRORED = "before the mirror had all"

#: The faults of a check, and how many things it counted.
Faults = tuple[list[str], int]


def faults_of(killed: Store, whole: Store, database: Path) -> dict[str, Faults]:
    """Faults of the killed sweep by check; ``whole`` is the same sweep without interruption."""
    return {
        "rows": (_rows(killed, whole), 0),
        "winners": (_winners(killed.folder, whole.folder), 0),
        "leftovers": (_leftovers(killed.folder), 0),
        "runs": _runs(killed, database),
        "studies": _studies(killed),
    }


def unmirrored(store: Store, database: Path) -> int:
    """Number of committed trials of the search without a finished run."""
    if not store.exists or not database.is_file():
        return 0
    uid, rows = store.describe()["uid"], store.table(["arm", "stage", "trial"]).to_pylist()
    wanted = {f"{uid}:{row['arm']}:search:{row['trial']}" for row in rows if row["stage"] == "search"}
    return len(wanted - {key for key, status in _statuses(database, uid) if status == "FINISHED"})


def _rows(killed: Store, whole: Store) -> list[str]:
    """The columns that differ in any bit (repr tells any two floats apart), and the files that are not the same."""
    if killed.committed() != whole.committed():
        return [f"populations {killed.committed()}, not {whole.committed()}"]
    a, b = killed.table(), whole.table()
    differing = [name for name in SCHEMA.names if repr(a[name].to_pylist()) != repr(b[name].to_pylist())]
    keys = Counter((row["stage"], row["arm"], row["trial"], row["seed"]) for row in a.to_pylist())
    return [*(f"column {name}" for name in differing), *(f"twice {key}" for key, n in keys.items() if n > 1)]


def _winners(killed: Path, whole: Path) -> list[str]:
    killed_files, whole_files = (
        {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in root.rglob("*")
            if path.is_file() and not path.name.startswith(".")  # a dot: a temporary file that a killed write left
        }
        for root in (killed / "winners", whole / "winners")
    )
    return [
        f"file {name}"
        for name in sorted({*killed_files, *whole_files})
        if killed_files.get(name) != whole_files.get(name)
    ]


def _leftovers(killed: Path) -> list[str]:
    """Populations that count although they have no proper name: none can."""
    names = {f"{index:06d}.parquet" for index in Store(killed).committed()}
    visible = {path.name for path in (killed / "populations").iterdir() if not path.name.startswith(".")}
    return sorted(visible - names)


def _runs(store: Store, database: Path) -> Faults:
    """One finished run for the sweep, each arm, each trial of the search and each confirmed one; no other."""
    description = store.describe()
    uid, arms = description["uid"], [arm["arm"] for arm in description["arms"]]
    rows = store.table(["arm", "stage", "trial"]).to_pylist()
    trials = sorted({f"{uid}:{row['arm']}:{row['stage']}:{row['trial']}" for row in rows})
    wanted = Counter((key, "FINISHED") for key in (uid, *(f"{uid}:{arm}" for arm in arms), *trials))
    runs = _statuses(database, uid)
    return [f"run {key} is {status}" for key, status in (wanted - runs) + (runs - wanted)], runs.total()


def _studies(store: Store) -> Faults:
    """Exported into one journal of Optuna's, twice over: each trial of the search once, in the study of its arm."""
    uid, rows = str(store.describe()["uid"])[:8], store.table(["arm", "stage", "trial"]).to_pylist()
    wanted = Counter({(row["arm"], row["trial"]) for row in rows if row["stage"] == "search"})
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            export(store, f"{folder}/journal.log", lambda name, added: None)
        with open_storage(f"{folder}/journal.log") as storage:
            exported = Counter(
                (study.study_name.partition(f" {uid}: ")[2], trial.user_attrs[NUMBER])
                for study in storage.get_all_studies()
                for trial in storage.get_all_trials(study._study_id)
            )
    return [f"trial {trial} of {arm}" for arm, trial in (wanted - exported) + (exported - wanted)], exported.total()


def _statuses(database: Path, uid: str) -> Counter[tuple[str, str]]:
    query = "select value, status from tags join runs using (run_uuid) where key = 'harness.key' and value like ?"
    with closing(sqlite3.connect(database)) as connection:
        if not connection.execute("select 1 from sqlite_master where name = 'tags'").fetchall():
            return Counter()  # the first mirror has not made its tables yet
        return Counter(connection.execute(query, (f"{uid}%",)).fetchall())
