"""Command that measures what a sweep costs beside training."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from reporting import FORMAT, heading, machine, stopwatch, write

from overhead.lines import measure
from overhead.targets import TARGETS, table


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    names = [target.name for target in TARGETS]
    parser = argparse.ArgumentParser(
        prog="python experiments/benchmarks overhead", description="Times all of a sweep that is not training."
    )
    parser.add_argument("--quick", action="store_true", help="small sweeps, in two minutes: that everything runs")
    parser.add_argument("--only", nargs="+", metavar="LINE", choices=names, help=f"these lines: {', '.join(names)}")
    parser.add_argument("--json", type=Path, default=Path("bench/overhead.json"), metavar="PATH")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> None:
    """Measure, write the document, and print its table as Markdown."""
    arguments, say = _arguments(given), stopwatch()
    document = {
        "format": FORMAT,
        "command": shlex.join(["nox", "-s", "bench", "--", "overhead", *given]),
        "machine": machine(),
        "lines": {
            target.name: measure(target, arguments.quick, say)
            for target in TARGETS
            if not arguments.only or target.name in arguments.only
        },
    }
    write(document, arguments.json)
    print(f"{heading(document)}\n\n{table(document).text()}\n\nwrote {arguments.json}")
