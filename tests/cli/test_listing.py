"""``harness sweeps``, ``show`` and ``clean`` as a user meets them: in a process, with a sweep that was made."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from support.command_line import harness, tree

from harness.cli import main
from harness.store import Store
from harness.text import duration_text, energy_text, size_text

#: A temporary as a killed process leaves it.
LEFT = "populations/.000009.parquet.0123456789abcdef"


@pytest.fixture
def folder_of_sweeps(finished_sweep: Store, tmp_path: Path) -> Path:
    """A working directory whose sweeps/ has the sweep, one set aside, a damaged one and a link to elsewhere."""
    for name in ("small", "small.1", "broken"):
        shutil.copytree(finished_sweep.folder, tmp_path / "sweeps" / name)
    (tmp_path / "sweeps/small" / LEFT).write_text("left")
    (tmp_path / "sweeps/broken/sweep.json").write_text("{")
    return tmp_path


def test_sweeps_are_listed(folder_of_sweeps: Path, finished_sweep: Store) -> None:
    """A line for each, as a table and as JSON, with the best arm by the committed frame; why one is damaged."""
    printed, told = harness(folder_of_sweeps, "sweeps"), harness(folder_of_sweeps, "sweeps", "--json")
    assert (printed.returncode, printed.stderr, told.returncode, told.stderr) == (0, "", 0, "")
    assert [line.split(" ")[0] for line in printed.stdout.splitlines()].count("small.1") == 1
    assert "broken: sweeps/broken/sweep.json: damaged (" in " ".join(printed.stdout.split())
    rows = {row["name"] or row["folder"]: row for row in json.loads(told.stdout)}
    assert rows["sweeps/broken"]["state"] == "damaged"
    frame = finished_sweep.frame()
    medians = frame[frame["stage"] == "confirm"].groupby("arm")["ks"].median()
    best = rows["small"]["best"]
    assert (best["arm"], best["ks"]) == (medians.idxmin(), pytest.approx(medians.min()))
    assert (rows["small"]["members"], rows["small"]["committed"]) == (len(frame), len(finished_sweep.committed()))


def test_an_empty_place_is_no_fault_and_a_missing_one_is(tmp_path: Path) -> None:
    """Before any sweep: status 0, an empty list, nothing to clean, no folder made; what --in names must be there."""
    assert harness(tmp_path, "sweeps", "--json").stdout == "[]\n"
    assert "holds no sweep" in harness(tmp_path, "sweeps").stdout
    assert "nothing was removed" in harness(tmp_path, "clean", "--yes").stdout
    assert list(tmp_path.iterdir()) == []
    for command in ("sweeps", "clean"):
        refused = harness(tmp_path, command, "--in", "none")
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert refused.stderr.startswith("error: none: cannot be ")


def test_a_sweep_and_a_member_are_shown(folder_of_sweeps: Path, finished_sweep: Store) -> None:
    """By name, by folder, by a key's first digits; as JSON the same facts. The commands that they name are right."""
    printed = harness(folder_of_sweeps, "show", "small")
    assert (printed.returncode, printed.stderr) == (0, "")
    for part in (
        "D minimises",
        "G minimises",
        "spec as run",
        "[search]",
        "provenance",
        "harness sweep EXPERIMENT.toml",
    ):
        assert part in printed.stdout
    facts = json.loads(harness(folder_of_sweeps, "show", "sweeps/small", "--json").stdout)
    assert facts["members"] == len(finished_sweep.frame())
    key = facts["arms"][0]["best"]["key"]
    shown = harness(folder_of_sweeps, "show", key[:10])
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"member {key}" in shown.stdout
    assert "snapshots" in shown.stdout
    member = json.loads(harness(folder_of_sweeps, "show", key, "--json").stdout)
    assert [place["folder"] for place in member["places"]] == ["sweeps/small", "sweeps/small.1"]
    command, *arguments = member["replay"].split()
    assert command == "harness"
    replayed = harness(folder_of_sweeps, *arguments)
    assert (replayed.returncode, replayed.stdout.split(":")[0]) == (0, "match")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("smal", "no sweep is there, and as a member 'smal': allowed are a member's key"),
        ("0" * 16, "no committed member has this key; looked in sweeps/broken, sweeps/small, sweeps/small.1; "),
        ("sweeps/broken", "sweep.json: damaged ("),
        ("\x1b[2J", "allowed are a member's key"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_line(
    what: str, message: str, folder_of_sweeps: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Status 2, nothing on standard output, one printable line on standard error."""
    monkeypatch.chdir(folder_of_sweeps)
    monkeypatch.setattr(sys, "argv", ["harness", "show", what])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capfd.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert message in said.err
    assert said.err[:-1].isprintable()


def test_cleaning_is_dry_until_told(folder_of_sweeps: Path) -> None:
    """Without --yes the folder stays as it is; with it exactly the listed paths go, by the kinds that are named."""
    before = tree(folder_of_sweeps)
    dry = harness(folder_of_sweeps, "clean")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert f"sweeps/small/{LEFT}" in dry.stdout
    assert "2 found" in dry.stdout
    assert dry.stdout.endswith("nothing was removed; --yes removes exactly these\n")
    assert tree(folder_of_sweeps) == before
    some = harness(folder_of_sweeps, "clean", "--temporaries", "--yes")
    assert some.stdout.endswith("1 found, 4 B together; 1 removed\n")
    assert tree(folder_of_sweeps) == {name: found for name, found in before.items() if name != f"sweeps/small/{LEFT}"}
    rest = harness(folder_of_sweeps, "clean", "--aside", "--superseded", "--yes")
    assert rest.stdout.endswith("; 1 removed\n")
    assert sorted(path.name for path in (folder_of_sweeps / "sweeps").iterdir()) == ["broken", "small"]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (size_text(0), "0 B"),
        (size_text(999), "999 B"),
        (size_text(1000), "1.00 kB"),
        (size_text(999_600), "1.00 MB"),
        (size_text(12_345_678), "12.3 MB"),
        (energy_text(0.25), "0.25 J"),
        (energy_text(999.7), "1.00 kJ"),
        (energy_text(250_000), "250 kJ"),
        (duration_text(59.94), "59.9 s"),
        (duration_text(59.96), "1 min 0 s"),
        (duration_text(3725), "1 h 2 min"),
    ],
)
def test_amounts_have_three_digits(found: str, text: str) -> None:
    """Rounding never gives a fourth digit, nor sixty seconds."""
    assert found == text
