"""Measurement of every line: the processes that are started for it, and the number of theirs that it shows."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from reporting import environment

from overhead.targets import Target

#: The program's entry point, whether or not a script for it is installed.
_HARNESS = ("-c", "from harness.cli import main; main()")

#: How often what takes seconds is measured.
REPEATS = 5


def measure(target: Target, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure the ``values`` of a line, one a repeat; of a sweep also ``trials`` and, as ``detail``, all numbers.

    Raises:
        SystemExit: a process failed; its error output is the message.
    """
    if target.trials is None:
        say(target.name)
        arguments = ["--help"] if target.name == "help" else ["losses"]
        return {"values": [_timed([*_HARNESS, *arguments]) for _ in range(REPEATS)]}
    trials = target.trials[quick]
    say(f"{target.name}, {trials:,} trials")
    if target.program == "report":
        detail = _report(trials)
        return {"trials": trials, "values": [detail[target.number]], "detail": detail}
    with tempfile.TemporaryDirectory() as folder:
        if target.name == "resumed":
            detail = _worker("committed", trials, folder)
            say("resuming them")
            values = [_resumed(trials, folder) for _ in range(REPEATS)]
        else:
            detail = _worker(target.name, trials, folder)
            values = [detail[target.number]]
    return {"trials": trials, "values": values, "detail": detail}


@cache
def _report(trials: int) -> dict[str, Any]:
    """Numbers of the report of a large sweep; another process makes its folder just before."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = _worker("made", trials, folder)
        begun = time.monotonic()
        report = _worker("report", trials, folder)
        return {**sweep, **report, "wall": time.monotonic() - begun}


def _worker(program: str, trials: int, folder: str) -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads(_output(["-m", "overhead.measurement_process", program, str(trials), folder]))
    return numbers


def _resumed(trials: int, folder: str) -> float:
    begun = time.monotonic()
    return float(_worker("resumed", trials, folder)["at"]) - begun


def _timed(arguments: Sequence[str]) -> float:
    begun = time.perf_counter()
    _output(arguments)
    return time.perf_counter() - begun


def _output(arguments: Sequence[str]) -> str:
    done = subprocess.run(  # noqa: S603 - this interpreter, this project
        [sys.executable, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with status {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout
