"""``python -m analysis.report SWEEP_FOLDER...``: the same as ``harness report``, without its default."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.report import write_reports
from harness.errors import InputError
from harness.text import visible


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report of a sweep's folder, or of several; print the page's path. Exit status 2: there is none."""
    parser = argparse.ArgumentParser(prog="python -m analysis.report", description=main.__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--out", type=Path, help="the folder of the page (default: report/ within the sweep)")
    options = parser.parse_args(arguments)
    try:
        sys.stdout.write(f"{write_reports(options.folders, options.out)}\n")
    except InputError as error:
        sys.stderr.write(f"{visible(error)}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
