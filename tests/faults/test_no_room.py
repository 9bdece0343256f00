"""No room: a full disk under every kind of file, a full standard output, too little memory, no GPU."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from support.command_line import EXPERIMENT, tree
from support.fabricated import ARMS, fabricate_sweep
from support.forks import COMMAND_LINE, Forks
from support.mlflow_store import assert_all_there, make_database, make_sweep, mirrored_now
from support.sweeps import assert_same_rows, carry_on

from analysis.report import write_report
from harness.config import load
from harness.store import Store
from harness.tracking import Mirror

#: A limit on the size of files stands in for a full disk: both end a write half way with an error of the system.
#: A population of EXPERIMENT takes some 30,000 bytes, its sweep.json some 4,000.
ROOM_FOR_NO_POPULATION = {"RLIMIT_FSIZE": 10_000}

#: The figures of a report take from 20,000 bytes on.
ROOM_FOR_NO_FIGURE = {"RLIMIT_FSIZE": 15_000}

# From inside mlflow, where the tests read its store.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

SWEEP = ("sweep", "small.toml", "--engine", "batched-cpu")


@pytest.fixture
def experiment_folder(tmp_path: Path) -> Path:
    """A working directory with the experiment of a second."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    return tmp_path


@pytest.mark.promise("P1", "P4", "P7", "P12", "F11")
def test_a_sweep_on_a_full_disk_goes_on_once_there_is_room(experiment_folder: Path, forks: Forks) -> None:
    """The line names file and size, no part of the file is there; with room the sweep's rows are those of any other."""
    ended = forks.run(COMMAND_LINE, *SWEEP, folder=experiment_folder, limits=ROOM_FOR_NO_POPULATION)
    assert ended.status == 2
    line = ended.err.splitlines()[-1]
    assert re.match(r"error: sweeps/small/populations/000000\.parquet: \d{5,} bytes cannot be written", line), line
    assert line.endswith("make room, or allow writing, and run again")
    assert [path.name for path in (experiment_folder / "sweeps/small").iterdir()] == [
        "sweep.lock",
        "sweep.json",
        "populations",
    ]
    assert list((experiment_folder / "sweeps/small/populations").iterdir()) == []
    spec = load(experiment_folder / "small.toml")
    assert_same_rows(carry_on(spec, experiment_folder / "sweeps/small"), carry_on(spec, experiment_folder / "whole"))


@pytest.mark.promise("P7", "P12", "F11")
def test_a_report_on_a_full_disk_names_its_file_and_leaves_the_old_ones(tmp_path: Path, forks: Forks) -> None:
    """No file of the old report is touched that cannot be replaced by a whole new one."""
    fabricate_sweep(tmp_path / "labels", arms=ARMS[:2], trials=1, confirm=2)
    write_report(tmp_path / "labels")
    before = tree(tmp_path / "labels")
    ended = forks.run(COMMAND_LINE, "report", "labels", folder=tmp_path, limits=ROOM_FOR_NO_FIGURE)
    assert (ended.status, ended.out) == (2, "")
    assert re.fullmatch(r"error: labels/report/\w+\.png: \d{5,} bytes cannot be written .*\n", ended.err), ended.err
    assert tree(tmp_path / "labels") == before


def mirror_here() -> None:
    """In a fork: mirror the sweep that is named into the store that is named, and print how it ended."""
    mirror = Mirror(Path(sys.argv[1]), sys.argv[2])
    mirror.start()
    sys.stdout.write(f"{mirror.finish()}\n")


@pytest.mark.promise("P6", "F11", "F15")
def test_a_mirror_on_a_full_disk_says_so_and_catches_up(tmp_path: Path, forks: Forks) -> None:
    """Neither its log nor the database may grow: it ends in a sentence, and with room every run is there once."""
    folder, database = make_sweep(tmp_path / "labels"), make_database(tmp_path / "mlflow.db")
    (folder / "mirror.log").write_bytes(b"x" * 10_000)
    uri = f"sqlite:///{database}"
    call = "faults.test_no_room:mirror_here"
    ended = forks.run(call, folder, uri, folder=tmp_path, limits=ROOM_FOR_NO_POPULATION)
    assert (ended.status, ended.err) == (0, "")
    assert re.search(r"12 trials wait for .*`harness sweep --resume`$", ended.out.strip()), ended.out
    assert mirrored_now(folder, uri).complete
    assert_all_there(uri)


@pytest.mark.promise("P12", "F11")
@pytest.mark.parametrize("command", ["losses --json", "losses minimax --json", "score sample.csv --json"])
def test_a_full_standard_output_is_told_in_a_line(command: str, experiment_folder: Path, forks: Forks) -> None:
    """/dev/full takes no byte: status 2 and one line, whether the output fits the buffer or not."""
    (experiment_folder / "sample.csv").write_text("x\n1\n2\n3\n")
    ended = forks.run(COMMAND_LINE, *command.split(), folder=experiment_folder, out=Path("/dev/full"))
    assert ended.status == 2
    assert ended.err == (
        "error: standard output: cannot be written (No space left on device); make room, or send it elsewhere\n"
    )


@pytest.mark.promise("P5", "P12", "F18")
def test_members_that_do_not_fit_fail_and_the_sweep_goes_on(experiment_folder: Path, forks: Forks) -> None:
    """With 600 MB of address space left 8 hidden units fit a minibatch of 2,000 and 1,000 do not: those trials fail.

    The others are scored, and win; the reason is the allocator's own, in a line.
    """
    wide = (
        EXPERIMENT.replace("steps = 20", "steps = 4").replace("[10, 20]", "[4]").replace("batch = 20", "batch = 2000")
    )
    wide = wide.replace('"random"', '"grid"').replace("lr_d = {low = 1e-5, high = 1e-2, log = true}", "")
    wide = wide.replace("[search.space]", "[search.space]\nhidden = {choices = [8, 1000]}")
    (experiment_folder / "wide.toml").write_text(wide)
    command = ("sweep", "wide.toml", "--engine", "batched-cpu")
    ended = forks.run(COMMAND_LINE, *command, folder=experiment_folder, limits={"RLIMIT_AS": 600_000_000})
    assert ended.status == 0, ended.err
    frame = Store(experiment_folder / "sweeps/small").frame()
    failed, scored = frame[frame["hidden"] == 1000], frame[frame["hidden"] == 8]
    assert set(failed["outcome"]) == {"failed"}
    assert failed["failure"].str.contains("alloc").all()
    assert set(scored["outcome"]) == {"scored"}
    assert (len(failed), len(scored)) == (4, 8)


@pytest.mark.promise("F17", "P12")
def test_where_all_diverge_the_command_the_page_and_the_table_say_so(experiment_folder: Path, forks: Forks) -> None:
    """Rates of 1e6 end every member of least squares: the sweep ends well, counts them, and calls nobody a success."""
    wild = EXPERIMENT.partition("[search]")[0].replace('["minimax", "non_saturating"]', '["least_squares"]')
    (experiment_folder / "wild.toml").write_text(
        f"{wild}lr_d = 1e6\nlr_g = 1e6\n[search]\ntrials = 0\n[confirm]\nseeds = 3\n"
    )
    ended = forks.run(COMMAND_LINE, "sweep", "wild.toml", "--engine", "batched-cpu", folder=experiment_folder)
    assert ended.status == 0, ended.err
    assert ", 3 diverged or failed; best KS 1.0000" in ended.err
    page = (experiment_folder / "sweeps/small/report/report.html").read_text()
    assert page.count("gradient of") >= 3
    told = json.loads((experiment_folder / "sweeps/small/report/summary.json").read_text())
    assert told["arms"][0]["successes"] == 0


@pytest.mark.promise("F19", "P12")
@pytest.mark.parametrize("engine", ["cuda", "batched-cuda"])
def test_without_a_gpu_its_engines_are_refused_in_a_line(engine: str, experiment_folder: Path, forks: Forks) -> None:
    """Status 2, what is missing and what to do; no driver, no device or a hidden one are the same."""
    command = ("train", "--loss", "minimax", "--steps", "4", "--seeds", "1", "--engine", engine)
    ended = forks.run(COMMAND_LINE, *command, folder=experiment_folder, CUDA_VISIBLE_DEVICES="")
    assert (ended.status, ended.out) == (2, "")
    assert re.fullmatch(r"error: engine \w+: torch sees no CUDA device; --engine auto takes .*\n", ended.err), ended.err


@pytest.mark.promise("F19")
def test_without_a_gpu_auto_says_what_trains_instead(experiment_folder: Path, forks: Forks) -> None:
    """One line names the engine that serves, and why not those before it."""
    command = ("train", "--loss", "minimax", "--steps", "4", "--seeds", "1")
    ended = forks.run(COMMAND_LINE, *command, folder=experiment_folder, CUDA_VISIBLE_DEVICES="")
    assert ended.status == 0, ended.err
    assert "cpu/1: 1 member, because cuda/1: torch sees no CUDA device" in ended.out
