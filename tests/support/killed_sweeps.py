"""A sweep of fifteen populations, run as a command that tests interrupt.

Uninterrupted, in this process and without a mirror, it takes some eight seconds.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config import Experiment
from harness.engines.batched import BatchedEngine
from harness.store import Store
from harness.store.failpoints import VARIABLE
from harness.sweep.plan import Round
from harness.sweep.sweep import Sweep
from support.command_line import hear_interrupts
from support.mlflow_store import HANG_SECONDS
from support.paths import ROOT

#: 2 arms x 6 trials x 2 seeds in populations of 3, 2 to a round; then 2 arms x 4 confirm seeds in 3 populations.
EXPERIMENT = """
name = "killed"
variants = ["minimax", "least_squares"]
population = 3
[train]
steps = 300
batch = 20
hidden = 8
snapshots = [150, 300]
[search]
sampler = "tpe"
trials = 6
seeds = 2
[search.space]
lr_d = {low = 1e-5, high = 1e-2, log = true}
lr_g = {low = 1e-5, high = 1e-2, log = true}
[confirm]
seeds = 4
"""
POPULATIONS, SEARCH_TRIALS = 15, 12

#: Where a mirror fails at once: the address of nobody.
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Run:
    """One run of the command, and what it says, line by line."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def wait_for(self, *starts: str) -> str:
        """The first line that begins so, waited for until the process ends; fails where it never comes."""
        end = time.monotonic() + HANG_SECONDS
        while True:
            ended = self.process.poll() is not None
            if ended:
                self._reader.join()
            for line in self.lines.copy():
                if line.startswith(starts):
                    return line
            assert not ended, self.lines
            assert time.monotonic() < end, self.lines
            time.sleep(0.01)

    def ended(self) -> int:
        """The exit status, once all was said."""
        status = self.process.wait(HANG_SECONDS)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


def start(folder: Path, uri: str, *more: str, failpoint: str | None = None) -> Run:
    """Start ``harness sweep`` on the experiment file beside ``folder``; it ends at a failpoint that is named."""
    path = folder.parent / "killed.toml"
    path.write_text(EXPERIMENT)
    arguments = ["sweep", str(path), "--out", str(folder), "--engine", "batched-cpu", *more]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)}
    if failpoint:
        environment[VARIABLE] = failpoint
    process = subprocess.Popen(
        [sys.executable, "-c", "from harness.cli import main; main()", *arguments],
        cwd=folder.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    return Run(process)


class SilentListener:
    """A listener that does nothing."""

    def advanced(self, gan_steps: int) -> None:
        """Nothing."""

    def committed(self, round_: Round, index: int, rows: Any, seconds: float) -> None:
        """Nothing."""


def finished_here(spec: Experiment, folder: Path) -> Store:
    """The sweep run, or run to its end, in this process."""
    sweep = Sweep(spec, Store(folder), BatchedEngine("cpu"))
    sweep.open()
    sweep.run(SilentListener())
    return sweep.store


def assert_mirrored_once(store: Store, database: Path) -> None:
    """One finished run for the sweep, each arm, each trial of the search and each confirmed one; no other."""
    uid, arms = store.describe()["uid"], [arm["arm"] for arm in store.describe()["arms"]]
    confirmed = store.frame().query("stage == 'confirm'").groupby("arm")["trial"].first()
    wanted = [uid, *(f"{uid}:{arm}" for arm in arms), *(f"{uid}:{arm}:confirm:{confirmed[arm]}" for arm in arms)]
    wanted += [f"{uid}:{arm}:search:{trial}" for arm in arms for trial in range(6)]
    query = "select value, status from tags join runs using (run_uuid) where key = 'harness.key' and value like ?"
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute(query, (f"{uid}%",)).fetchall()
    assert Counter(found) == Counter((key, "FINISHED") for key in wanted)
