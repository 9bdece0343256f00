"""The benchmark of what is not training: its stub engine, its workers, its verdicts, and its table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from overhead import lines
from overhead.lines import measure
from overhead.measure_overhead import main
from overhead.sweeps import SOBOL, StubEngine, experiment, opened
from overhead.targets import TARGETS, table
from reporting import environment, read
from support.paths import DOCS
from support.sweeps import InterruptingListener, assert_same_rows

from harness.engines.base import Segment
from harness.members import Group
from harness.sweep.plan import search_member

TARGET = {target.name: target for target in TARGETS}


def members(count: int) -> Group:
    """So many members of the sweep that is measured, which differ in their seeds."""
    spec = experiment(SOBOL, 4, steps=20)
    arm = spec.arms[0]
    return Group(tuple(search_member(spec, arm, spec.baseline(arm), seed) for seed in range(count)))


def test_the_stub_is_an_engine() -> None:
    """Its parameters are a function of the member, alone or in company, differ between members, and are finite."""
    group, engine = members(3), StubEngine()
    together = engine.train(group, lambda theta_PW: {}, lambda steps: None)
    assert np.isfinite(together.theta_g_PW).all()
    assert len({theta_W.tobytes() for theta_W in together.theta_g_PW}) == 3
    assert set(together.stopped_step_P.tolist()) == {0}
    for place, member in enumerate(group.members):
        alone = engine.train(Group((member,)), lambda theta_PW: {}, lambda steps: None, [Segment(0, 7)])
        assert alone.theta_g_PW[0].tobytes() == together.theta_g_PW[place].tobytes()
        assert len(alone.states) == 1


def test_a_sweep_of_the_stub_is_one_like_any_other(tmp_path: Path) -> None:
    """All its members are scored and committed, and a second sweep commits the same rows."""
    one, other = (opened(experiment(SOBOL, 5, hidden_g=1), tmp_path / name, StubEngine()) for name in "ab")
    for job in (one, other):
        job.run(InterruptingListener())
    table = one.store.table(["stage", "outcome", "ks"])
    assert table["stage"].to_pylist() == ["search"] * 20 + ["confirm"] * 4
    assert set(table["outcome"].to_pylist()) == {"scored"}
    assert_same_rows(one.store, other.store)


def test_a_sweep_is_measured_with_its_mirror(tmp_path: Path) -> None:
    """The worker of the first line, with six trials: every member counted, and a database with their runs."""
    done = subprocess.run(
        [sys.executable, "-m", "overhead.measurement_process", "searched", "6", str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["members"] == 28
    assert 0 < found["mirror"] < found["wall"]
    assert (tmp_path / "mlflow.db").is_file()


def test_a_resumed_sweep_is_timed_to_its_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes, each with a positive time: the first changes nothing that the second one finds."""
    told: list[str] = []
    monkeypatch.setattr(lines, "REPEATS", 2)
    found = measure(TARGET["resumed"], True, told.append)
    assert found["trials"] == 60
    assert found["detail"]["members"] < 60 * 4
    assert len(found["values"]) == 2
    assert min(found["values"]) > 0
    assert told == ["resumed, 60 trials", "resuming them"]


def test_a_report_is_measured_once_for_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds, memory and size of one report of a folder of six arms: 60 trials of 8 seeds."""
    asked: list[str] = []
    worker = lines._worker
    monkeypatch.setattr(lines, "_worker", lambda program, *rest: asked.append(program) or worker(program, *rest))
    found = {
        name: measure(TARGET[name], True, lambda words: None) for name in ("reported", "report_memory", "report_page")
    }
    assert asked == ["made", "report"]
    assert found["reported"]["detail"]["members"] == 60 * 8 + 6 * 128
    assert all(line["values"][0] > 0 for line in found.values())


def test_a_process_that_fails_ends_the_run_with_its_words(tmp_path: Path) -> None:
    """A sweep that cannot begin, because a file stands in its folder's place, is told by its own error."""
    (tmp_path / "sweep").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "overhead.measurement_process", "held", "4", str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "sweep: cannot be written" in done.stderr


@pytest.mark.parametrize(
    ("value", "verdict"), [(61.0, "misses"), (60.0, "holds"), (25.1, "holds"), (25.0, "reaches its aim")]
)
def test_verdicts(value: float, verdict: str) -> None:
    """Above the must a line misses, up to it it holds, up to the aim it reaches that."""
    assert TARGET["searched"].verdict(value) == verdict
    assert TARGET["help"].verdict(0.4) == "holds"


def test_the_table_shows_what_was_measured_and_nothing_else() -> None:
    """Median and quartiles of repeats; a small run has no verdict; what was not measured says so."""
    measured = {
        "searched": {"trials": 10_000, "values": [44.4], "detail": {}},
        "held": {"trials": 60, "values": [0.5], "detail": {}},
        "help": {"values": [0.1, 0.2, 0.3, 0.4, 0.6]},
    }
    cells = {row[0]: row[1:] for row in table({"lines": measured}).rows}
    assert cells[TARGET["searched"].what] == ("60 s", "25 s", "44 s", "holds")
    assert cells[TARGET["held"].what][2:] == ("0.50 GB", "60 trials only")
    assert cells[TARGET["help"].what] == ("0.50 s", "", "0.30 s [0.20 s, 0.40 s]", "holds")
    assert cells[TARGET["adapted"].what][2:] == ("not measured", "")


def test_the_committed_results_have_every_line() -> None:
    """docs/figures/tooling.json is a document of this benchmark, of which docs/performance.md shows the table."""
    rows = table(read(DOCS / "figures/tooling.json", "lines")).rows
    assert all(row[-1] in ("holds", "reaches its aim") for row in rows)


def test_an_unknown_line_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """``overhead --only`` with a wrong name ends at once and lists the right ones."""
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "speed"])
    assert "searched" in capsys.readouterr().err
