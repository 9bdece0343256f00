"""A recorded sweep of a second for tests of the recording and of the page: experiments/why_true.toml made small."""

from __future__ import annotations

from pathlib import Path

from harness.config import Experiment, load
from harness.engines.cpu import CpuEngine
from harness.store import Store
from harness.sweep.recording import record
from harness.sweep.sweep import Sweep
from support.paths import ROOT
from support.sweeps import InterruptingListener

FILE = ROOT / "experiments/why_true.toml"
#: Two of the six pairs of rates, two seeds: 7 arms x 2 x 2 = 28 recorded members of 30 steps.
#: Uniform noise, because the table of the normal takes seconds to make.
SMALL = ("train.noise=uniform", "train.steps=30", "train.snapshots=[1, 5, 10, 20, 30]", "train.batch=20",
         "train.hidden=8", "search.trials=2", "search.seeds=2", "confirm.seeds=1", "population=28")  # fmt: skip


def small() -> Experiment:
    """The experiment."""
    return load(FILE, SMALL)


def recorded(folder: Path) -> Store:
    """The sweep in a folder, finished and recorded."""
    sweep = Sweep(small(), Store(folder), CpuEngine())
    sweep.open()
    sweep.run(InterruptingListener())
    record(sweep.store, CpuEngine(), lambda steps: None)
    return sweep.store
