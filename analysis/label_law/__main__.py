"""``python -m analysis.label_law SWEEP [-o DIR]``: the figure, the numbers, and which predictions of the law hold.

SWEEP is the folder of a sweep with arms ``generator_label(t=...)``, such as experiments/label_dial.toml makes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.label_law.law_pages import label_figure, label_law_result
from analysis.label_law.verdicts import paragraph, verdicts
from analysis.load import read_sweep
from analysis.plotting import mpl_style
from harness.errors import InputError
from harness.store import Store, write_whole
from harness.text import csv_cell, visible


def write_label_law(folder: Path, out: Path) -> tuple[list[Path], str]:
    """Write label_law.png and label_law.csv of the sweep in ``folder`` to ``out``; the paths, and the paragraph.

    Raises:
        StoreError: there is no sweep, or its description is damaged.
        InputError: it has no arm of the variant.
    """
    read = read_sweep(Store(folder))
    law = label_law_result(read.description, read.frame, read.remarks)
    table = law.table.assign(view=[csv_cell(v) for v in law.table["view"]])
    files = {
        "label_law.png": mpl_style.png(label_figure(law)),
        "label_law.csv": table.to_csv(index=False, lineterminator="\n").encode(),
    }
    for name, data in files.items():
        write_whole(out / name, data)
    text = " ".join([paragraph(verdicts(law.members, law.table, law.later)), *law.remarks])
    return [out / name for name in files], text


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the label law of a sweep's folder and say which predictions hold; exit status 2 where there is none."""
    parser = argparse.ArgumentParser(prog="python -m analysis.label_law", description=main.__doc__)
    parser.add_argument("folder", type=Path, metavar="SWEEP", help="the sweep's folder")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="where to write (default: SWEEP/report)")
    options = parser.parse_args(arguments)
    try:
        paths, text = write_label_law(options.folder, options.out or options.folder / "report")
    except InputError as error:
        sys.stderr.write(f"{visible(error)}\n")
        return 2
    sys.stdout.write("".join(f"{path}\n" for path in paths) + f"\n{visible(text)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
