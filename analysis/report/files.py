"""The files of a report: which there are, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from analysis.load import read_sweep
from analysis.plotting import looks_of
from analysis.report import multi_sweep
from analysis.report.blocks import Block, Figure, Lines
from analysis.report.context import ReportContext, material_of, names_of
from analysis.report.copies import copies
from analysis.report.making import made
from analysis.report.report_page import Part, arms_table, html_page, json_text, markdown_page, summary
from analysis.report.sections import SECTIONS
from analysis.report.tables import csv_text, parquet_bytes
from harness.errors import InputError
from harness.store import Store, write_whole


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of the sweep in ``folder``; returns the page's path, by default ``folder/report/report.html``.

    Raises:
        StoreError: there is no sweep, or its description is damaged.
    """
    material = material_of(read_sweep(Store(folder)))
    target = out or folder / "report"
    _write_table(target, "arms", arms_table(material))
    write_whole(target / "report.md", _bytes(markdown_page(material)))
    write_whole(target / "summary.json", _bytes(json_text(summary(material))))
    return _write_page(target, material.name, [part_of(material)])


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
    looks = looks_of(names_of(reads))
    materials = [material_of(read, looks, f"sweep{i}") for i, read in enumerate(reads, start=1)]
    named = [(m.name, arms_table(m)) for m in materials]
    arms = pd.concat([table.assign(sweep=name) for name, table in named], ignore_index=True)
    _write_table(out, "arms", arms[["sweep", *(c for c in arms.columns if c != "sweep")]])
    write_whole(out / "report.md", _bytes("\n".join(markdown_page(m) for m in materials)))
    write_whole(out / "summary.json", _bytes(json_text({"format": 1, "sweeps": [summary(m) for m in materials]})))
    parts = [Part("across", "", [multi_sweep.section(materials)]), *(part_of(m) for m in materials)]
    return _write_page(out, " · ".join(m.name for m in materials), parts)


def part_of(material: ReportContext) -> Part:
    """All sections of one sweep; where a page has several, figures are named after theirs."""
    sections = made(material, SECTIONS)
    if material.prefix:
        sections = [replace(s, blocks=[_prefixed(b, material.prefix) for b in s.blocks]) for s in sections]
    return Part(material.prefix or "sweep", material.name if material.prefix else "", sections)


def _prefixed(block: Block, prefix: str) -> Block:
    if isinstance(block, (Figure, Lines)) and block.name:
        return replace(block, name=f"{prefix}_{block.name}")
    return block


def _write_page(target: Path, title: str, parts: Sequence[Part]) -> Path:
    stills = {}
    for block in (block for part in parts for section in part.sections for block in section.blocks):
        files = copies(block)
        if isinstance(block, (Figure, Lines)) and f"{block.name}.csv" in files:
            files[f"{block.name}.parquet"] = parquet_bytes(block.numbers)
        for name, data in files.items():
            write_whole(target / name, data)
        if isinstance(block, Figure):
            stills[block.name] = files[f"{block.name}.png"]
    write_whole(target / "report.html", _bytes(html_page(title, parts, stills)))
    return target / "report.html"


def _write_table(target: Path, name: str, frame: pd.DataFrame) -> None:
    write_whole(target / f"{name}.csv", _bytes(csv_text(frame)))
    write_whole(target / f"{name}.parquet", parquet_bytes(frame))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
