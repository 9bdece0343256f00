"""The files of a report: its page, and beside it the figures and tables of its sections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from analysis.load import read_sweep
from analysis.plotting import styles_of
from analysis.plotting.marks import renamed, without_shared_suffix
from analysis.plotting.static import png, svg, to_matplotlib
from analysis.report import multi_sweep
from analysis.report.blocks import Block, Figure, Section, TableBlock
from analysis.report.context import ReportContext, arm_names, report_context
from analysis.report.report_page import PagePart, arms_table, html_page, json_text, markdown_page, summary
from analysis.report.sections import SECTIONS, SectionFunction
from analysis.report.tables import csv_text, parquet_bytes
from harness.errors import InputError
from harness.store import Store, write_whole


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of the sweep in ``folder``; returns the page's path, by default ``folder/report/report.html``.

    Raises:
        StoreError: there is no sweep, or its description is damaged.
    """
    context = report_context(read_sweep(Store(folder)))
    out = out or folder / "report"
    _write_table(out, "arms", arms_table(context))
    write_whole(out / "report.md", _bytes(markdown_page(context)))
    write_whole(out / "summary.json", _bytes(json_text(summary(context))))
    return _write_page(out, context.name, [page_part(context)])


def write_reports(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write one report of one sweep or of several; returns the page's path.

    Raises:
        InputError: several sweeps and no ``out``, or the same sweep twice.
        StoreError: there is no sweep in one of the folders, or its description is damaged.
    """
    if len(folders) == 1:
        return write_report(folders[0], out)
    if out is None:
        raise InputError("a report of several sweeps belongs to none of them: say where to write it with -o FOLDER")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("a sweep is named twice; name each once")
    reads = [read_sweep(Store(folder)) for folder in folders]
    styles = styles_of(arm_names(reads))
    contexts = [report_context(read, styles, f"sweep{i}") for i, read in enumerate(reads, start=1)]
    arms = pd.concat([arms_table(c).assign(sweep=c.name) for c in contexts], ignore_index=True)
    _write_table(out, "arms", arms[["sweep", *(c for c in arms.columns if c != "sweep")]])
    write_whole(out / "report.md", _bytes("\n".join(markdown_page(c) for c in contexts)))
    write_whole(out / "summary.json", _bytes(json_text({"format": 1, "sweeps": [summary(c) for c in contexts]})))
    parts = [PagePart("across", "", [multi_sweep.section(contexts)]), *(page_part(c) for c in contexts)]
    return _write_page(out, " · ".join(c.name for c in contexts), parts)


def page_part(context: ReportContext) -> PagePart:
    """All sections of one sweep. Where a page has several sweeps, the names of figures begin with their sweep's key."""
    sections = make_sections(context, SECTIONS.values())
    if context.prefix:
        sections = [replace(s, blocks=[_prefixed(b, context.prefix) for b in s.blocks]) for s in sections]
    return PagePart(context.prefix or "sweep", context.name if context.prefix else "", sections)


def make_sections(context: ReportContext, functions: Iterable[SectionFunction]) -> list[Section]:
    """The sections. Where all arms are of one view, their names in figures do without it.

    Text and tables have the arms' whole names, which commands take.
    """
    names = without_shared_suffix(context.arms, " / ")
    sections = [function(context) for function in functions]
    return [replace(section, blocks=[_renamed(block, names) for block in section.blocks]) for section in sections]


def write_sections(sections: Sequence[Section], out: Path) -> Iterator[Path]:
    """Write the figures of the sections as PNG and SVG, and their numbers as CSV; yields each path.

    Raises:
        StoreError: the system refuses to write.
    """
    for block in (block for section in sections for block in section.blocks):
        for name, data in block_files(block).items():
            write_whole(out / name, data)
            yield out / name


def block_files(block: Block) -> dict[str, bytes]:
    """Files by their names: a figure as PNG and SVG, the numbers of a figure or of a named table as CSV."""
    files = {}
    if isinstance(block, Figure):
        figure = to_matplotlib(block.scene)
        files = {f"{block.name}.png": png(figure), f"{block.name}.svg": svg(figure)}
    if isinstance(block, (Figure, TableBlock)) and block.name and len(block.numbers.columns):
        files[f"{block.name}.csv"] = _bytes(csv_text(block.numbers))
    return files


def _renamed(block: Block, names: Mapping[str, str]) -> Block:
    return replace(block, scene=renamed(block.scene, names)) if isinstance(block, Figure) else block


def _prefixed(block: Block, prefix: str) -> Block:
    if isinstance(block, (Figure, TableBlock)) and block.name:
        return replace(block, name=f"{prefix}_{block.name}")
    return block


def _write_page(out: Path, title: str, parts: Sequence[PagePart]) -> Path:
    stills = {}
    for block in (block for part in parts for section in part.sections for block in section.blocks):
        files = block_files(block)
        if isinstance(block, (Figure, TableBlock)) and f"{block.name}.csv" in files:
            files[f"{block.name}.parquet"] = parquet_bytes(block.numbers)
        for name, data in files.items():
            write_whole(out / name, data)
        if isinstance(block, Figure):
            stills[block.name] = files[f"{block.name}.png"]
    write_whole(out / "report.html", _bytes(html_page(title, parts, stills)))
    return out / "report.html"


def _write_table(out: Path, name: str, frame: pd.DataFrame) -> None:
    write_whole(out / f"{name}.csv", _bytes(csv_text(frame)))
    write_whole(out / f"{name}.parquet", parquet_bytes(frame))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
