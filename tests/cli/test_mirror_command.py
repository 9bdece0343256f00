"""``harness mirror`` as a user meets it: which sweep it finds, what it says, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command_line import harness
from support.mlflow_store import ALL_RUNS, assert_all_there, free_port, make_sweep, runs_by_key

# MLflow's own tables use a loader that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


@pytest.fixture(scope="module")
def mirror_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a committed sweep, ``sweeps/labels``."""
    place = tmp_path_factory.mktemp("place")
    make_sweep(place / "sweeps" / "labels")
    return place


@pytest.mark.promise("P1", "P2", "F14")
def test_a_sweep_is_mirrored_by_name_or_folder_and_only_once(mirror_folder: Path) -> None:
    """By its name into the usual store, by its folder into a named one; a second time there is nothing to write."""
    done = harness(mirror_folder, "mirror", "labels")
    assert (done.returncode, done.stdout) == (
        0,
        f"MLflow (sqlite:///{mirror_folder}/mlflow.db): {ALL_RUNS} runs written\n",
    )
    assert "trials to go" in done.stderr
    assert "Traceback" not in done.stderr
    assert_all_there(f"sqlite:///{mirror_folder}/mlflow.db")
    again = harness(mirror_folder, "mirror", "sweeps/labels", "--to", "sqlite:///mlflow.db")
    assert (again.returncode, again.stdout) == (0, f"MLflow (sqlite:///{mirror_folder}/mlflow.db): 0 runs written\n")
    (tags,) = {run.data.tags["harness.folder"] for run in runs_by_key(f"sqlite:///{mirror_folder}/mlflow.db").values()
               if "harness.folder" in run.data.tags}  # fmt: skip
    assert tags == str(mirror_folder / "sweeps" / "labels")


@pytest.mark.promise("P6", "P12", "F14")
def test_a_store_that_does_not_answer_is_exit_status_one(mirror_folder: Path) -> None:
    """The line says what waits, and no password of the address."""
    address = f"postgresql+psycopg://me:hidden-pw@127.0.0.1:{free_port()}/runs"
    done = harness(mirror_folder, "mirror", "labels", "--to", address)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert "store unreachable" in line
    assert "12 trials wait" in line
    assert "hidden-pw" not in done.stdout + done.stderr


@pytest.mark.promise("P8", "P12")
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("absent",), "absent: no sweep here (no sweep.json) and none of that name in sweeps/; see `harness sweeps`"),
        (("../../etc",), "no sweep here"),
        (("labels", "--to", "mlruns"), "allowed: sqlite:///FILE"),
        (("broken",), "broken/sweep.json: damaged"),
        (("torn",), "000000.parquet: damaged"),
    ],
)
def test_a_wrong_sweep_or_store_is_refused_in_one_line(
    mirror_folder: Path, arguments: tuple[str, ...], word: str
) -> None:
    """Exit status 2 and a line on standard error; nothing on standard output."""
    (mirror_folder / "sweeps" / "broken").mkdir(exist_ok=True)
    (mirror_folder / "sweeps" / "broken" / "sweep.json").write_text("{")
    if arguments == ("torn",):
        make_sweep(mirror_folder / "sweeps" / "torn")
        (mirror_folder / "sweeps" / "torn" / "populations" / "000000.parquet").write_bytes(b"PAR1")
    done = harness(mirror_folder, "mirror", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    assert word in line
    assert "Traceback" not in done.stderr
