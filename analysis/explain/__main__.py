"""``python -m analysis.explain SWEEP``: the page of a recorded sweep, or with ``--figure`` its first picture as a PNG.

``harness explain`` makes the sweep and its recording first.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.explain.explainer_page import write_explainer
from analysis.explain.frames import read_explainer_data
from analysis.explain.why_true_figure import why_true_figure
from analysis.plotting import mpl_style
from harness.errors import InputError
from harness.store import Store, write_whole
from harness.text import visible


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page of a recorded sweep and print where; exit status 2 where there is none."""
    parser = argparse.ArgumentParser(prog="python -m analysis.explain", description=main.__doc__)
    parser.add_argument("folder", type=Path, metavar="SWEEP", help="the sweep's folder")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="where to write (default: SWEEP/explain)")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="write a PNG of the runs side by side instead")
    options = parser.parse_args(arguments)
    try:
        if options.figure:
            data = read_explainer_data(Store(options.folder))
            write_whole(options.figure, mpl_style.png(why_true_figure(data)))
            path = options.figure
        else:
            path = write_explainer(options.folder, options.out)
    except InputError as error:
        sys.stderr.write(f"{visible(error)}\n")
        return 2
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
