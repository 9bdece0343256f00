"""One measurement in a process of its own: `python -m overhead.measurement_process NAME TRIALS FOLDER` prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from harness.config import Experiment
from harness.engines.base import Engine
from harness.engines.cpu import CpuEngine
from harness.store import locked
from harness.tracking import Mirror
from overhead.sweeps import SOBOL, THOUSANDS, StubEngine, Tally, experiment, opened

Numbers = dict[str, float]

#: Steps of a trial that is trained: of the search that adapts, and of the trials that become runs one by one.
_STEPS, _SHORT_STEPS = 4000, 1000

#: Runs in MLflow of the sweep that is not trained; the parquet files hold every trial.
_PROMOTED = 100


def searched(trials: int, folder: Path) -> Numbers:
    """Ask, score, commit and mirror, without training."""
    return _mirrored(experiment(SOBOL, trials, population=THOUSANDS), folder, StubEngine(), _PROMOTED)


def adapted(trials: int, folder: Path) -> Numbers:
    """A search that adapts, trained and mirrored: the share of the time that was not training."""
    numbers = _mirrored(experiment("tpe", trials, _STEPS), folder, CpuEngine(), _PROMOTED)
    return {**numbers, "share": 1 - numbers["training"] / numbers["wall"]}


def run_by_run(trials: int, folder: Path) -> Numbers:
    """A run for every trial: seconds that the training process spends on its mirror, the wait at the end included."""
    return _mirrored(experiment(SOBOL, trials, _SHORT_STEPS), folder, CpuEngine(), trials)


def committed(trials: int, folder: Path) -> Numbers:
    """A sweep with all of its search but the last round committed, to be resumed."""
    job = opened(experiment(SOBOL, trials, population=THOUSANDS), folder / "sweep", StubEngine())
    job.run(Tally())
    search = job.store.committed()[:-1]
    for index in (search[-1], job.store.committed()[-1]):
        (job.store.folder / f"populations/{index:06d}.parquet").unlink()
    return {"members": float(job.store.table(["key"]).num_rows)}


def resumed(trials: int, folder: Path) -> Numbers:
    """The moment, on the clock that all processes share, at which a resumed sweep begins its first new step."""
    job = opened(
        experiment(SOBOL, trials, population=THOUSANDS), folder / "sweep", StubEngine(reached=_report_first_step)
    )
    with job.store.lock():
        job.store.table(["key"])  # as the command does, so that a damaged file is told before anything else
    job.run(Tally())
    raise SystemExit("nothing was left to train")


def _report_first_step() -> NoReturn:
    print(json.dumps({"at": time.monotonic()}), flush=True)
    sys.exit()


def held(trials: int, folder: Path) -> Numbers:
    """The most memory that a long sweep holds; its generators have one unit, for their size is in no row."""
    job = opened(experiment(SOBOL, trials, population=THOUSANDS, hidden_g=1), folder / "sweep", StubEngine())
    tally = Tally()
    job.run(tally)
    return {"gigabytes": _peak(), "members": float(tally.members)}


def made(trials: int, folder: Path) -> Numbers:
    """A large sweep's folder without training."""
    from overhead.synthetic import written

    return {"members": float(written(folder / "sweep", trials))}


def report(trials: int, folder: Path) -> Numbers:
    """The report of that folder: the most memory that it took, and its page."""
    from analysis.report import write_report

    page = write_report(folder / "sweep")
    return {"gigabytes": _peak(), "megabytes": page.stat().st_size / 1e6, "cpu": time.process_time()}


def _peak() -> float:
    """The most memory that this process has held, in gigabytes."""
    # ru_maxrss counts bytes on macOS, KiB elsewhere.
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def _mirrored(spec: Experiment, folder: Path, engine: Engine, runs: int) -> Numbers:
    """A sweep with its mirror beside it, as the command starts and ends it; the wall time is until all is mirrored."""
    begun = time.perf_counter()
    job, tally = opened(spec, folder / "sweep", engine), Tally()
    mirror = Mirror(folder / "sweep", f"sqlite:///{folder}/mlflow.db", limit=runs)
    mirror.start()
    started = time.perf_counter()
    job.run(tally)
    swept = time.perf_counter()
    mirror.finish()
    left = time.perf_counter()
    with locked(folder / "sweep/mirror.lock", wait=True):  # where it was left behind, it goes on by itself
        ended = time.perf_counter()
    again = Mirror(folder / "sweep", f"sqlite:///{folder}/mlflow.db", limit=runs)
    again.start()
    status = again.wait(lambda progress: None)
    if not status.complete or status.written:
        raise SystemExit(f"the mirror had not written all: {status}")
    return {
        "wall": ended - begun,
        "training": tally.seconds,
        "mirror": left - swept + started - begun,
        "members": float(tally.members),
        "cpu": time.process_time(),
    }


PROGRAMS: Mapping[str, Callable[[int, Path], Numbers]] = {
    program.__name__: program for program in (searched, adapted, run_by_run, committed, resumed, held, made, report)
}


if __name__ == "__main__":
    name, trials, folder = sys.argv[1:]
    print(json.dumps(PROGRAMS[name](int(trials), Path(folder))))
