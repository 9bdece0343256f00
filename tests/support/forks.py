"""Processes that have everything imported already: a hundred of them take the seconds that one takes to begin.

``Forks`` starts one Python process that imports the program and then only forks. Each fork is a process like any
other: it has its own folder, environment, limits and signals, and runs one function to its end, or is killed.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from support.command_line import environment
from support.paths import ROOT

#: What is imported once. Nothing here starts a thread, which a fork would not have.
IMPORTED = (
    "analysis.report",
    "analysis.winner_figure",
    "harness.cli",
    "harness.engines.auto",
    "harness.search.adaptive",
    "harness.sweep.sweep",
    "harness.tracking",
    "support.sweeps",
)

#: The command line; its arguments are those of the console script.
COMMAND_LINE = "harness.cli:main"


@dataclass(frozen=True)
class Ended:
    """How a fork ended: its exit status, negative by a signal, and what it said."""

    status: int
    out: str
    err: str


class Forks:
    """A process to fork from; a context manager."""

    def __enter__(self) -> Forks:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=environment(PYTHONPATH=os.pathsep.join((str(ROOT), str(ROOT / "tests")))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)

    def run(
        self,
        call: str,
        *arguments: object,
        folder: Path,
        limits: Mapping[str, int] | None = None,
        out: Path | None = None,
        **changes: str,
    ) -> Ended:
        """Run ``module:function`` in a fork that has ``arguments`` in sys.argv, works in ``folder``, and ends.

        ``limits`` are those of the module resource by name, in bytes; RLIMIT_AS is counted beyond what the fork has
        already. What it prints goes to ``out``, if named. ``changes`` are of the environment; no mirror of the fork
        reaches a store unless one is named there.
        """
        variables = environment(**{"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", **changes})
        return self.run_in(variables, call, *arguments, folder=folder, limits=limits, out=out)

    def run_in(
        self,
        variables: Mapping[str, str],
        call: str,
        *arguments: object,
        folder: Path,
        limits: Mapping[str, int] | None = None,
        out: Path | None = None,
    ) -> Ended:
        """Run as ``run`` does, with these variables and no others in the environment."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = [call, list(map(str, arguments)), str(folder), dict(limits or {}), str(out or ""), dict(variables)]
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


@cache
def shared() -> Forks:
    """The one process to fork from of a test run, started at first use; it ends with the run (conftest.py)."""
    return Forks().__enter__()


def end_shared() -> None:
    """End the shared process, if there is one."""
    if shared.cache_info().currsize:
        shared().__exit__()


def _serve() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    _warm_up()
    for line in sys.stdin:
        request = json.loads(line)
        out, err = os.memfd_create("out"), os.memfd_create("err")
        child = os.fork()
        if child == 0:
            _become(*request, out, err)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(json.dumps({"status": status, "out": _said(out), "err": _said(err)}) + "\n")
        sys.stdout.flush()


def _warm_up() -> None:
    """Train and score once, so that what libraries load and prepare at first use is there; all threads end."""
    import torch

    from harness.engines.batched import BatchedEngine
    from harness.sweep.training import train
    from support.members import member

    torch.set_num_threads(1)
    train([member(steps=2)], BatchedEngine("cpu"), lambda steps: None)


def _said(handle: int) -> str:
    with os.fdopen(handle, "rb") as file:
        file.seek(0)
        return file.read().decode()


def _become(
    call: str,
    arguments: Sequence[str],
    folder: str,
    limits: Mapping[str, int],
    sink: str,
    variables: Mapping[str, str],
    *said: int,
) -> None:
    """Be the process that was asked for, and never return."""
    status: Any = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(sink, os.O_WRONLY) if sink else said[0], 1)
        os.dup2(said[1], 2)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if limits:  # a limit on files would cut bytecode short, which nobody could import again
            sys.dont_write_bytecode = True
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        for name, allowed in limits.items():
            held = _held_bytes() if name == "RLIMIT_AS" else 0
            resource.setrlimit(getattr(resource, name), (held + allowed, held + allowed))
        sys.argv = ["harness", *arguments]
        module, _, function = call.partition(":")
        status = getattr(importlib.import_module(module), function)() or 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _held_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    _serve()
