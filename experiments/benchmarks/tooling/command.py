"""The command: which lines to measure, and what to write."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from speed.rounds import stopwatch
from writing import machine
from writing.page import PAGE

from tooling import page
from tooling.bars import BARS
from tooling.measuring import measured


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    names = [bar.name for bar in BARS]
    parser = argparse.ArgumentParser(
        prog="python experiments/benchmarks tooling", description="Times all of a sweep that is not training."
    )
    parser.add_argument("--quick", action="store_true", help="small sweeps, in two minutes: that everything runs")
    parser.add_argument("--only", nargs="+", metavar="LINE", choices=names, help=f"these lines: {', '.join(names)}")
    parser.add_argument("--json", type=Path, default=Path("bench/tooling.json"), metavar="PATH")
    parser.add_argument(
        "--markdown",
        nargs="?",
        type=Path,
        const=page.COMMITTED,
        metavar="JSON",
        help="measure nothing: put the results of this file (docs/figures/tooling.json) into docs/performance.md",
    )
    return parser.parse_args(given)


def main(given: Sequence[str]) -> None:
    """Measure, print, write; or rewrite the page."""
    arguments = _arguments(given)
    if arguments.markdown:
        made = page.rewritten(PAGE.read_text(), page.read(arguments.markdown))
        PAGE.write_text(made)
        return
    say = stopwatch()
    document = {
        "format": page.FORMAT,
        "command": shlex.join(["nox", "-s", "bench", "--", "tooling", *given]),
        "machine": machine.described(),
        "lines": {
            bar.name: measured(bar, arguments.quick, say)
            for bar in BARS
            if not arguments.only or bar.name in arguments.only
        },
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    print(page.table(document).text())
    print(machine.busy(document["machine"]))
    print(f"wrote {arguments.json}")
