"""Command that runs the benchmark: arguments, order of measurements, output."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reporting import FORMAT, Document, machine, stopwatch, write

from speed import ceilings, cold_start, figure
from speed.contenders import LITERAL, PEERS, SAMPLE_VIEW, SET_VIEW, names
from speed.contenders_run import Process, Runner, check, start
from speed.sizes import FULL, QUICK, Sizes
from speed.speed_tables import report
from speed.timing import Entry, time_lengths, time_rounds
from speed.workload import script_group

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
    arguments = parser.parse_args(given)
    if unknown := set(arguments.only or ()) - set(names()):
        parser.error(f"--only: {', '.join(sorted(unknown))} unknown; allowed: {', '.join(names())}")
    return arguments


def main(given: Sequence[str]) -> None:
    """Measure, write the document and its figure, and print the tables as Markdown."""
    arguments = _arguments(given)
    document = {
        "format": FORMAT,
        "command": shlex.join(["nox", "-s", "bench", *["--"] * bool(given), *given]),
        "quick": arguments.quick,
        "machine": machine(),
        **measured(arguments.only or names(), QUICK if arguments.quick else FULL, stopwatch()),
    }
    write(document, arguments.json)
    figure.draw(document, arguments.figure)
    print(report(document))
    print(f"\n{_NOTE}\nwrote {arguments.json} and {arguments.figure}")


def measured(wanted: Sequence[str], sizes: Sizes, say: Callable[[str], None]) -> Document:
    """Measure everything that a run of these sizes takes."""
    rates: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        say("starting a process for each contender")
        watcher = stack.enter_context(Process(LITERAL))
        watcher.described()
        runners, absent = start(wanted, sizes.one_core, stack)
        errors = check(runners, say)

        def take_ceilings() -> None:
            for device, values in watcher.ask("ceilings").items():
                for name, value in values.items():
                    rates.setdefault(device, {}).setdefault(name, []).append(value)

        rows = time_rounds(_entries(runners, sizes), sizes.rounds, sizes.seconds, say, take_ceilings)
        populous = [runner for runner in runners if not runner.alone]
        scaling = []
        for entries in _scaling(populous, sizes):
            scaling += time_rounds(entries, sizes.scaling_rounds, sizes.scaling_seconds, say, lambda: None)
        steps: list[dict[str, Any]] = []
        if sizes.longer:
            say("longer trainings")
            steps = time_lengths([(r, 64, SET_VIEW) for r in populous], sizes.longer, sizes.scaling_seconds)
    first: dict[str, Any] = {}
    memory: dict[str, float] = {}
    if sizes.memory:
        say("first calls and memory, each in a new process")
        first = cold_start.first_calls(runner.name for runner in populous)
        memory = cold_start.memory(populous, sizes.memory, SET_VIEW)
    return {
        "flop": {view: ceilings.step_flop(script_group(1, 1, view)) for view in (SET_VIEW, SAMPLE_VIEW)},
        "checked": errors,
        "absent": absent,
        "contenders": {r.name: dict(r.description) for r in runners},
        "ceilings": rates,
        "rows": [asdict(row) for row in rows],
        "scaling": [asdict(row) for row in scaling],
        "over_steps": steps,
        "memory_kib": memory,
        "first_calls": first,
    }


def _entries(runners: Sequence[Runner], sizes: Sizes) -> list[Entry]:
    """Entries that the rounds time: populations in the set view, one GAN on one core, the sample view of engines."""
    asked = [(r, p, SET_VIEW) for r in runners for p in ((1,) if r.alone else sizes.populations[r.device])]
    asked += [(r, sizes.sample[r.device], SAMPLE_VIEW) for r in runners if sizes.sample[r.device] and not r.alone]
    return [entry for entry in asked if entry[0].trains(*entry[1:])]


def _scaling(runners: Sequence[Runner], sizes: Sizes) -> list[list[Entry]]:
    """Entries of each population that the rounds have not timed."""

    def asks(runner: Runner, population: int) -> bool:
        populations = sizes.scaling_peers if runner.name in PEERS else sizes.scaling
        new = population in populations[runner.device] and population not in sizes.populations[runner.device]
        return new and runner.trains(population, SET_VIEW)

    every = (*sizes.scaling.values(), *sizes.scaling_peers.values())
    populations = sorted({p for sizes in every for p in sizes})
    by_population = [[(r, p, SET_VIEW) for r in runners if asks(r, p)] for p in populations]
    return [entries for entries in by_population if entries]
