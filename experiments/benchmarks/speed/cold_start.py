"""Measurements in processes that have just begun: the first call of an engine, and the memory of a population."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Any

from reporting import environment

from speed.contenders_run import Process, Runner

#: Engines that compile for the script's GAN before their first step.
COMPILED = ("cpu", "cuda")

#: Members and steps of the training whose first call is timed.
_MEMBERS, _STEPS = 1, 16


def first_calls(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Seconds of a first call beyond a second one's, for each of the named engines that compiles.

    Cold is with an empty folder for compiled code, cached with the same folder again.
    """
    calls = {}
    for name in (name for name in names if name in COMPILED):
        with tempfile.TemporaryDirectory() as folder:
            # numba keeps its code under the first of them, what follows the XDG convention under the second.
            there = environment(NUMBA_CACHE_DIR=folder, XDG_CACHE_HOME=folder)
            command = [sys.executable, "-m", "speed.cold_start", name]
            runs = [
                subprocess.run(command, env=there, capture_output=True, text=True, check=True)  # noqa: S603
                for _ in range(2)
            ]
        calls[name] = {which: json.loads(run.stdout) for which, run in zip(("cold", "cached"), runs, strict=True)}
    return calls


def memory(runners: Iterable[Runner], populations: tuple[int, int], view: str) -> dict[str, float]:
    """KiB of the host's memory a member, from the difference of two populations' peaks, each in a new process."""
    kibibytes = {}
    for runner in runners:
        peaks = []
        for population in populations:
            with Process(runner.name) as process:
                process.described()
                peaks.append(process.ask("peak", population=population, view=view))
        kibibytes[runner.name] = (peaks[1] - peaks[0]) / (populations[1] - populations[0]) / 2**10
    return kibibytes


def _first_call(name: str) -> dict[str, float]:
    """Seconds of making the engine, of the tables of quantiles (made once a process), and of two equal trainings."""
    from harness.engines import ENGINES
    from harness.engines.quantile_table import noise_table, target_table
    from speed.workload import script_group, unmeasured

    group = script_group(_MEMBERS, _STEPS)
    marks = [time.perf_counter()]
    target_table(group.target)
    noise_table(group.shape.noise)
    marks.append(time.perf_counter())
    engine = ENGINES[name]()
    for _ in range(2):
        marks.append(time.perf_counter())
        engine.train(group, unmeasured, lambda done: None)
    marks.append(time.perf_counter())
    first, second = marks[3] - marks[2], marks[4] - marks[3]
    return {"tables": marks[1] - marks[0], "first": first, "second": second, "compile": first - second}


if __name__ == "__main__":
    print(json.dumps(_first_call(sys.argv[1])))
