"""Bad input on the command line: status 2, one line that says what and what is allowed, and nothing is touched.

Most lines call ``main``, which the console script calls, in this process, because each process costs seconds; those
that would leave most behind run as real processes.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from support.command_line import EXPERIMENT, harness, tree
from support.sweeps import carry_on

from harness.cli import main
from harness.config import load
from harness.store import Store

#: Experiment files by name: a wrong line in place of a right one.
FILES = {
    "small.toml": EXPERIMENT,
    "unknown.toml": EXPERIMENT.replace("steps = 20", "stepz = 20"),
    "type.toml": EXPERIMENT.replace("steps = 20", 'steps = "many"'),
    "nan.toml": EXPERIMENT.replace("hidden = 8", "hidden = 8\nlr_g = nan"),
    "negative.toml": EXPERIMENT.replace("hidden = 8", "hidden = 8\nlr_d = -1e-3"),
    "variant.toml": EXPERIMENT.replace('"minimax"', '"minimacks"'),
    "view.toml": EXPERIMENT.replace("population", 'views = ["variance"]\npopulation'),
    "seeds.toml": EXPERIMENT.replace("[confirm]\nseeds = 2", "[confirm]\nseeds = 0"),
    "memory.toml": EXPERIMENT.replace("population = 8", "population = 1000000").replace(
        "batch = 20", "batch = 1000000"
    ),
    "path.toml": EXPERIMENT.replace('"small"', '"../small"'),
    "script.toml": EXPERIMENT.replace('"small"', '"<script>"'),
    "large.toml": EXPERIMENT + "#" * 2**20,
    "yaml.toml": "name: small\n",
}

#: Arguments in a folder with FILES, a sweep of small.toml in sweeps/small and one cut short in sweeps/broken; and what
#: the line says: place, key, what is allowed.
SWEEP = "sweep small.toml --engine batched-cpu"
REFUSED = {
    "unknown key": ("sweep unknown.toml", "unknown.toml: unknown key 'train.stepz'; nearest: 'train.steps'; allowed: "),
    "wrong type": ("sweep type.toml", "type.toml: train.steps: got 'many'; allowed: a whole number from 1 to "),
    "nan": ("sweep nan.toml", "nan.toml: train.lr_g: got nan; allowed: a number in (0, 1e6]"),
    "negative": ("sweep negative.toml", "negative.toml: train.lr_d: got -0.001; allowed: a number in (0, 1e6]"),
    "variant": ("sweep variant.toml", "variant.toml: variants: ", "'minimacks'; nearest: minimax; all: minimax, "),
    "view": ("sweep view.toml", "view.toml: views: got 'variance'; nearest: 'variances'; allowed: raw, "),
    "zero seeds": ("sweep seeds.toml", "seeds.toml: confirm.seeds: got 0; allowed: a whole number from 1 to "),
    "memory": (
        "sweep memory.toml",
        "memory.toml: train: members of about",
        "GiB are available; allowed: a smaller batch",
    ),
    "name with a path": ("sweep path.toml", "path.toml: name: ", "'../small'", "allowed: 1 to 80 letters"),
    "name with markup": ("sweep script.toml", "script.toml: name: ", "'<script>'", "allowed: 1 to 80 letters"),
    "1 MiB": ("sweep large.toml", "large.toml: larger than 1048576 bytes; write "),
    "YAML": ("sweep yaml.toml", "yaml.toml: is not TOML: ", "write an experiment as TOML"),
    "missing file": ("sweep none.toml", "none.toml: no such file; name "),
    "name of a file": ("sweep no\x1b[2J\nne.toml", "ne.toml'", "no such file; name "),
    "engine": (f"{SWEEP} --engine warp", "--engine: 'warp' is unknown; allowed: auto, cuda"),
    "set without value": (f"{SWEEP} --set train.steps", "small.toml: --set 'train.steps': write KEY=VALUE"),
    "set unknown": (f"{SWEEP} --set train.lr=1", "small.toml: --set: unknown key 'train.lr'; nearest: ", "allowed: "),
    "resume and fresh": (f"{SWEEP} --resume --fresh", "--resume and --fresh exclude each other"),
    "resume nothing": (f"{SWEEP} --resume --out new", "new: no sweep to resume"),
    "changed": (
        f"{SWEEP} --set train.lr_g=1e-3",
        "sweeps/small: holds another experiment (train.lr_g: 0.0002 -> 0.001)",
    ),
    "other engine": (f"{SWEEP} --engine reference", "sweeps/small: was trained by engine ", "--engine"),
    "cut short": (f"{SWEEP} --out sweeps/broken", "sweeps/broken/populations/000002.parquet: damaged", "delete it"),
    "folder is a file": (f"{SWEEP} --out small.toml/sweep", "small.toml", "cannot be written"),
    "train: variant": ("train --loss minimacks", "--loss: ", "'minimacks'; nearest: minimax"),
    "train: view": ("train --loss minimax --view vars", "--view: got 'vars'; nearest: 'variances'; allowed: "),
    "train: seeds": ("train --loss minimax --seeds 0", "--seeds: got 0; allowed: a whole number from 1 to "),
    "train: steps": ("train --loss minimax --steps -5", "--steps: got -5; allowed: a whole number from 1 to "),
    "train: snapshots": ("train --loss minimax --snapshots 10,x", "--snapshots: got '10,x'; allowed: whole numbers"),
    "train: order": ("train --loss minimax --snapshots 20,10", "train: snapshots must be ascending steps within 1.."),
    "train: activation": (
        'train --loss minimax --set train.activations_g=["foo","tanh"]',
        "train.activations_g: got 'foo'; allowed: elu, sigmoid, tanh, relu, leaky_relu, softplus",
    ),
    "train: no activation": (
        'train --loss minimax --set train.activations_g=["relu",3]',
        "train.activations_g: got 3; allowed: elu, sigmoid, tanh, relu, leaky_relu, softplus",
    ),
    "train: needs": (
        "train --loss wgan_gp --set train.order=simultaneous",
        "--loss: 'wgan_gp / variances': order = 'simultaneous' takes d_steps = 1 and g_steps = 1, not d_steps = 5 and "
        "g_steps = 1; wgan_gp needs d_steps = 5",
    ),
    "train: tails": (
        "train --loss minimax --set target.law=t --set target.df=0.1",
        "target: t(df=0.1, loc=0, scale=1) draws -2.83e+68",
        "allowed: a law whose draws are within 1e+18 of 0",
    ),
    "train: memory": (
        "train --loss hinge --seeds 100000 --set train.batch=1000000",
        "train: members of about",
        "a smaller batch",
    ),
    "train: key": ("train --loss hinge --set success_ks=0.2", "--set success_ks: it has no effect", "allowed: seed, "),
    "train: two": ('train --loss hinge --set views=["raw","sample"]', "--set views: use --view; allowed: seed, "),
    "score: missing": ("score none.csv", "none.csv: no such file; name a .npy or .csv file"),
    "score: suffix": ("score small.toml", "small.toml: got suffix '.toml'; allowed: .npy, .csv"),
    "score: objects": ("score objects.npy", "objects.npy: ", "allowed: one column of integers or floats"),
    "score: words": ("score words.csv", "words.csv: ", "number"),
    "score: column": ("score two.csv --column c", "two.csv: ", "'c'"),
    "score: target": ("score two.csv --target nrom", "target.law: 'nrom'", "nearest: 'norm'"),
    "replay: form": ("replay small", "'small': allowed are a member's key (16 hex digits, or its first 6 or more)"),
    "replay: nobody": (f"replay {'0' * 16}", "no committed member has this key; looked in sweeps/broken, sweeps/small"),
    "replay: damaged": (f"replay {'0' * 16} --sweep sweeps/broken", "000002.parquet: damaged"),
    "report": ("report new", "new: no sweep here"),
}

#: Refused late, when most could have been started already.
LATE = {
    "tracking store": (SWEEP + " --out new", "MLFLOW_TRACKING_URI: ", "'file:///runs'", "allowed: sqlite:///FILE"),
    "tracking store afresh": (SWEEP + " --fresh", "MLFLOW_TRACKING_URI: ", "allowed: sqlite:///FILE"),
    "cut short": REFUSED["cut short"],
    "changed": REFUSED["changed"],
}


@pytest.fixture(scope="module")
def refusal_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with everything that the lines name; no test may change it."""
    folder = tmp_path_factory.mktemp("place")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    np.save(folder / "objects.npy", np.array([{}, 1.0], dtype=object))
    (folder / "words.csv").write_text("x\n1\ntwo\n3\n")
    (folder / "two.csv").write_text("a,b\n1,2\n3,4\n")
    carry_on(load(folder / "small.toml"), folder / "sweeps/small")
    broken = carry_on(load(folder / "small.toml"), folder / "sweeps/broken")
    path = broken.folder / "populations/000002.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    return folder


def assert_refused(status: object, out: str, err: str, parts: tuple[str, ...]) -> None:
    """Status 2, nothing on standard output, and one line of printable text with the parts in their order."""
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.endswith("\n")
    line = err[:-1]
    assert line.isprintable(), line
    after = 0
    for part in parts:
        assert part in line[after:], line
        after = line.index(part, after) + len(part)


@pytest.mark.promise("P8", "P12")
@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_told_in_one_line_and_touches_nothing(
    case: str, refusal_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each line of ``REFUSED``: what it says, and a working directory that holds the same files as before."""
    command, *parts = REFUSED[case]
    before = tree(refusal_folder)
    monkeypatch.chdir(refusal_folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sys, "argv", ["harness", *command.split(" ")])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    said = capfd.readouterr()
    assert_refused(ended.value.code, said.out, said.err, tuple(parts))
    assert tree(refusal_folder) == before


@pytest.mark.promise("P12", "F22")
@pytest.mark.parametrize("case", LATE)
def test_what_is_refused_late_has_started_nothing(case: str, refusal_folder: Path) -> None:
    """In a process of its own, with a store that MLflow 3 cannot write to where that is the fault: all stays."""
    command, *parts = LATE[case]
    before = tree(refusal_folder)
    store = {"MLFLOW_TRACKING_URI": "file:///runs"} if "store" in case else {}
    done = harness(refusal_folder, *command.split(" "), **store)
    assert_refused(done.returncode, done.stdout, done.stderr, tuple(parts))
    assert tree(refusal_folder) == before


@pytest.mark.promise("P2", "P12", "F9")
def test_a_sweep_in_use_is_told_in_one_line(refusal_folder: Path) -> None:
    """While another process writes the sweep, the same command says so and starts no mirror."""
    before = tree(refusal_folder)
    with Store(refusal_folder / "sweeps/small").lock():
        done = harness(refusal_folder, *SWEEP.split())
    assert_refused(done.returncode, done.stdout, done.stderr, ("sweeps/small: another process is writing this sweep",))
    assert tree(refusal_folder) == before


@pytest.mark.promise("P12")
def test_an_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    """Arguments that the parser itself refuses end with status 2 and name the option, in its own words."""
    done = harness(tmp_path, "train", "--los", "minimax")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--los" in done.stderr
    assert "Traceback" not in done.stderr
