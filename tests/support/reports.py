"""Reports without files: a page from rows in memory, and what is on a page."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.load import read_sweep
from analysis.report.context import ReportContext, report_context
from analysis.report.report_files import page_part
from analysis.report.report_page import html_page
from harness.store import Store


class Outline(HTMLParser):
    """The elements of a page with their attributes, its text, and what its scripts hold."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.text: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.other: list[str] = []
        self._script: dict[str, str | None] | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))
        self._script = dict(attrs) if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts.append((self._script, data))
        else:
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def unknown_decl(self, data: str) -> None:
        self.other.append(data)

    def handle_pi(self, data: str) -> None:
        self.other.append(data)


def committed(description: Mapping[str, Any], frame: pd.DataFrame) -> ReportContext:
    """The report's context of a sweep with this description and these rows, committed and read back."""
    objects = frame.astype(object).where(frame.notna(), None)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.start(description)
        if len(frame):
            store.commit(0, objects.to_dict("records"), {"seconds": "0"})
        return report_context(read_sweep(store))


def page_of(context: ReportContext) -> str:
    """The page without the copies of its figures."""
    return html_page(context.name, [page_part(context)], {})
