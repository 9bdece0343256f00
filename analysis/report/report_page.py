"""The report's page and its shorter forms: HTML, Markdown, JSON; text in, escaped text out."""

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

from analysis.arms_table import HEADINGS, cells
from analysis.plotting.interactive import screen
from analysis.plotting.theme import THEMES
from analysis.report.blocks import Code, Figure, Section
from analysis.report.context import ReportContext
from analysis.report.sections import ranking
from analysis.report.sections.answer import opening, remarks
from analysis.report.tables import markdown_lines, table_of
from harness.text import markdown, script_json, visible


@dataclass(frozen=True)
class Part:
    """The sections of one sweep, or of all where they are compared; ``name`` is empty where it is the only one."""

    key: str
    name: str
    sections: Sequence[Section]

    def figures(self) -> Iterator[Figure]:
        """Every figure, in order."""
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Figure))


def html_page(title: str, parts: Sequence[Part], stills: Mapping[str, bytes]) -> str:
    """The page; every value from outside is escaped by the template engine, and shown on one line by ``visible``.

    ``stills``: a PNG by a figure's name, for print and for browsers without scripts.
    """
    environment = Environment(
        loader=PackageLoader("analysis", "templates/report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_plain,
    )  # fmt: skip
    plotly, own, style = plotly_script(), _part(environment, "page.js"), _part(environment, "page.css")
    images = {n: Markup(base64.b64encode(image).decode("ascii")) for n, image in stills.items()}  # noqa: S704
    fields = {
        "title": title, "parts": parts, "stills": images, "table_of": table_of, "lines_of": _lines,
        "scenes": [(f.name, script_json(screen(f.scene))) for p in parts for f in p.figures() if f.scene.panels],
        "themes": script_json(THEMES), "plotly": plotly, "script": own, "style": style,
        "hashes": (_hash(plotly), _hash(own)),
    }  # fmt: skip
    return environment.get_template("page.html").render(fields)


@cache
def plotly_script() -> Markup:
    """plotly's own script, the one bundle that its Python package ships."""
    # Within a script element only these two character sequences mean anything to the parser.
    return Markup(get_plotlyjs().replace("</script", r"<\/script").replace("<!--", r"<\!--"))  # noqa: S704


def _part(environment: Environment, name: str) -> Markup:
    return Markup(environment.loader.get_source(environment, name)[0])  # type: ignore[union-attr]  # noqa: S704


def _hash(script: str) -> str:
    """What the page's policy names a script by: only these two run, whatever text the page holds."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}"


class _Kept(str):
    """Text that keeps its line ends on the page."""


def _lines(block: Code) -> str:
    # What spans several lines by intent is made safe line by line; the engine escapes it like the rest.
    return _Kept("\n".join(visible(line) for line in block.text.splitlines()))


def _plain(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, (Markup, _Kept)) else value


def markdown_page(material: ReportContext) -> str:
    """Title, question, finding, remarks and the answer table."""
    comparison = material.comparison
    paragraphs = [f"# {markdown(material.name)}"]
    paragraphs += [f"{name}: {markdown(text)}" for name, text in opening(material)]
    told = remarks(material)
    paragraphs += ["\n".join(f"- {markdown(r)}" for r in told)] if told else []
    lines = ([markdown(c) for c in cells(a)] for a in comparison.arms)
    paragraphs += [f"{markdown(ranking.LABELS[comparison.stage])}:"]
    paragraphs += ["\n".join(markdown_lines([markdown(c) for c in HEADINGS], lines))]
    paragraphs += ["\n".join(f"- {markdown(line)}" for line in ranking.reading(material))]
    return "\n\n".join(paragraphs) + "\n"


def summary(material: ReportContext) -> dict[str, Any]:
    """The comparison for programs, with the sweep's name, uid and fingerprint; values that JSON knows."""
    told = material.description
    sweep = {n: visible(told[n]) for n in ("name", "uid", "fingerprint") if isinstance(told.get(n), str)}
    return {"format": 1, "sweep": sweep, **material.comparison.as_json()}


def json_text(value: Mapping[str, Any]) -> str:
    """As JSON without NaN."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def arms_table(material: ReportContext) -> pd.DataFrame:
    """The comparison's records, a line per arm."""
    return material.comparison.to_frame().drop(columns="paired", errors="ignore")
