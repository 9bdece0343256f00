"""The report as HTML, Markdown and JSON, with every text from outside escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis.plotting.interactive import to_plotly
from analysis.plotting.theme import THEMES
from analysis.report.blocks import Code, Figure, Section
from analysis.report.context import ReportContext
from analysis.report.sections import ranking
from analysis.report.sections.answer import opening, remarks
from analysis.report.tables import ARM_HEADINGS, arm_cells, markdown_lines, table_of
from harness.text import markdown, script_json, visible


@dataclass(frozen=True)
class PagePart:
    """The sections of one sweep, or those that compare several; ``name`` is empty where it is the only part."""

    key: str
    name: str
    sections: Sequence[Section]

    def figures(self) -> Iterator[Figure]:
        """Every figure, in order."""
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Figure))


def html_page(title: str, parts: Sequence[PagePart], stills: Mapping[str, bytes]) -> str:
    """The page. The template engine escapes every value from outside, and ``visible`` puts it on one line.

    ``stills``: a PNG by a figure's name, for print and for browsers without scripts.
    """
    environment = Environment(
        loader=PackageLoader("analysis", "templates/report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_plain,
    )  # fmt: skip
    plotly, script, style = plotly_script(), _source(environment, "page.js"), _source(environment, "page.css")
    images = {n: Markup(base64.b64encode(image).decode("ascii")) for n, image in stills.items()}  # noqa: S704
    fields = {
        "title": title, "parts": parts, "stills": images, "table_of": table_of, "lines_of": _lines,
        "scenes": [(f.name, script_json(to_plotly(f.scene))) for p in parts for f in p.figures() if f.scene.panels],
        "themes": script_json(THEMES), "plotly": plotly, "script": script, "style": style,
        "hashes": (_hash(plotly), _hash(script)),
    }  # fmt: skip
    return environment.get_template("page.html").render(fields)


@cache
def plotly_script() -> Markup:
    """plotly's own script, the one bundle that its Python package ships."""
    # Within a script element only these two character sequences mean anything to the parser.
    return Markup(get_plotlyjs().replace("</script", r"<\/script").replace("<!--", r"<\!--"))  # noqa: S704


def _source(environment: Environment, name: str) -> Markup:
    return Markup(environment.loader.get_source(environment, name)[0])  # type: ignore[union-attr]  # noqa: S704


def _hash(script: str) -> str:
    """The hash by which the page's policy admits a script: only these two run, whatever text the page holds."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}"


class _Multiline(str):
    """Text that keeps its line ends on the page."""


def _lines(block: Code) -> str:
    # Made safe line by line, so that it keeps its line ends; the engine escapes it like the rest.
    return _Multiline("\n".join(visible(line) for line in block.text.splitlines()))


def _plain(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, (Markup, _Multiline)) else value


def markdown_page(context: ReportContext) -> str:
    """Title, question, finding, remarks and the table of arms."""
    comparison = context.comparison
    paragraphs = [f"# {markdown(context.name)}"]
    paragraphs += [f"{name}: {markdown(text)}" for name, text in opening(context)]
    if notes := remarks(context):
        paragraphs.append("\n".join(f"- {markdown(note)}" for note in notes))
    lines = ([markdown(c) for c in arm_cells(a)] for a in comparison.arms)
    paragraphs += [f"{markdown(ranking.LABELS[comparison.stage])}:"]
    paragraphs += ["\n".join(markdown_lines([markdown(c) for c in ARM_HEADINGS], lines))]
    paragraphs += ["\n".join(f"- {markdown(line)}" for line in ranking.column_notes(context))]
    return "\n\n".join(paragraphs) + "\n"


def summary(context: ReportContext) -> dict[str, Any]:
    """The comparison for programs, with the sweep's name, uid and fingerprint; values that JSON knows."""
    names = ("name", "uid", "fingerprint")
    sweep = {n: visible(text) for n in names if isinstance(text := context.description.get(n), str)}
    return {"format": 1, "sweep": sweep, **context.comparison.as_json()}


def json_text(value: Mapping[str, Any]) -> str:
    """The value as JSON without NaN."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def arms_table(context: ReportContext) -> pd.DataFrame:
    """The comparison's records, a row per arm."""
    return context.comparison.to_frame().drop(columns="paired", errors="ignore")
