"""Status of a run: RUNNING while a process trains or mirrors the sweep, then FINISHED or KILLED."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.fabricated import fabricate_sweep
from support.mlflow_store import assert_all_there, mirrored_now, publish, runs_by_key, wait_until
from support.paths import ROOT

from harness.store import Store
from harness.tracking import Mirror

# MLflow's own tables use a loader that SQLAlchemy 2.1 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"),
    pytest.mark.promise("P1", "F3", "F14"),
]


#: A sweep that ended after its first population, one trial of each arm.
HALF = {"sweep": Counter(KILLED=1), "arm": Counter(KILLED=4), "trial": Counter(FINISHED=4)}


def named(folder: Path, name: str, populations: int, committed: int) -> Path:
    """A sweep of ``name`` with that many populations, of which so many are committed; 4 arms, one seed a trial."""
    store = fabricate_sweep(folder, trials=committed, seeds=1, confirm=0, name=name)
    store.amend({**store.describe(), "populations": populations})
    return folder


def states(uri: str, name: str = "labels") -> dict[str, Counter[str]]:
    """Number of runs of each status, of the sweep, its arms and its trials."""
    counts: dict[str, Counter[str]] = {"sweep": Counter(), "arm": Counter(), "trial": Counter()}
    for run in runs_by_key(uri, name).values():
        stage = run.data.tags.get("harness.stage", "sweep")
        counts[stage if stage in counts else "trial"][run.info.status] += 1
    return counts


def killed_with_their_mirrors(uri: str, *folders: Path) -> None:
    """Train folders in processes of their own, and SIGKILL all and their mirrors when the first trials have runs."""
    started = [trained(folder, uri) for folder in folders]
    try:
        names = [Store(folder).describe()["name"] for folder in folders]
        wait_until(lambda: all(has_trials(uri, name) for name in names))
    finally:
        for process, mirror in started:
            mirror.kill()
            process.kill()
            process.communicate()


def has_trials(uri: str, name: str) -> bool:
    """True if the first trial of each of the four arms has its run."""
    from mlflow import MlflowClient

    there = MlflowClient(tracking_uri=uri).get_experiment_by_name(name) is not None
    return there and states(uri, name)["trial"]["FINISHED"] == 4


def trained(folder: Path, uri: str) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    """A process that holds the writer's lock of the folder and has started its mirror, and the mirror."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from harness.store import Store; from harness.tracking import Mirror\n"
        "with Store(Path(sys.argv[1])).lock():\n"
        "    m = Mirror(Path(sys.argv[1]), sys.argv[2]); m.start(); print(m.pid, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), uri], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    return process, psutil.Process(int(process.stdout.readline()))


def test_a_sweep_that_ends_half_way_is_killed_and_resumed_is_finished(
    committed_sweep: Path, tmp_path: Path, uri: str
) -> None:
    """KILLED while populations are missing, RUNNING when it goes on, FINISHED at the end; trials by themselves."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0)
    assert mirrored_now(folder, uri).complete
    assert states(uri) == HALF
    assert mirrored_now(folder, uri).written == 0
    assert states(uri) == HALF
    resumed = Mirror(folder, uri)
    resumed.start()
    wait_until(lambda: states(uri)["arm"]["RUNNING"] == 4)
    assert states(uri)["sweep"] == {"RUNNING": 1}
    publish(committed_sweep, folder, 1, 2, 3)
    assert resumed.wait(lambda progress: None).complete
    assert_all_there(uri)


def test_a_mirror_called_while_training_goes_on_leaves_the_sweep_running(
    committed_sweep: Path, tmp_path: Path, uri: str
) -> None:
    """The end of a mirror is not that of a sweep: while another process trains it, its runs stay RUNNING."""
    folder = publish(committed_sweep, tmp_path / "sweep", 0)
    with Store(folder).lock():
        assert mirrored_now(folder, uri).complete
    assert states(uri) == {"sweep": Counter(RUNNING=1), "arm": Counter(RUNNING=4), "trial": Counter(FINISHED=4)}


def test_what_dead_processes_left_running_is_ended_by_the_next_mirror(tmp_path: Path, uri: str) -> None:
    """After SIGKILL of two sweeps and their mirrors, the mirrors of others end their runs, and no others.

    The one has all its populations, the other not; another is alive beside them, and one has a run on another machine.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    half = named(tmp_path / "half", "half", 3, 1)
    whole = named(tmp_path / "whole", "whole", 2, 1)
    killed_with_their_mirrors(uri, half, whole)
    named(tmp_path / "more", "whole", 2, 2)
    shutil.copy(tmp_path / "more/populations/000001.parquet", whole / "populations/000001.parquet")
    foreign = client.create_run(client.create_experiment("foreign")).info.run_id
    tags = {"harness.sweep": "5" * 32, "harness.key": "5" * 32, "harness.folder": "/gone", "harness.host": "elsewhere"}
    elsewhere = client.create_run("0", tags=tags).info.run_id
    assert states(uri, "half")["sweep"] == states(uri, "whole")["sweep"] == {"RUNNING": 1}
    live, live_mirror = trained(named(tmp_path / "live", "live", 3, 1), uri)
    try:
        wait_until(lambda: has_trials(uri, "live"))
        assert mirrored_now(named(tmp_path / "third", "third", 1, 1), uri).complete
        assert states(uri, "half") == {
            "sweep": Counter(KILLED=1),
            "arm": Counter(KILLED=4),
            "trial": Counter(FINISHED=4),
        }
        assert states(uri, "whole")["sweep"] == states(uri, "third")["sweep"] == {"FINISHED": 1}
        assert states(uri, "whole")["arm"] == {"FINISHED": 4}
        assert states(uri, "live")["sweep"] == {"RUNNING": 1}
        assert states(uri, "live")["arm"] == {"RUNNING": 4}
        assert {client.get_run(run).info.status for run in (foreign, elsewhere)} == {"RUNNING"}
    finally:
        live_mirror.kill()
        live.kill()
        live.communicate()
    # The mirror of the complete one finds what is missing all the same.
    assert mirrored_now(whole, uri).written == 4 + 4 + 1
    assert states(uri, "whole")["trial"] == {"FINISHED": 8}


def test_a_trial_cut_off_half_written_is_never_called_finished(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """Of a complete sweep whose mirror was killed within a trial's run, that run ends KILLED, and is then written."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    folder = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2, 3)
    assert mirrored_now(folder, uri).complete
    uid = Store(folder).describe()["uid"]
    runs = runs_by_key(uri)
    trial = next(run for key, run in runs.items() if ":search:1" in key).info.run_id
    for run_id in (trial, runs[uid].info.run_id):
        client.update_run(run_id, status="RUNNING")
    third = named(tmp_path / "third", "third", 1, 1)
    assert mirrored_now(third, uri).complete
    assert client.get_run(trial).info.status == "KILLED"
    assert client.get_run(runs[uid].info.run_id).info.status == "FINISHED"
    assert mirrored_now(folder, uri).written == 3  # the trial, and so its arm and the sweep
    assert_all_there(uri)


@pytest.mark.parametrize("fate", ["gone", "taken by another sweep"])
def test_runs_of_a_folder_that_is_no_more_end_killed(fate: str, tmp_path: Path, uri: str) -> None:
    """A dead sweep whose folder was deleted, or set aside for a new one, has nobody left who could go on with it."""
    folder = named(tmp_path / "half", "half", 3, 1)
    killed_with_their_mirrors(uri, folder)
    shutil.rmtree(folder)
    new = named(folder if fate != "gone" else tmp_path / "new", "new", 1, 1)
    assert mirrored_now(new, uri).complete
    assert states(uri, "half")["sweep"] == {"KILLED": 1}
    assert states(uri, "new")["sweep"] == {"FINISHED": 1}


def test_of_two_runs_of_one_key_one_stays(committed_sweep: Path, tmp_path: Path, uri: str) -> None:
    """A run that a frozen server created after its client had asked again is deleted when it is found."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    folder = publish(committed_sweep, tmp_path / "sweep", 0, 1, 2, 3)
    assert mirrored_now(folder, uri).complete
    (first, *_) = (run for key, run in runs_by_key(uri).items() if ":search:0" in key)
    late: Any = client.create_run(first.info.experiment_id, tags=dict(first.data.tags))
    assert mirrored_now(folder, uri).complete
    assert_all_there(uri)
    assert client.get_run(late.info.run_id).info.lifecycle_stage == "deleted"
    assert mirrored_now(folder, uri).written == 0
