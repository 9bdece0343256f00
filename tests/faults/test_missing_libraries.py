"""An environment without one of the libraries: what does not need it works, what does says what to install.

The environment is a real one: a virtual environment whose packages are those of this one, but for some.
"""

from __future__ import annotations

import re
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest
from support.command_line import EXPERIMENT, environment
from support.fabricated import ARMS, fabricate_sweep
from support.paths import ROOT

#: Runs the command line once for each line of arguments, in one process, and says how each ended.
MANY = """
import shlex, sys
from harness.cli import main
for line in sys.argv[1:]:
    sys.argv = ["harness", *shlex.split(line)]
    try:
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code or 0
    print(f"{line} -> {status}", flush=True)
"""


def without(folder: Path, *packages: str) -> Path:
    """The interpreter of a new environment in ``folder`` that has all packages of this one but those named."""
    venv.create(folder, symlinks=True, with_pip=False)
    here = Path(sysconfig.get_path("purelib"))
    there = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "installed_base": str(folder)}))
    for path in here.iterdir():
        name = re.split(r"[-.]", path.name)[0]  # of mlflow-3.16.0.dist-info as of mlflow
        if not any(name == package or name.startswith(f"{package}_") for package in packages):
            (there / path.name).symlink_to(path)
    return folder / "bin/python"


def run(python: Path, folder: Path, *lines: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command line in that environment, once for each line of arguments."""
    return subprocess.run(
        [str(python), "-c", MANY, *lines],
        cwd=folder,
        env=environment(PYTHONPATH=str(ROOT), **changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.promise("P12", "F26")
def test_without_optuna_and_mlflow_all_but_a_sweep_works(tmp_path: Path) -> None:
    """Losses, training, scoring, the report and the machine's description; a search says what to install."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    (tmp_path / "sample.csv").write_text("x\n1\n2\n3\n")
    fabricate_sweep(tmp_path / "labels", arms=ARMS[:2], trials=1, confirm=2)
    works = (
        "losses minimax",
        "train --loss minimax --seeds 1 --steps 4 --engine reference",
        "score sample.csv",
        "report labels",
        "doctor",
    )
    sweep = "sweep small.toml --set search.sampler=tpe"
    done = run(without(tmp_path / "bare", "optuna", "mlflow"), tmp_path, *works, sweep)
    ended = [line for line in done.stdout.splitlines() if " -> " in line]
    assert ended == [*(f"{line} -> 0" for line in works), f"{sweep} -> 2"], done.stderr
    assert done.stderr == "error: optuna is not installed; python -m pip install optuna\n"
    assert not (tmp_path / "sweeps").exists()


@pytest.mark.promise("P6", "P12", "F26")
def test_without_mlflow_a_sweep_goes_on_and_says_so(tmp_path: Path) -> None:
    """All is trained, committed and reported; the line of the mirror names the library and counts what waits."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    done = run(without(tmp_path / "bare", "mlflow"), tmp_path, "sweep small.toml --engine batched-cpu")
    assert done.stdout == "sweep small.toml --engine batched-cpu -> 0\n", done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("MLflow ("))
    assert "mlflow" in line.partition("): ")[2]
    assert "4 trials wait for " in line
    assert (tmp_path / "sweeps/small/report/report.html").is_file()
