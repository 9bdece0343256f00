"""The benchmark: its arithmetic, its peers against the literal loop, a small run from end to end, and its report."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from reporting import FOLDER, heading, read
from speed import contenders_run
from speed.ceilings import step_flop
from speed.contenders import JAX, JAX_DEVICES, SAMPLE_VIEW, SET_VIEW, VMAP
from speed.contenders_run import Process
from speed.measure_speed import main
from speed.speed_tables import TARGETS, report, tables, targets_table
from speed.workload import TOLERANCE, largest_error, script_group, true_losses, write_inputs
from support.paths import DOCS

#: Results of the run that docs/performance.md shows.
COMMITTED = DOCS / "figures/bench.json"

MEMBERS, STEPS = 2, 20

#: An engine that is there on every machine, and needs no compiling.
ENGINE = "batched-cpu"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A quick run of the literal loop and one engine, and the folder that it wrote to."""
    folder = tmp_path_factory.mktemp("bench") / "made"
    arguments = ["--quick", "--only", ENGINE, "--json", str(folder / "a.json"), "--figure", str(folder / "a.png")]
    command = [sys.executable, str(FOLDER), *arguments]
    return subprocess.run(command, capture_output=True, text=True), folder


@pytest.mark.parametrize(
    ("view", "expected"),
    # Counted by hand, product by product. Set view: D's step 630,600 = D(real) 25,100 + G 520,000 + D(fake) 25,100 +
    # twice D's weights 30,200; G's step 1,600,200 = G 520,000 + D 25,100 + D's inputs 25,100 + G's weights 1,030,000.
    # Per sample D is G: (3 * 520,000 + 2 * 1,030,000) + (3 * 520,000 + 1,030,000).
    [(SET_VIEW, 2_230_800), (SAMPLE_VIEW, 6_210_000)],
)
def test_a_step_has_so_many_operations(view: str, expected: int) -> None:
    """The floor rests on the count of a step's multiplications and additions, derived from the networks' widths."""
    assert step_flop(script_group(1, 1, view)) == expected


@pytest.mark.parametrize("name", [VMAP, JAX, JAX_DEVICES])
def test_peers_train_what_the_literal_loop_trains(name: str, tmp_path: Path) -> None:
    """After 20 steps in float32, from the same weights and draws, every loss is the float64 loop's within 1e-4.

    With the noise of the two players exchanged it is not, so the comparison sees a slip of that size.
    """
    with ExitStack() as stack:
        runners, absent = contenders_run.start([name], (), stack)
        if name in absent:
            pytest.skip(absent[name])
        peer = next(runner.process for runner in runners if runner.name == name)
        inputs = tmp_path / "inputs.npz"
        write_inputs(inputs, MEMBERS, STEPS)
        expected = true_losses(SET_VIEW, MEMBERS, STEPS)
        asked = {"view": SET_VIEW, "members": MEMBERS, "steps": STEPS}
        assert largest_error(peer.ask("losses", inputs=str(inputs), **asked), expected) < 1e-4
        with np.load(inputs) as arrays:
            exchanged = {**arrays, "z_d": arrays["z_g"], "z_g": arrays["z_d"]}
        np.savez(tmp_path / "other.npz", **exchanged)
        assert largest_error(peer.ask("losses", inputs=str(tmp_path / "other.npz"), **asked), expected) > TOLERANCE


def test_a_contender_that_trains_something_else_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the tolerance, here none at all, the check ends the program with the contender's name and both losses."""
    monkeypatch.setattr(contenders_run, "TOLERANCE", 0.0)
    with ExitStack() as stack:
        runners, _ = contenders_run.start([VMAP], (), stack)
        with pytest.raises(SystemExit, match="does not train the same thing: after 20 steps"):
            contenders_run.check(runners, print)


def test_losses_that_are_no_numbers_are_infinitely_wrong() -> None:
    """NaN compares as neither less nor more: it must not pass for equal."""
    assert largest_error([[1.0, float("nan")]], [[1.0, 1.0]]) == float("inf")


def test_a_process_that_ends_or_raises_says_what_it_printed() -> None:
    """A question that a worker cannot answer raises with the worker's traceback, and the worker lives on."""
    with Process(VMAP) as process:
        process.described()
        with pytest.raises(RuntimeError, match="KeyError"):
            process.ask("time", population=3, view=SET_VIEW, steps=1)
        assert process.ask("describe")["identity"] == VMAP


def test_a_small_run_ends_with_results_and_a_figure(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """``--quick --only batched-cpu`` prints tables and writes valid JSON and a PNG where it was told to."""
    done, folder = run
    assert done.returncode == 0, done.stderr
    assert "Training steps of the script's GAN" in done.stdout
    document = read(folder / "a.json", "rows")
    assert {row["contender"] for row in document["rows"]} == {"literal", ENGINE}
    assert all(len(row["microseconds"]) == 3 and min(row["microseconds"]) > 0 for row in document["rows"])
    assert max(document["checked"].values()) < TOLERANCE
    assert set(document["machine"]) >= {"date", "processor", "cores", "versions"}
    assert (folder / "a.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_is_claimed_that_was_not_timed(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """A run without the fused engines shows every target as not measured, and its report says so of GPUs."""
    document = read(run[1] / "a.json", "rows")
    assert {row[-1] for row in targets_table(document).rows} == {"not measured"}
    assert len(targets_table(document).rows) == len(TARGETS)
    assert "**Every figure on a GPU: not measured.**" in report(document)
    assert all(row[0] != "`jax`" for table in tables(document) for row in table.rows)


def test_an_unknown_contender_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """``--only`` with a wrong name ends at once and lists the right ones."""
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "numpy"])
    message = capsys.readouterr().err
    assert "numpy unknown" in message
    assert "literal, vmap, jax" in message


def test_the_committed_results_can_be_reported() -> None:
    """docs/figures/bench.json is a document of this benchmark: the tables of docs/performance.md are made from it."""
    text = report(read(COMMITTED, "rows"))
    assert "20.7 µs" in text
    assert all(f"**{table.title}**" in text for table in tables(read(COMMITTED, "rows")))


def test_a_busy_machine_is_reported() -> None:
    """Where more than half of the cores had other work before the run, the report says so; where not, it does not."""
    document = read(COMMITTED, "rows")
    for share, warned in ((0.4, False), (0.6, True)):
        machine = {**document["machine"], "load_before": share * document["machine"]["cores"]}
        assert ("The machine was busy" in heading({**document, "machine": machine})) == warned


def test_another_file_is_refused(tmp_path: Path) -> None:
    """A file without the part that the tables need ends the program in a line."""
    (tmp_path / "other.json").write_text('{"format": 1, "rows": []}')
    with pytest.raises(SystemExit, match="no results of this benchmark"):
        read(tmp_path / "other.json", "lines")
