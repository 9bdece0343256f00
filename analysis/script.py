"""What the scripts that answer one question share: SWEEP and -o, and the sections of the report that answer it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from analysis.load import read_sweep
from analysis.report.blocks import Section
from analysis.report.context import ReportContext, material_of
from analysis.report.copies import copies
from analysis.report.making import made
from harness.errors import InputError
from harness.store import Store, write_whole
from harness.text import visible


def answered(
    program: str,
    question: str | None,
    sections: Sequence[Callable[[ReportContext], Section]],
    arguments: Sequence[str] | None,
    told: Callable[[ReportContext], str] = lambda material: "",
) -> int:
    """Read the sweep that the arguments name, write the figures and tables of the sections, print the paths and
    what is ``told`` besides; exit status 2 where there is no sweep.
    """
    parser = argparse.ArgumentParser(prog=f"python -m analysis.{program}", description=question)
    parser.add_argument("folder", type=Path, metavar="SWEEP", help="the sweep's folder")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="where to write (default: SWEEP/report)")
    options = parser.parse_args(arguments)
    try:
        material = material_of(read_sweep(Store(options.folder)))
        for path in written(made(material, sections), options.out or options.folder / "report"):
            sys.stdout.write(f"{path}\n")
    except InputError as error:
        sys.stderr.write(f"{visible(error)}\n")
        return 2
    lines = told(material).splitlines()
    lines += [remark for remark in material.read.remarks if remark not in lines]
    sys.stdout.write("".join(f"{visible(line)}\n" for line in lines))
    return 0


def written(sections: Sequence[Section], out: Path) -> Iterator[Path]:
    """Write every figure of the sections as PNG and SVG, and what has numbers as CSV; the paths, one by one.

    Raises:
        StoreError: the system refuses to write.
    """
    for block in (block for section in sections for block in section.blocks):
        for name, data in copies(block).items():
            write_whole(out / name, data)
            yield out / name
