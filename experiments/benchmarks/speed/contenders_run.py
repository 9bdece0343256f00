"""Contenders in processes of their own: started, described, and checked to train the same."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from reporting import environment

from speed.contenders import LITERAL, Absent
from speed.workload import CHECKED_MEMBERS, CHECKED_STEPS, TOLERANCE, largest_error, true_losses, write_inputs


class Process:
    """A contender in another process (``contender_process.py``).

    It starts at once, so that several load their libraries side by side; ``described`` waits for it.
    """

    def __init__(self, name: str, one_core: bool = False, **changes: str) -> None:
        self.name, self.one_core = name, one_core
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in stop
        command = [sys.executable, "-m", "speed.contender_process", name, *["--one-core"] * one_core]
        self._process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(**changes),
        )
        self._questions, self._answers = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def described(self) -> Mapping[str, Any]:
        """The contender's description; the first thing to ask for.

        Raises:
            Absent: it cannot run here.
        """
        description: Mapping[str, Any] = self._read()
        return description

    def ask(self, do: str, **question: Any) -> Any:
        """The answer to a question (``worker.Worker.answers``).

        Raises:
            RuntimeError: the contender raised, or its process ended.
        """
        self._questions.write(json.dumps({"do": do, **question}) + "\n")
        self._questions.flush()
        return self._read()

    def _read(self) -> Any:
        line = self._answers.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"{self.name}: its process ended:\n{self._errors.read()[-4000:]}")
        message = json.loads(line)
        if "absent" in message:
            raise Absent(message["absent"])
        if "error" in message:
            raise RuntimeError(f"{self.name}: {message['error']}")
        return message["answer"]

    def stop(self) -> None:
        """End the worker. It holds nothing that could be lost, and libraries take seconds to leave in good order."""
        self._process.kill()
        self._process.wait()
        for file in (self._questions, self._answers, self._errors):
            file.close()


@dataclass(frozen=True)
class Runner:
    """A contender in its process. ``one_core`` ones stay on a single core and train one GAN."""

    name: str
    one_core: bool
    process: Process
    description: Mapping[str, Any]

    @property
    def device(self) -> str:
        return str(self.description["device"])

    @property
    def alone(self) -> bool:
        """Whether it trains one GAN at a time."""
        return self.one_core or not self.description["multiple"]

    def trains(self, population: int, view: str) -> bool:
        """Whether this contender can be asked for such a population."""
        fits = population == 1 if self.alone else population % int(self.description["multiple"]) == 0
        return fits and view in self.description["views"]


def _process(name: str, one_core: bool) -> Process:
    one = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"} if one_core else {}
    return Process(name, one_core, **one)


def start(names: Iterable[str], on_one_core: Container[str], stack: ExitStack) -> tuple[list[Runner], dict[str, str]]:
    """Runners, the literal loop first, those of one core last; and the reasons of absent contenders.

    A contender that computes elsewhere than on the cpu is not put on one core. Two names of one
    thing (``batched`` without a GPU is ``batched-cpu``) run once, under the first.
    """
    wanted = list(dict.fromkeys((LITERAL, *names)))
    asked = [(name, False) for name in wanted] + [(name, True) for name in wanted if name in on_one_core]
    processes = {key: stack.enter_context(_process(*key)) for key in asked}
    runners: list[Runner] = []
    absent: dict[str, str] = {}
    for (name, one_core), process in processes.items():
        try:
            description = process.described()
        except Absent as reason:
            absent.setdefault(name, str(reason))
            continue
        runner = Runner(name, one_core, process, description)
        same = [
            r.name for r in runners if r.one_core == one_core and r.description["identity"] == description["identity"]
        ]
        if same:
            absent.setdefault(name, f"the same as {same[0]} on this machine")
        elif not one_core or runner.device == "cpu":
            runners.append(runner)
    return runners, absent


def check(runners: Iterable[Runner], say: Callable[[str], None]) -> dict[str, float]:
    """Return the largest error of any loss after the checked steps, for each contender and view.

    Raises:
        SystemExit: a contender trains something else; nothing is timed then.
    """
    errors: dict[str, float] = {}
    truths: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npz"
        write_inputs(inputs, CHECKED_MEMBERS, CHECKED_STEPS)
        asked = {"members": CHECKED_MEMBERS, "steps": CHECKED_STEPS, "inputs": str(inputs)}
        for runner in (r for r in runners if not r.one_core):
            for view in runner.description["views"]:
                if view not in truths:
                    truths[view] = true_losses(view, CHECKED_MEMBERS, CHECKED_STEPS)
                say(f"checking {runner.name}, view {view}")
                losses = runner.process.ask("losses", view=view, **asked)
                error = errors[f"{runner.name} / {view}"] = largest_error(losses, truths[view])
                if error > TOLERANCE:
                    raise SystemExit(
                        f"{runner.name} does not train the same thing: after {CHECKED_STEPS} steps in the view {view} "
                        f"its losses are {losses}, and should be {truths[view]}; off by {error:.1e}"
                    )
    return errors
