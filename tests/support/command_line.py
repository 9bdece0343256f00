"""The command line as a user meets it: in a fork or as the console script, and an experiment of a second."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

#: The console script that was installed beside this interpreter.
HARNESS = Path(sys.executable).with_name("harness")

COMMANDS = (
    *("sweep", "train", "losses", "score", "sweeps", "show", "compare", "replay", "mirror", "export", "report"),
    *("clean", "doctor"),
)

#: 2 arms x 2 trials x 2 seeds in rounds of one trial, then 2 arms x 2 fresh seeds: 12 members, 240 GAN-steps, 3
#: populations; 9 runs (the sweep, 2 arms, 4 trials of the search, 2 of the confirm stage).
EXPERIMENT = """\
name = "small"
variants = ["minimax", "non_saturating"]
population = 8
[train]
steps = 20
batch = 20
hidden = 8
snapshots = [10, 20]
[search]
sampler = "random"
trials = 2
seeds = 2
[search.space]
lr_d = {low = 1e-5, high = 1e-2, log = true}
[confirm]
seeds = 2
"""


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without a tracking store of its own, at 100 columns, with ``changes``."""
    inherited = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**inherited, "COLUMNS": "100", **changes}


def harness(folder: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in ``folder`` to its end, in a fork, which need not import torch anew (``forks.py``)."""
    from support.forks import COMMAND_LINE, shared

    ended = shared().run_in(environment(**changes), COMMAND_LINE, *arguments, folder=folder)
    return subprocess.CompletedProcess(["harness", *arguments], ended.status, ended.out, ended.err)


def console_script(folder: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the installed console script in ``folder`` to its end, with pipes for what it prints."""
    return subprocess.run(
        [str(HARNESS), *arguments],
        cwd=folder,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def tree(folder: Path) -> dict[str, str]:
    """Every path below a folder, with a hash of its content where it is a file."""
    paths = sorted(folder.rglob("*"))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in paths
    }


def hear_interrupts() -> None:
    """For ``preexec_fn``: SIGINT as it is on a terminal.

    Tests that a shell runs in the background inherit an ignored SIGINT, and Python leaves it ignored.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
