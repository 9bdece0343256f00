"""What ``analysis.dirac`` writes: the page theory.md, the rows theory.csv, the phase portraits theory.png."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.dirac.entries import HEADINGS, disagreements, shown
from analysis.dirac.label_game import label_law, landing
from analysis.dirac.portraits import portraits
from analysis.plotting import mpl_style
from harness.store import write_whole
from harness.text import markdown


def write_theory(out: Path, entries: pd.DataFrame, others: pd.DataFrame) -> list[Path]:
    """Write the three files into ``out`` (made where missing) and return their paths."""
    environment = Environment(
        loader=PackageLoader("analysis"),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701
    )
    environment.filters["cell"] = markdown
    page = environment.get_template("theory.md").render(
        headings=HEADINGS,
        entries=shown(entries),
        others=shown(others),
        claims=int(entries["agrees"].ne("").sum()),
        wrong=len(disagreements(entries)),
        law=label_law(),
        landing=landing(),
    )
    data = {"theory.md": page.encode(), "theory.csv": _csv(entries, others), "theory.png": mpl_style.png(portraits())}
    out.mkdir(parents=True, exist_ok=True)
    for name, content in data.items():
        write_whole(out / name, content)
    return [out / name for name in data]


def _csv(*frames: pd.DataFrame) -> bytes:
    sink = io.StringIO()
    pd.concat(frames, ignore_index=True).to_csv(
        sink, index=False, float_format="%.6g", quoting=csv.QUOTE_MINIMAL, lineterminator="\n"
    )
    return sink.getvalue().encode()
