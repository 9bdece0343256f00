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
from harness.sweep.plan import Round
from harness.sweep.sweep import Sweep
from support.command_line import hear_interrupts
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

#: The promise is 2 s; the rest is for a machine that does other things too.
BOUND_SECONDS = 2.5


@dataclass
class Run:
    """One run of the command, and what it says, line by line with the time it was heard."""

    process: subprocess.Popen[str]
    heard: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.heard.append((time.time(), line.rstrip()))

    @property
    def lines(self) -> list[str]:
        """What was said so far."""
        return [line for _, line in self.heard]

    def wait_for(self, *starts: str, seconds: float = 300) -> tuple[float, str]:
        """The first line that begins so, and when it was heard; fails if the process ends before."""
        end = time.monotonic() + seconds
        while True:
            ended = self.process.poll() is not None
            if found := [(when, line) for when, line in self.heard if line.startswith(starts)]:
                return found[0]
            assert not ended, self.lines
            assert time.monotonic() < end, self.lines
            time.sleep(0.01)

    def ended(self, seconds: float = 300) -> int:
        """The exit status, once all was said."""
        status = self.process.wait(seconds)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


def start(folder: Path, uri: str, *more: str) -> Run:
    """Start ``harness sweep`` on the experiment file beside ``folder``."""
    path = folder.parent / "killed.toml"
    path.write_text(EXPERIMENT)
    arguments = ["sweep", str(path), "--out", str(folder), "--engine", "batched-cpu", *more]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)}
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
