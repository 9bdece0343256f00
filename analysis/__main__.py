"""``python -m analysis SECTION SWEEP``: one section of a sweep's report by itself.

Prints the section's text and tables, and writes its figures and their numbers (PNG, SVG, CSV). Without arguments it
lists the sections.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_never

from analysis.load import read_sweep
from analysis.report.blocks import ArmCard, Block, Bullets, Code, Facts, Figure, Section, TableBlock, Text
from analysis.report.context import report_context
from analysis.report.report_files import make_sections, write_sections
from analysis.report.sections import SECTIONS
from analysis.report.tables import aligned_lines
from harness.errors import InputError
from harness.store import Store
from harness.text import visible


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one section of a sweep's report and write its figures; without arguments, list the sections.

    Exit status 2: there is no such section or sweep.
    """
    parser = argparse.ArgumentParser(prog="python -m analysis", description=(main.__doc__ or "").splitlines()[0])
    parser.add_argument("section", nargs="?", metavar="SECTION", help="a section, one of the list")
    parser.add_argument("folder", nargs="?", type=Path, metavar="SWEEP", help="the sweep's folder")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="where to write (default: SWEEP/report)")
    options = parser.parse_args(arguments)
    if options.section is None:
        _print(f"{name:<12} {(section.__doc__ or '').splitlines()[0]}" for name, section in SECTIONS.items())
        return 0
    try:
        if options.section not in SECTIONS:
            raise InputError(f"no section {options.section!r}; sections: {', '.join(SECTIONS)}")
        if options.folder is None:
            raise InputError(f"name a sweep's folder: python -m analysis {options.section} SWEEP")
        run(options.section, options.folder, options.out or options.folder / "report")
    except InputError as error:
        sys.stderr.write(f"{visible(error)}\n")
        return 2
    return 0


def run(name: str, folder: Path, out: Path) -> None:
    """Print a section, then remarks on files that could not be read, then the path of each file that it wrote.

    Raises:
        StoreError: there is no sweep, its description is damaged, or the system refuses to write.
    """
    context = report_context(read_sweep(Store(folder)))
    sections = make_sections(context, [SECTIONS[name]])
    lines = [line for section in sections for line in section_lines(section)]
    remarks = [f"- {remark}" for remark in context.read.remarks]
    _print([*lines, *(remark for remark in remarks if remark not in lines)])
    _print(str(path) for path in write_sections(sections, out))


def section_lines(section: Section) -> Iterator[str]:
    """A section as lines of text; a figure is its heading and what can be seen on it."""
    yield f"# {section.heading}"
    for block in section.blocks:
        yield ""
        yield from _block_lines(block)
    yield ""


def _block_lines(block: Block) -> Iterator[str]:
    if isinstance(block, Text):
        yield block.text
    elif isinstance(block, Bullets):
        yield from (f"- {line}" for line in block.lines)
    elif isinstance(block, Facts):
        yield from (f"{name}: {text}" for name, text in block.pairs)
    elif isinstance(block, Code):
        yield from (f"    {line}" for line in block.text.splitlines())
    elif isinstance(block, TableBlock):
        yield from (f"{block.label}:", "")
        yield from aligned_lines(block.table.columns, [list(map(visible, line)) for line in block.table.lines])
        if block.table.left_out:
            yield f"{block.table.left_out} more lines are not shown; the committed rows hold them."
    elif isinstance(block, Figure):
        yield f"{block.heading}: {block.scene.empty or block.alt}"
    elif isinstance(block, ArmCard):
        yield block.name
        yield from (f"    {name}: {text}" for name, text in block.facts())
    else:
        assert_never(block)


def _print(lines: Iterator[str] | Sequence[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{visible(line)}\n")


if __name__ == "__main__":
    sys.exit(main())
