"""Messages of ``harness train`` on members without a score and on required settings that [train] overrides."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness import engines
from harness.cli import main
from harness.engines.base import Measure, Progress, Segment, TrainingResult
from harness.engines.batched import BatchedEngine
from harness.members import Group

TINY = ("--seeds", "2", "--steps", "4", "--set", "train.batch=4", "--set", "train.hidden=2")


class Cramped(BatchedEngine):
    """The batched engine on a machine without memory: it asks numpy for 8 PB, more than any process can address."""

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None
    ) -> TrainingResult:
        np.empty(10**15)
        return super().train(group, measure, progress, segments)


@pytest.fixture
def cramped(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an engine that never has memory."""
    monkeypatch.setattr(engines, "ENGINES", {"cramped": lambda: Cramped("cpu")})
    return "cramped"


def status(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """The exit status of ``harness train`` in this process."""
    monkeypatch.setattr(sys, "argv", ["harness", "train", *TINY, *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.promise("P12", "F18")
def test_a_population_that_fails_has_status_1_and_one_reason(
    cramped: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Under the table one line for the reason that both members share, in the allocator's words."""
    assert status(monkeypatch, "--loss", "minimax", "--engine", cramped) == 1
    said = capfd.readouterr()
    (line,) = (line for line in said.out.splitlines() if " of 2 " in line)
    assert line.startswith("2 of 2 failed: Unable to allocate")
    assert said.err == ""


def test_the_reason_of_a_failure_is_in_the_json(
    cramped: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each member has the reason, and no step in which it stopped."""
    assert status(monkeypatch, "--loss", "minimax", "--engine", cramped, "--json") == 1
    for member in json.loads(capfd.readouterr().out)["members"]:
        assert member["outcome"] == "failed"
        assert "Unable to allocate" in member["failure"]
        assert (member["stopped_step"], member["stopped_tensor"]) == (None, None)


@pytest.mark.promise("F16")
def test_divergence_is_a_result_with_its_step_and_tensor(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Least squares at learning rates of 1e6 stops within 4 steps: status 0, and what stopped it is in the JSON."""
    changes = ("train.lr_d=1e6", "train.lr_g=1e6", "train.batch=100", "train.hidden=50")
    options = [part for change in changes for part in ("--set", change)]
    assert status(monkeypatch, "--loss", "least_squares", *options, "--json") == 0
    for member in json.loads(capfd.readouterr().out)["members"]:
        assert (member["outcome"], member["failure"]) == ("diverged", None)
        assert 1 <= member["stopped_step"] <= 4
        assert member["stopped_tensor"]


def test_a_setting_in_place_of_a_needed_one_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error for each such setting, and nothing where [train] keeps to the method."""
    assert status(monkeypatch, "--loss", "extragradient", "--set", "train.order=alternating", "--json") == 0
    told = "extragradient needs order = 'extragradient', but [train] says order = 'alternating'\n"
    assert capfd.readouterr().err == told
    assert status(monkeypatch, "--loss", "extragradient", "--json") == 0
    assert capfd.readouterr().err == ""


def test_a_sweep_tells_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before anything is trained, so that a dry run tells it as well."""
    file = tmp_path / "small.toml"
    file.write_text('name = "small"\nvariants = ["ns_r1"]\n[train]\nr1 = 1\nsteps = 4\nbatch = 4\nhidden = 2\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness", "sweep", str(file), "--dry-run"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "ns_r1 needs r1 = 10.0, but [train] says r1 = 1.0\n" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == [file]
