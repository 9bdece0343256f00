"""Every line measured: which processes are started for it, and which number of theirs it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tooling.bars import Bar

FOLDER = Path(__file__).resolve().parents[1]

#: The program's entry point, whether or not a script for it is installed.
_HARNESS = ("-c", "from harness.cli import main; main()")

#: How often what takes seconds is measured.
REPEATS = 5

#: The number that a line shows, of those that its worker found.
_NUMBER = {
    "searched": "wall",
    "adapted": "share",
    "run_by_run": "mirror",
    "held": "gigabytes",
    "reported": "wall",
    "report_memory": "gigabytes",
    "report_page": "megabytes",
}


def environment() -> dict[str, str]:
    """This process's environment, by which a process of its own finds ``tooling``."""
    path = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path}


def measured(bar: Bar, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """``values`` of the line, one a repeat; of a sweep also its ``trials``, and all that its worker told as ``detail``.

    Raises:
        SystemExit: a process failed; its last words are told.
    """
    if bar.trials is None:
        say(bar.name)
        arguments = ["--help"] if bar.name == "help" else ["losses"]
        return {"values": [_timed([*_HARNESS, *arguments]) for _ in range(REPEATS)]}
    trials = bar.trials[quick]
    say(f"{bar.name}, {trials:,} trials")
    if bar.program == "report":
        detail = _report(trials)
        return {"trials": trials, "values": [detail[_NUMBER[bar.name]]], "detail": detail}
    with tempfile.TemporaryDirectory() as folder:
        if bar.name == "resumed":
            detail = _worker("committed", trials, folder)
            say("resuming them")
            values = [_resumed(trials, folder) for _ in range(REPEATS)]
        else:
            detail = _worker(bar.name, trials, folder)
            values = [detail[_NUMBER[bar.name]]]
    return {"trials": trials, "values": values, "detail": detail}


@cache
def _report(trials: int) -> dict[str, Any]:
    """What the report of a large sweep takes; another process makes its folder just before."""
    with tempfile.TemporaryDirectory() as folder:
        made = _worker("made", trials, folder)
        begun = time.monotonic()
        found = _worker("report", trials, folder)
        return {**made, **found, "wall": time.monotonic() - begun}


def _worker(program: str, trials: int, folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_output(["-m", "tooling.worker", program, str(trials), folder]))
    return found


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
