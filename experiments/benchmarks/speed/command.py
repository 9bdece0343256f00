"""The command: what to run, in which order, and what to write."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from writing import machine
from writing.page import PAGE

from speed import document, figure, flops, fresh, page
from speed.contenders import LITERAL, PEERS, names
from speed.contenders.contender import SAMPLE_VIEW, SET_VIEW
from speed.field import Runner, assembled, checked
from speed.process import Process
from speed.rounds import Entry, over_steps, stopwatch, timed
from speed.sizing import FULL, QUICK, Sizing
from speed.table import tables
from speed.targets import targets_table
from speed.workload import seed_group

_NOTE = """\
Peers draw their random numbers with their own generators (torch's, JAX's) inside the timed step, engines with
harness.data.rng. x JAX is to JAX's fastest row in the same round; the floor is the step's matrix products at the rate
of a large one on this machine."""


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python experiments/benchmarks", description="Times training steps.")
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer sizes and rounds")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help=f"these beside the literal loop: {', '.join(names())}"
    )
    parser.add_argument("--json", type=Path, default=Path("bench/bench.json"), metavar="PATH")
    parser.add_argument("--figure", type=Path, default=Path("bench/bench.png"), metavar="PATH")
    parser.add_argument(
        "--markdown",
        nargs="?",
        type=Path,
        const=page.COMMITTED,
        metavar="JSON",
        help="measure nothing: put the results of this file (docs/figures/bench.json) into docs/performance.md",
    )
    found = parser.parse_args(given)
    if unknown := set(found.only or ()) - set(names()):
        parser.error(f"--only: {', '.join(sorted(unknown))} unknown; allowed: {', '.join(names())}")
    return found


def main(given: Sequence[str] | None = None) -> None:
    """Run, print, write; or rewrite the page."""
    given = sys.argv[1:] if given is None else given
    arguments = _arguments(given)
    if arguments.markdown:
        made = page.rewritten(PAGE.read_text(), document.read(arguments.markdown))
        PAGE.write_text(made)
        return
    sizing = QUICK if arguments.quick else FULL
    found = {
        "format": document.FORMAT,
        "command": shlex.join(["nox", "-s", "bench", *["--"] * bool(given), *given]),
        "quick": arguments.quick,
        "machine": machine.described(),
        **measured(arguments.only or names(), sizing, stopwatch()),
    }
    document.write(found, arguments.json)
    figure.draw(found, arguments.figure)
    for table in (*tables(found), targets_table(found)):
        print(table.text(), end="\n\n")
    for name, reason in found["absent"].items():
        print(f"{name} is not timed: {reason}")
    print(_NOTE)
    print(machine.busy(found["machine"]))
    print(f"wrote {arguments.json} and {arguments.figure}")


def measured(wanted: Sequence[str], sizing: Sizing, say: Callable[[str], None]) -> document.Document:
    """Everything that a run measures."""
    ceilings: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        say("starting a process for each contender")
        watcher = stack.enter_context(Process(LITERAL))
        watcher.described()
        runners, absent = assembled(wanted, sizing.one_core, stack)
        errors = checked(runners, say)

        def take_ceilings() -> None:
            for device, values in watcher.ask("ceilings").items():
                for name, value in values.items():
                    ceilings.setdefault(device, {}).setdefault(name, []).append(value)

        rows = timed(_entries(runners, sizing), sizing.rounds, sizing.seconds, say, take_ceilings)
        populous = [runner for runner in runners if not runner.alone]
        scaling = []
        for entries in _scaling(populous, sizing):
            scaling += timed(entries, sizing.scaling_rounds, sizing.scaling_seconds, say, lambda: None)
        steps: list[dict[str, Any]] = []
        if sizing.longer:
            say("longer trainings")
            steps = over_steps([(r, 64, SET_VIEW) for r in populous], sizing.longer, sizing.scaling_seconds)
    first: dict[str, Any] = {}
    memory: dict[str, float] = {}
    if sizing.memory:
        say("first calls and memory, each in a new process")
        first = fresh.first_calls(runner.name for runner in populous)
        memory = fresh.memory(populous, sizing.memory, SET_VIEW)
    return {
        "flop": {view: flops.step(seed_group(1, 1, view)) for view in (SET_VIEW, SAMPLE_VIEW)},
        "checked": errors,
        "absent": absent,
        "contenders": {r.name: dict(r.description) for r in runners},
        "ceilings": ceilings,
        "rows": [asdict(row) for row in rows],
        "scaling": [asdict(row) for row in scaling],
        "over_steps": steps,
        "memory_kib": memory,
        "first_calls": first,
    }


def _entries(runners: Sequence[Runner], sizing: Sizing) -> list[Entry]:
    """What the rounds time: populations in the set view, one GAN on one core, and the per-sample view of engines."""
    asked = [(r, p, SET_VIEW) for r in runners for p in ((1,) if r.alone else sizing.populations[r.device])]
    asked += [(r, sizing.sample[r.device], SAMPLE_VIEW) for r in runners if sizing.sample[r.device] and not r.alone]
    return [entry for entry in asked if entry[0].trains(*entry[1:])]


def _scaling(runners: Sequence[Runner], sizing: Sizing) -> list[list[Entry]]:
    """For each population that the rounds have not timed, who trains it."""

    def asks(runner: Runner, population: int) -> bool:
        sizes = sizing.scaling_peers if runner.name in PEERS else sizing.scaling
        new = population in sizes[runner.device] and population not in sizing.populations[runner.device]
        return new and runner.trains(population, SET_VIEW)

    every = (*sizing.scaling.values(), *sizing.scaling_peers.values())
    populations = sorted({p for sizes in every for p in sizes})
    found = [[(r, p, SET_VIEW) for r in runners if asks(r, p)] for p in populations]
    return [entries for entries in found if entries]
