"""A sweep's report: one page that asks no other machine for anything, its figures, a short Markdown table, JSON, CSV.

``python -m analysis.report SWEEP_FOLDER`` writes ``SWEEP_FOLDER/report/``. The page is a function of the folder's
committed rows and its description; missing, partial and diverged data are named on it.
"""

from __future__ import annotations

import argparse
import base64
import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis import drawing, figures, series
from analysis.compare import Comparison, compare_described
from analysis.escaping import csv_cell, markdown, visible
from analysis.page import Page, Table, compose, markdown_lines, table_of
from analysis.rows import read, target_of
from harness.errors import InputError
from harness.store import Store, write_whole


@dataclass(frozen=True)
class Shown:
    """One figure of the page: its PNG in base64, and its numbers."""

    name: str
    heading: str
    caption: str
    alt: str
    table: Table
    table_label: str
    png: str


def write_report(folder: Path) -> Path:
    """Write the report of the sweep in ``folder``; returns the page's path, ``folder/report/report.html``.

    Raises:
        StoreError: there is no sweep, or its description is damaged.
    """
    store = Store(folder)
    description, frame, remarks = read(store)
    comparison = compare_described(description, frame, remarks)
    page = compose(description, frame, comparison)
    shown = _figures(description, frame, comparison)
    target = folder / "report"
    for figure in shown:
        write_whole(target / f"{figure.name}.png", base64.b64decode(figure.png))
    write_whole(target / "report.md", _bytes(markdown_page(page)))
    write_whole(target / "arms.csv", _bytes(csv_table(comparison)))
    write_whole(target / "summary.json", _bytes(summary(description, comparison)))
    write_whole(target / "report.html", _bytes(html_page(page, shown)))
    return target / "report.html"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def html_page(page: Page, shown: Sequence[Shown] = ()) -> str:
    """The page; every value from outside is escaped by the template engine, and shown on one line by ``visible``."""
    environment = Environment(
        loader=PackageLoader("analysis"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=_plain
    )
    # What spans several lines by intent is made safe line by line; the engine escapes it like the rest.
    spec = _Lines("\n".join(visible(line) for line in page.spec.splitlines()))
    fields = {**vars(page), "figures": shown, "spec": spec, "commands": _Lines(page.commands)}
    return environment.get_template("report.html").render(page=fields)


class _Lines(str):
    """Text that keeps its line ends on the page."""


def _plain(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, (Markup, _Lines)) else value


def markdown_page(page: Page) -> str:
    """Title, question, finding, remarks and the answer table."""
    paragraphs = [f"# {markdown(page.title)}"]
    told = (("Question", page.question), ("Predicted", page.prediction), ("Found", page.found))
    paragraphs += [f"{name}: {markdown(text)}" for name, text in told]
    paragraphs += ["\n".join(f"- {markdown(r)}" for r in page.remarks)] if page.remarks else []
    lines = ([markdown(c) for c in line] for line in page.answer.lines)
    paragraphs += [f"{markdown(page.answer_label)}:"]
    paragraphs += ["\n".join(markdown_lines([markdown(c) for c in page.answer.columns], lines))]
    paragraphs += ["\n".join(f"- {markdown(line)}" for line in page.reading)]
    return "\n\n".join(paragraphs) + "\n"


def csv_table(comparison: Comparison) -> str:
    """The comparison's records, a line per arm; text that a spreadsheet would run is quoted with an apostrophe."""
    records = comparison.records()
    names = list(dict.fromkeys(n for record in records for n in record if n != "paired"))
    sink = io.StringIO()
    writer = csv.DictWriter(sink, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for record in records:
        writer.writerow({k: csv_cell(v) if isinstance(v, str) else v for k, v in record.items()})
    return sink.getvalue()


def summary(description: Mapping[str, Any], comparison: Comparison) -> str:
    """The comparison for programs: JSON without NaN, with the sweep's name, uid and fingerprint."""
    sweep = {n: visible(description[n]) for n in ("name", "uid", "fingerprint") if isinstance(description.get(n), str)}
    return json.dumps({"format": 1, "sweep": sweep, **comparison.as_json()}, indent=1, allow_nan=False) + "\n"


def _figures(description: Mapping[str, Any], frame: pd.DataFrame, comparison: Comparison) -> list[Shown]:
    arms, target = [a.arm for a in comparison.arms], target_of(description)
    paths = series.path_table
    return [
        _shown("final_ks", figures.final_ks(frame, arms, comparison.success_ks), series.seed_table(frame, arms)),
        _shown("ks_over_steps", figures.ks_over_steps(frame, arms), paths(frame, arms, ["ks"])),
        _shown("densities", figures.densities(frame, target, arms), series.law_table(frame, target, arms)),
        _shown("quantiles", figures.quantile_plot(frame, target, arms), series.law_table(frame, target, arms)),
        _shown("losses", figures.losses(frame, arms), paths(frame, arms, [c for c, *_ in figures.LOSSES])),
        _shown("search", figures.search_scores(frame, arms), series.trial_scores(frame)),
    ]


#: Per figure: heading, caption, what a reader who cannot see it is told, and the name of its table.
CAPTIONS = {
    "final_ks": (
        "Distance to the target after training",
        "A dot per seed; the bar below is the median with its 95 % bootstrap interval. Crosses are members that "
        "diverged or failed, counted as 1. Dashed: success threshold. Dotted: noise floor.",
        "Dot plot of the final KS distance of every seed, one line per arm, on a logarithmic axis.",
        "Every compared member",
    ),
    "ks_over_steps": (
        "Distance to the target during training",
        "Median over seeds and the band of their middle half. A member that diverged counts as 1 from there on. "
        "Dashed: noise floor.",
        "Line plot of the KS distance over training steps, one line per arm, one panel per view.",
        "KS at some of the steps",
    ),
    "densities": (
        "What was learned: densities",
        "Grey: the target. Line: the generated law of the arm's median seed, from its quantiles.",
        "Small panels, one per arm, with the target's density and the generated law's.",
        "Quantiles of the target and of each arm's median seed",
    ),
    "quantiles": (
        "What was learned: quantiles",
        "Dots: the arm's median seed. Dashed: its best seed. Grey: the line on which a perfect generator lies. Each "
        "panel has its own scale.",
        "Small panels, one per arm, with generated quantiles against the target's.",
        "Quantiles of the target and of each arm's median seed",
    ),
    "losses": (
        "Losses beside the distance",
        "Median over seeds, arms in order of their final KS. A low loss is not a small distance: compare the last "
        "panels with the first. Each panel has its own scale.",
        "Small panels, one per arm, with the losses of both players over training steps.",
        "Losses at some of the steps",
    ),
    "search": (
        "The search",
        "Every trial's score, the mean KS over its search seeds, against its two learning rates. Dotted: the "
        "best trial.",
        "Small panels, one per arm, with trial scores against learning rates on logarithmic axes.",
        "Every trial",
    ),
}


def _shown(name: str, figure: Any, numbers: pd.DataFrame) -> Shown:
    heading, caption, alt, label = CAPTIONS[name]
    image = base64.b64encode(drawing.png(figure)).decode("ascii")
    return Shown(name, heading, caption, alt, table_of(numbers), label, image)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report of a sweep's folder and print the page's path; exit status 2 where there is no sweep."""
    parser = argparse.ArgumentParser(prog="python -m analysis.report", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    try:
        sys.stdout.write(f"{write_report(parser.parse_args(arguments).folder)}\n")
    except InputError as error:
        sys.stderr.write(f"{visible(error)}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
