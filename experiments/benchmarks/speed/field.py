"""The contenders of a run: their processes, what they say of themselves, and the check that all train the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speed.contenders import LITERAL
from speed.contenders.contender import Absent
from speed.process import Process
from speed.workload import CHECKED_MEMBERS, CHECKED_STEPS, TOLERANCE, largest_error, true_losses, write_given


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


def _start(name: str, one_core: bool) -> Process:
    one = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"} if one_core else {}
    return Process(name, one_core, **one)


def assembled(
    names: Iterable[str], on_one_core: Container[str], stack: ExitStack
) -> tuple[list[Runner], dict[str, str]]:
    """Runners, the literal loop first, those of one core last; and why other contenders are absent.

    Nobody is put on one core who computes elsewhere. Two names of one thing (``batched`` without a GPU is
    ``batched-cpu``) run once, under the first.
    """
    wanted = list(dict.fromkeys((LITERAL, *names)))
    asked = [(name, False) for name in wanted] + [(name, True) for name in wanted if name in on_one_core]
    processes = {key: stack.enter_context(_start(*key)) for key in asked}
    found: list[Runner] = []
    absent: dict[str, str] = {}
    for (name, one_core), process in processes.items():
        try:
            description = process.described()
        except Absent as reason:
            absent.setdefault(name, str(reason))
            continue
        runner = Runner(name, one_core, process, description)
        same = [
            r.name for r in found if r.one_core == one_core and r.description["identity"] == description["identity"]
        ]
        if same:
            absent.setdefault(name, f"the same as {same[0]} on this machine")
        elif not one_core or runner.device == "cpu":
            found.append(runner)
    return found, absent


def checked(runners: Iterable[Runner], say: Callable[[str], None]) -> dict[str, float]:
    """The largest error of any loss after the checked steps, for each contender and view.

    Raises:
        SystemExit: a contender trains something else; nothing is timed then.
    """
    found: dict[str, float] = {}
    truths: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        write_given(given, CHECKED_MEMBERS, CHECKED_STEPS)
        asked = {"members": CHECKED_MEMBERS, "steps": CHECKED_STEPS, "given": str(given)}
        for runner in (r for r in runners if not r.one_core):
            for view in runner.description["views"]:
                if view not in truths:
                    truths[view] = true_losses(view, CHECKED_MEMBERS, CHECKED_STEPS)
                say(f"checking {runner.name}, view {view}")
                losses = runner.process.ask("losses", view=view, **asked)
                error = found[f"{runner.name} / {view}"] = largest_error(losses, truths[view])
                if error > TOLERANCE:
                    raise SystemExit(
                        f"{runner.name} does not train the same thing: after {CHECKED_STEPS} steps in the view {view} "
                        f"its losses are {losses}, and should be {truths[view]}; off by {error:.1e}"
                    )
    return found
