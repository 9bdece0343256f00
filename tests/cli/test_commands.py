"""Promises of each command of the console script for right input.

One small sweep is made by the command itself; what only reads it shares it, what alters it takes a copy.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.command_line import (
    COMMANDS,
    EXPERIMENT,
    HARNESS,
    console_script,
    environment,
    harness,
    hear_interrupts,
    tree,
)
from support.sweeps import altered

from harness.cli.doctor import OPTIONAL
from harness.losses import LOSSES, catalogue
from harness.store import Store

#: What no command but those that train or mirror has a use for.
HEAVY = {"torch", "mlflow", "optuna", "numba", "pandas", "scipy", "sympy", "matplotlib"}


@pytest.fixture(scope="module")
def swept_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with an experiment file and the sweep that the command made of it, to read only."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "small.toml").write_text(EXPERIMENT)
    done = console_script(folder, "sweep", "small.toml")
    assert done.returncode == 0, done.stderr
    (folder / "said.txt").write_text(done.stderr)
    waited = harness(folder, "mirror", "small")  # the sweep waits two seconds for its mirror, and no longer
    assert waited.returncode == 0, waited.stderr
    return folder


@pytest.fixture
def swept_copy(swept_folder: Path, tmp_path: Path) -> Store:
    """A copy of the sweep to alter, at the same place below another working directory."""
    shutil.copytree(swept_folder / "sweeps", tmp_path / "sweeps")
    return Store(tmp_path / "sweeps/small")


def printed_json(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document on standard output, in strict JSON."""
    assert done.returncode == 0, done.stderr

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(done.stdout, parse_constant=refuse)


# --- help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=lambda words: " ".join(words) or "all")
def test_help_shows_examples(command: tuple[str, ...], tmp_path: Path) -> None:
    """``--help`` of the program and of each command ends well and shows how to call it; the program's lists all."""
    run = harness if command else console_script
    done = run(tmp_path, *command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    _, _, examples = done.stdout.partition("Examples:")
    assert f"harness {' '.join(command)}".strip() in examples
    assert command or all(re.search(rf"^│ {name} ", done.stdout, re.MULTILINE) for name in COMMANDS)


def test_help_is_fast_because_it_loads_no_heavy_library(tmp_path: Path) -> None:
    """``harness --help`` imports none of the libraries that take seconds, as Python's own list of imports says."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(HARNESS), "--help"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"harness", "typer"} <= loaded
    assert loaded & HEAVY == set()


# --- losses ---------------------------------------------------------------------------------------------------------


def test_losses_as_json_holds_every_variant(tmp_path: Path) -> None:
    """Of each variant: name, family, formulas as text and LaTeX, slope, its three limits, citation, parameters."""
    rows = {row["name"]: row for row in printed_json(harness(tmp_path, "losses", "--json"))}
    assert list(rows) == list(LOSSES)
    for row in rows.values():
        words = ("family", "generator", "discriminator", "generator_latex", "discriminator_latex", "generator_slope")
        assert all(row[word] for word in (*words, "citation")), row["name"]
        assert all({"name", "default", "low", "high", "interval", "meaning"} <= set(p) for p in row["parameters"])
    ends = ("slope_at_minus_infinity", "slope_at_zero", "slope_at_plus_infinity")
    # d/dx softplus(-x) = sigmoid(x) - 1, and d/dx -softplus(x) = -sigmoid(x).
    assert [rows["non_saturating"][end] for end in ends] == ["-1", "-1/2", "0"]
    assert [rows["minimax"][end] for end in ends] == ["0", "-1/2", "-1"]
    assert [p["interval"] for p in rows["generator_label"]["parameters"]] == ["[0, 1]"]


@pytest.mark.parametrize("columns", [80, 160])
def test_losses_is_a_table_at_any_width(columns: int, tmp_path: Path) -> None:
    """Two lines an entry, none wider than the terminal: name and D's loss, then source, G's loss and three limits.

    Names and sources are whole; a formula or a limit may be cut at the end, with an ellipsis.
    """
    done = harness(tmp_path, "losses", COLUMNS=str(columns))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    for row in catalogue():
        # Names are distinct, so the first line that begins with one and a formula is that entry's.
        number = next(i for i, line in enumerate(lines) if re.match(rf"{row['name']}  +\S", line))
        first, second = re.split(r"\s{2,}", lines[number].strip()), re.split(r"\s{2,}", lines[number + 1].strip())
        limits = (row[f"slope_at_{end}"] for end in ("minus_infinity", "zero", "plus_infinity"))
        ends = [(limit if row["reads_logits"] else None) or "-" for limit in limits]
        wanted = [row["name"], row["discriminator"], row["citation"], row["generator"], *ends]
        for cell, word in zip((*first, *second), wanted, strict=True):
            assert cell == word or (cell.endswith("…") and word.startswith(cell[:-1].rstrip())), row["name"]


@pytest.mark.parametrize("name", ["minimax", "generator_label(t=0.25)", "hinge|minimax"])
def test_a_loss_has_a_card(name: str, tmp_path: Path) -> None:
    """The card is printed for a name, for values of its parameters, and for a combination; as JSON it is one object."""
    printed, facts = harness(tmp_path, "losses", name), printed_json(harness(tmp_path, "losses", name, "--json"))
    assert (printed.returncode, printed.stderr) == (0, "")
    assert facts["name"] == name
    words = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in printed.stdout.splitlines()}
    assert words[name] == name
    assert "D minimises" in words
    assert facts["generator"] in printed.stdout
    # By hand: -sigmoid(-oo) = 0, as G is minimax in the first and the last; sigmoid(-oo) - 1/4 = -1/4.
    assert facts["slope_at_minus_infinity"] == ("-1/4" if "t=" in name else "0")


def test_the_bare_name_keeps_parameters_as_symbols(tmp_path: Path) -> None:
    """Without values the limits hold for all of them, and the allowed interval is given."""
    facts = printed_json(harness(tmp_path, "losses", "generator_label", "--json"))
    assert facts["slope_at_minus_infinity"] == "-t"
    assert [p["interval"] for p in facts["parameters"]] == ["[0, 1]"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minimaxx", "no loss variant is called 'minimaxx'; nearest: minimax; all: "),
        ("generator_label(t=2)", "t = 2 is outside [0, 1]"),
        ("hinge|minimaxx", "no loss variant is called 'minimaxx'"),
    ],
)
def test_a_card_of_nothing_is_refused(name: str, message: str, tmp_path: Path) -> None:
    """An unknown name or a value out of range is one line on standard error, with exit status 2."""
    done = harness(tmp_path, "losses", name)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


# --- train ----------------------------------------------------------------------------------------------------------


def test_train_as_json_gives_the_members_of_a_sweep(swept_folder: Path) -> None:
    """One line of JSON with the promised fields, and the very numbers of trial 0 of the sweep, whose setting it is."""
    options = ("--seeds", "2", "--steps", "20", "--snapshots", "10,20")
    settings = ("--set", "train.batch=20", "--set", "train.hidden=8")
    done = harness(swept_folder, "train", "--loss", "minimax", *options, *settings, "--json")
    result = printed_json(done)
    assert done.stdout.count("\n") == 1
    assert list(result) == ["loss", "view", "engine", "seconds", "steps", "members"]
    rows = Store(swept_folder / "sweeps/small").table().to_pylist()
    rows = [row for row in rows if (row["stage"], row["trial"], row["loss"]) == ("search", 0, "minimax")]
    assert (result["loss"], result["view"], result["steps"]) == ("minimax", "variances", 20)
    assert result["engine"] == rows[0]["engine"]
    assert result["seconds"] > 0
    assert result["members"] == [
        {
            "seed": row["seed"],
            "outcome": row["outcome"],
            "stopped_step": None,
            "stopped_tensor": None,
            "failure": None,
            "ks": dict(zip(["10", "20"], row["snapshot_ks"], strict=True)),
            "mean": row["mean"],
            "sd": row["sd"],
        }
        for row in rows
    ]
    assert [member["seed"] for member in result["members"]] == [0, 1]


def test_train_prints_a_table_of_members_that_diverge_too(tmp_path: Path) -> None:
    """A seed a line with its outcome; a learning rate of 1e6 ends least squares before the last step with KS 1."""
    options = ("--seeds", "2", "--steps", "20", "--set", "train.lr_d=1e6", "--set", "train.lr_g=1e6")
    done = harness(tmp_path, "train", "--loss", "least_squares", "--engine", "batched-cpu", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"^│ +[01] │ diverged at step \d+ +│ 1\.0000 │", done.stdout, re.MULTILINE)) == 2
    assert re.search(r"^2 of 2 diverged: [\w. ]+ not finite$", done.stdout, re.MULTILINE)
    assert "\nbatched/1/cpu: 2 members\n" in done.stdout
    assert "median KS 1.0000" in done.stdout
    assert list(tmp_path.iterdir()) == []


# --- score ----------------------------------------------------------------------------------------------------------


def test_score_reads_both_formats(tmp_path: Path) -> None:
    """KS and its p-value are those of scipy.stats, against the default target and one that is named."""
    x = np.random.default_rng(0).standard_t(3, 500)
    np.save(tmp_path / "x.npy", x)
    np.savetxt(tmp_path / "[red]x.csv", np.column_stack([x, 4 + 1.25 * x]), delimiter=",", header="a,b", comments="")
    result = printed_json(harness(tmp_path, "score", "x.npy", "--target", "t(df=3)", "--json"))
    expected = stats.ks_1samp(x, stats.t(3).cdf)
    assert (result["n"], result["state"]) == (500, "ordinary")
    assert result["ks"] == pytest.approx(expected.statistic, rel=1e-9)
    assert result["ks_pvalue"] == pytest.approx(expected.pvalue, rel=1e-6)
    done = harness(tmp_path, "score", "[red]x.csv", "--column", "b")
    assert (done.returncode, done.stderr) == (0, "")
    assert "[red]x.csv: 500 values against norm(loc=4, scale=1.25) (ordinary)" in " ".join(done.stdout.split())
    shown = float(re.findall(r"^│ ks +│ +(\S+) │", done.stdout, re.MULTILINE)[0])
    assert shown == pytest.approx(stats.ks_1samp(4 + 1.25 * x, stats.norm(4, 1.25).cdf).statistic, rel=1e-4)


# --- sweep ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_starts_nothing(tmp_path: Path) -> None:
    """Members, GAN-steps and seconds are printed, with what --set replaces; no file appears."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    changes = ("--set", "confirm.seeds=3", "--set", "train.steps=30", "--set", "search.sampler=tpe")
    done = harness(tmp_path, "sweep", "small.toml", "--dry-run", "--engine", "batched-cpu", *changes)
    assert (done.returncode, done.stderr) == (0, "")
    # 2 arms x 2 trials x 2 seeds + 2 arms x 3 seeds = 14 members of 30 steps; 2 rounds of 4, 1 of 6.
    assert "14 members, 420 GAN-steps, 3 populations" in done.stdout
    assert "2 trials per arm (tpe), 2 seeds each" in done.stdout
    assert "confirm: 3 fresh seeds per arm" in done.stdout
    assert "\nbatched/1/cpu: 14 members\n" in done.stdout
    assert "halving" not in done.stdout
    assert re.search(r"^about [1-9]\d* s by a short probe; nothing was started", done.stdout, re.MULTILINE)
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_a_dry_run_says_what_halving_saves(tmp_path: Path) -> None:
    """By hand: 13 trials an arm in rounds of 1 and 3 of 20 steps, halved by 3 once, at step 7.

    A round of three takes 3 * 7 + 13 = 34 steps a seed instead of 60: 4 rounds * 2 arms * 2 seeds * 26 saved.
    """
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    changes = ("search.trials=13", "search.halving=3", "search.rungs=1")
    options = [word for change in changes for word in ("--set", change)]
    done = harness(tmp_path, "sweep", "small.toml", "--dry-run", "--engine", "batched-cpu", *options)
    assert (done.returncode, done.stderr) == (0, "")
    # (13 trials * 2 seeds + 2 confirm seeds) * 2 arms * 20 steps = 1,120 without halving.
    assert "continue at steps 7; saves at most 416 of 1,120 GAN-steps" in done.stdout
    assert "56 members, 704 GAN-steps, 6 populations" in done.stdout


def kept(home: Path) -> Mapping[str, str]:
    """The paths of the sweep's results, with their hashes."""
    return {name: found for name, found in tree(home / "sweeps/small").items() if not name.startswith("mirror.")}


def test_a_sweep_leaves_rows_winners_report_and_runs(swept_folder: Path) -> None:
    """12 rows in 3 files, a generator and a sample of each arm, a page, 9 runs; standard error tells each step."""
    store = Store(swept_folder / "sweeps/small")
    assert store.committed() == [0, 1, 2]
    assert set(store.frame()["outcome"]) == {"scored"}
    assert store.table().num_rows == 12
    winners = [sorted(p.name for p in folder.iterdir()) for folder in (store.folder / "winners").iterdir()]
    assert winners == [["density.png", "generator.safetensors", "qq.png", "sample.csv"]] * 2
    assert "<h1" in (store.folder / "report/report.html").read_text()
    with closing(sqlite3.connect(swept_folder / "mlflow.db")) as database:
        assert database.execute("select status, count(*) from runs group by status").fetchall() == [("FINISHED", 9)]
    # Without a line of progress or of a compilation, which a slow machine and a cold cache print in between.
    printed = (swept_folder / "said.txt").read_text().splitlines()
    lines = [line for line in printed if not re.match(r" *\d+%|engine cpu: compiling", line)]
    assert [line.partition(" ")[0] for line in lines] == ["starting", *["population"] * 3, "MLflow", "report:"]
    assert lines[1].startswith("population 1/3  search round 0: 4 members in ")
    assert lines[-2].startswith(f"MLflow (sqlite:///{swept_folder}/mlflow.db): ")


@pytest.mark.promise("P2")
def test_the_same_command_again_does_nothing_new(swept_folder: Path) -> None:
    """No population is trained and no run is written twice; the results keep their bytes."""
    before = kept(swept_folder)
    done = harness(swept_folder, "sweep", "small.toml", "--resume")
    assert done.returncode == 0, done.stderr
    assert harness(swept_folder, "mirror", "small").stdout.endswith(": 0 runs written\n")
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["resuming", "MLflow", "report:"]
    assert kept(swept_folder) == before


@pytest.mark.promise("P12", "F6")
def test_an_interrupt_is_told_in_a_line(tmp_path: Path) -> None:
    """Control-C ends a sweep with status 130 and says that nothing committed is lost, and how to resume."""
    (tmp_path / "long.toml").write_text(
        EXPERIMENT.replace("steps = 20", "steps = 10000000").replace("[10, 20]", "[10]")
    )
    process = subprocess.Popen(
        [str(HARNESS), "sweep", "long.toml"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    assert process.stderr is not None
    with process.stderr as said:
        assert said.readline().startswith("starting sweeps/small")
        process.send_signal(signal.SIGINT)
        assert said.read() == "interrupted; what was committed is kept\nto resume: harness sweep long.toml\n"
    assert process.wait(60) == 130


# --- report, doctor, replay -----------------------------------------------------------------------------------------


def test_report_writes_the_page_of_the_newest_sweep(swept_folder: Path, swept_copy: Store, tmp_path: Path) -> None:
    """Without an argument the newest sweep in sweeps/; the page that was removed comes back with the same bytes."""
    page = (swept_copy.folder / "report/report.html").read_bytes()
    shutil.rmtree(swept_copy.folder / "report")
    done = harness(tmp_path, "report")
    assert (done.returncode, done.stdout, done.stderr) == (0, "sweeps/small/report/report.html\n", "")
    assert (swept_copy.folder / "report/report.html").read_bytes() == page


@pytest.mark.promise("P9", "F19")
def test_doctor_says_what_is_here_and_no_password(tmp_path: Path) -> None:
    """Machine, versions, engines, which losses auto gives them, where results go, what is optional; no secret."""
    done = harness(tmp_path, "doctor", MLFLOW_TRACKING_URI="postgresql://me:s3cret@host/runs")
    assert (done.returncode, done.stderr) == (0, "")
    facts = dict(re.findall(r"^(\S+(?: \S+)*)  +(.*)$", done.stdout, re.MULTILINE))
    assert {"machine", "cores", "memory", "CUDA", "python", "harness", "torch", "optuna", "mlflow"} <= set(facts)
    assert facts["losses"] == f"{len(LOSSES)} variants"
    served = [
        re.match(r"(\w+)/\S+: (\d+) variants?", told) for name, told in facts.items() if name.startswith("auto, ")
    ]
    assert all(found and found[1] in facts["engines"].split(", ") for found in served)
    assert sum(int(found[2]) for found in served if found) == len(LOSSES)
    assert facts["MLflow store"] == "postgresql://me:***@host/runs"
    for purpose, (name, extra) in OPTIONAL.items():
        assert re.match(rf"{name} (\d|is not installed; pip install 'harness\[{extra}\]'$)", facts[purpose])
    assert list(tmp_path.iterdir()) == []


def test_replay_confirms_a_member_by_key_and_by_run(swept_folder: Path, tmp_path: Path) -> None:
    """A member's key, or from any directory a trial's run: status 0, and a line that says which member matches."""
    row = Store(swept_folder / "sweeps/small").table().to_pylist()[-1]
    done = harness(swept_folder, "replay", row["key"])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"match: {row['arm']}, trial {row['trial']}, seed {row['seed']} ({row['key']})")
    with closing(sqlite3.connect(swept_folder / "mlflow.db")) as database:
        query = "select run_uuid, value from tags where key = 'harness.members' order by value"
        run, members = database.execute(query).fetchone()
    done = harness(tmp_path, "replay", run, MLFLOW_TRACKING_URI=f"sqlite:///{swept_folder / 'mlflow.db'}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("match: ")
    assert f"({members.split()[0]})" in done.stdout


def test_replay_of_an_altered_digest_has_status_1(swept_copy: Store, tmp_path: Path) -> None:
    """A committed row whose digest is another than training gives: status 1, and the column that differs."""
    key = altered(swept_copy, 2, "digest", "0" * 64)
    done = harness(tmp_path, "replay", key, "--sweep", str(swept_copy.folder))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("differ: ")
    assert f"({key}): digest; KS" in done.stdout
