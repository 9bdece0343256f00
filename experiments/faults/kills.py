"""Sweeps that are killed at random moments and taken up again, until the kills are used up."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
from checks import NOT_MIRRORED, faults_of, unmirrored

from harness.config import Experiment, load
from harness.store import Store, locked
from harness.sweep.plan import planned

#: 3 arms x 24 trials x 2 seeds in rounds of one trial, then 3 arms x 8 fresh seeds; populations of 4 members.
EXPERIMENT = """
name = "killed"
variants = ["minimax", "non_saturating", "least_squares"]
seed = {seed}
population = 4
[train]
steps = 2000
[search]
sampler = "tpe"
trials = 24
seeds = 2
[search.space]
lr_d = {{low = 1e-5, high = 1e-2, log = true}}
lr_g = {{low = 1e-5, high = 1e-2, log = true}}
[confirm]
seeds = 8
"""

#: Where a mirror fails at once: the address of nobody.
NOWHERE = "http://127.0.0.1:9"

#: Kills of one sweep after its last commit, before it may end: while winners, report and the last runs are written.
LATE_KILLS = 6

#: Seconds after which a run that should have got on counts as stuck, however busy the machine.
STUCK_SECONDS = 300

Phase = Literal["loading", "search", "confirm", "report"]


@dataclass
class Run:
    """One run of the command and the lines that it says."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        self.lines.extend(line.rstrip() for line in self.process.stderr or ())

    def heard(self, *starts: str) -> bool:
        """Whether a line begins so."""
        return any(line.startswith(starts) for line in list(self.lines))

    def wait_for(self, *starts: str) -> None:
        """Return when a line begins so, or the process has ended."""
        end = time.monotonic() + STUCK_SECONDS
        while not self.heard(*starts) and self.process.poll() is None:
            if time.monotonic() > end:
                raise TimeoutError(f"no {starts} within {STUCK_SECONDS} s: {self.lines}")
            time.sleep(0.01)

    def ended(self) -> int:
        """The exit status, once all was said."""
        status = self.process.wait(STUCK_SECONDS)
        self._reader.join()
        if self.process.stderr:
            self.process.stderr.close()
        return status


class Campaign:
    """``wanted`` kills, dealt over as many sweeps as they need; each sweep is compared when it has ended."""

    def __init__(self, folder: Path, wanted: int, seed: int) -> None:
        self.folder, self.wanted = folder, wanted
        self.kills: Counter[str] = Counter()
        self.with_mirror = self.rows = self.sweeps = 0
        self.counted: Counter[str] = Counter()
        self.faults: dict[str, list[str]] = {}
        self._rng = random.Random(seed)  # noqa: S311 - moments, not secrets
        self._database = folder / "mlflow.db"
        self._begin = time.monotonic()

    @property
    def done(self) -> int:
        """Kills so far; those before the last run of a trial was written count once, by their phase."""
        return sum(n for phase, n in self.kills.items() if phase != NOT_MIRRORED)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._begin

    def run(self) -> None:
        """Kill and resume until enough were killed; then compare."""
        while self.done < self.wanted:
            path = self.folder / f"killed-{self.sweeps}.toml"
            path.write_text(EXPERIMENT.format(seed=self.sweeps))
            spec, out = load(path), self.folder / f"killed-{self.sweeps}"
            late = 0
            while self.done < self.wanted and late < LATE_KILLS:
                late += self._killed(spec, path, out) == "report"
            self._compare(spec, path, out)
            self.sweeps += 1

    def _killed(self, spec: Experiment, path: Path, out: Path) -> Phase | None:
        """Start the command, kill it at a random moment, and the phase it was in; None if it had ended by itself."""
        store, populations = Store(out), sum(len(this.populations) for this in planned(spec))
        before = len(store.committed())
        run = self._start(path, out, f"sqlite:///{self._database}")
        if self._rng.random() < 0.25:
            time.sleep(self._rng.uniform(0.1, 4.0))
        else:
            run.wait_for(*(("resuming",) if before == populations else ("population",)))
            time.sleep(self._rng.uniform(0.0, 4.0 if before == populations else 0.5))
        mirrors = psutil.Process(run.process.pid).children() if run.process.poll() is None else []
        run.process.kill()
        if mirrors and self._rng.random() < 1 / 3:
            self.with_mirror += 1
            for mirror in mirrors:
                with suppress(psutil.NoSuchProcess):
                    mirror.kill()
        if run.ended() != -signal.SIGKILL:
            return None
        phase = _phase(run, len(store.committed()), spec)
        self.kills[phase] += 1
        self.kills[NOT_MIRRORED] += unmirrored(store, self._database) > 0
        self._heed(run, out, before)
        return phase

    def _heed(self, run: Run, out: Path, before: int) -> None:
        if any("Traceback" in line for line in run.lines):
            self._blame("tracebacks", [f"{out.name}: {run.lines[-1]}"])
        if len(Store(out).committed()) < before:
            self._blame("commits lost", [out.name])
        if self.done % 10 == 0:
            found = ", ".join(f"{n} {phase}" for phase, n in sorted(self.kills.items()))
            print(f"{self.done} kills in {self.seconds:.0f} s ({found}); sweep {self.sweeps + 1}", flush=True)

    def _compare(self, spec: Experiment, path: Path, out: Path) -> None:
        """Run the killed sweep to its end and another without interruption, and say in what they differ."""
        whole = self.folder / f"whole-{self.sweeps}"
        for folder, uri in ((out, f"sqlite:///{self._database}"), (whole, NOWHERE)):
            run = self._finished(path, folder, uri)
            if status := run.ended():
                self._blame("endings", [f"{folder.name}: status {status}: {run.lines[-1:]}"])
        self.rows += len(Store(whole).table())
        for check, (found, counted) in faults_of(Store(out), Store(whole), self._database).items():
            self._blame(check, [f"{out.name}: {fault}" for fault in found])
            self.counted[check] += counted

    def _finished(self, path: Path, out: Path, uri: str) -> Run:
        """A run to the end, begun when no mirror of a killed run is at it any more."""
        with locked(out / "mirror.lock", wait=True):
            pass
        return self._start(path, out, uri)

    def _blame(self, check: str, found: list[str]) -> None:
        self.faults.setdefault(check, []).extend(found)

    def _start(self, path: Path, out: Path, uri: str) -> Run:
        command = [sys.executable, "-c", "from harness.cli import main; main()", "sweep", str(path), "--out", str(out)]
        environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
        process = subprocess.Popen(  # noqa: S603 - this interpreter, this program
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Run(process)


def _phase(run: Run, committed: int, spec: Experiment) -> Phase:
    """What the command was at when it was killed."""
    if not run.heard("starting", "resuming"):
        return "loading"
    rounds = planned(spec)
    if committed == sum(len(this.populations) for this in rounds):
        return "report"
    searched = sum(len(this.populations) for this in rounds if this.stage == "search")
    return "search" if committed < searched else "confirm"
