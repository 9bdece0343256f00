"""The files of a report: which there are, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.reading import read_sweep
from analysis.report.material import Material, material_of
from analysis.report.page import Part, html_page, markdown_page, summary
from analysis.report.sections import SECTIONS
from analysis.report.tables import csv_text, parquet_bytes
from analysis.scene.paper import paper, png, svg
from harness.errors import InputError
from harness.store import Store, write_whole


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of the sweep in ``folder``; returns the page's path, ``folder/report/report.html``.

    Raises:
        StoreError: there is no sweep, or its description is damaged.
    """
    material = material_of(read_sweep(Store(folder)), folder=str(folder))
    target = out or folder / "report"
    part = part_of(material)
    stills = _write_figures(target, part)
    _write_table(target, "arms", pd.DataFrame(material.comparison.records(), dtype=object).drop(columns="paired", errors="ignore"))
    write_whole(target / "report.md", _bytes(markdown_page(material)))
    write_whole(target / "summary.json", _bytes(summary(material.description, material.comparison)))
    write_whole(target / "report.html", _bytes(html_page(material.name, [part], stills)))
    return target / "report.html"


def write_reports(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write one report of one sweep or of several; returns the page's path.

    Raises:
        InputError: several sweeps and no ``out``, or the same sweep twice.
        StoreError: there is no sweep in one of the folders, or its description is damaged.
    """
    if len(folders) == 1:
        return write_report(folders[0], out)
    raise InputError("not yet")


def part_of(material: Material) -> Part:
    """All sections of one sweep."""
    return Part(material.prefix or "sweep", material.name if material.prefix else "", [s(material) for s in SECTIONS])


def _write_figures(target: Path, part: Part) -> dict[str, bytes]:
    """The copies of the figures and the tables of their numbers; returns the PNGs by name."""
    stills = {}
    for figure in part.figures():
        drawn = paper(figure.scene)
        stills[figure.name] = png(drawn)
        write_whole(target / f"{figure.name}.png", stills[figure.name])
        write_whole(target / f"{figure.name}.svg", svg(drawn))
        if len(figure.numbers.columns):
            _write_table(target, figure.name, figure.numbers)
    return stills


def _write_table(target: Path, name: str, frame: pd.DataFrame) -> None:
    write_whole(target / f"{name}.csv", _bytes(csv_text(frame)))
    write_whole(target / f"{name}.parquet", parquet_bytes(frame))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


