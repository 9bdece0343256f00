"""Report on the files of ``train``: two-sample tests of every pair of engines, a figure, a page."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from analysis.intervals import holm
from analysis.plotting import mpl_style
from harness.store import write_whole


def compare(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Compare each pair of engines in a row: two-sample and paired tests of KS, and how far the same seed differs."""
    rows = []
    for engine_a, engine_b in itertools.combinations(tables, 2):
        a, b = tables[engine_a], tables[engine_b]
        both = a.merge(b, on="seed")
        rows.append(
            {
                "engines": f"{engine_a}, {engine_b}",
                "members": f"{len(a)}, {len(b)}",
                "KS test p": stats.ks_2samp(a["ks"], b["ks"]).pvalue,
                "Mann-Whitney p": stats.mannwhitneyu(a["ks"], b["ks"]).pvalue,
                "paired Wilcoxon p": stats.wilcoxon(both["ks_x"], both["ks_y"]).pvalue,
                "same seed, median difference": (both["ks_x"] - both["ks_y"]).abs().median(),
            }
        )
    pairs = pd.DataFrame(rows)
    tests = ["KS test p", "Mann-Whitney p", "paired Wilcoxon p"]
    adjusted = holm([float(p) for name in tests for p in pairs[name]])
    pairs["least p, Holm"] = np.array(adjusted).reshape(len(tests), -1).min(axis=0)
    return pairs


def figure(tables: dict[str, pd.DataFrame]) -> bytes:
    """Distribution functions of KS, one for each engine, as PNG."""
    made, (axes,) = mpl_style.panels(1, columns=1, height=3.6, sharex=True, sharey=True)
    looks = mpl_style.styles(tables)
    for name, table in tables.items():
        ks = np.sort(table["ks"].to_numpy())
        share = np.arange(1, len(ks) + 1) / len(ks)
        axes.step(ks, share, where="post", color=looks[name].colour, label=f"{name} ({len(ks)} members)")
    axes.set_xlabel("KS distance to the target")
    axes.set_ylabel("share of members at or below")
    axes.legend(frameon=False, loc="lower right")
    return mpl_style.png(made)


def _table(rows: pd.DataFrame) -> str:
    def cell(value: object) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    head = [f"| {' | '.join(rows.columns)} |", f"|{'---|' * len(rows.columns)}"]
    return "\n".join([*head, *(f"| {' | '.join(map(cell, row))} |" for row in rows.itertuples(index=False))])


def write_report(folder: Path, out: Path) -> str:
    """Write agreement.md and figures/agreement.png to ``out`` from the files in ``folder``; return the first sentence.

    Raises:
        FileNotFoundError: fewer than two engines have a file there.
    """
    tables = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    if len(tables) < 2:
        raise FileNotFoundError(f"{folder}: needs the files of two engines or more; train with another engine first")
    pairs = compare(tables)
    summary = pd.DataFrame(
        [
            {
                "engine": name,
                "members": len(table),
                "diverged": int((table["outcome"] != "scored").sum()),
                "median KS": table["ks"].median(),
                "middle half": f"{table['ks'].quantile(0.25):.3f} to {table['ks'].quantile(0.75):.3f}",
                "trained on": f"{table['machine'][0]}, {table['date'][0]}",
            }
            for name, table in tables.items()
        ]
    )
    least = pairs["least p, Holm"].min()
    verdict = f"{'no' if least > 0.05 else 'some'} pair of engines shows a difference"
    steps = tables[summary["engine"][0]]["steps"][0]
    first = f"After {steps:,} steps {verdict}: the smallest corrected p of all tests below is {least:.2g}."
    write_whole(out / "figures/agreement.png", figure(tables))
    page = PAGE.format(first=first, summary=_table(summary), pairs=_table(pairs))
    write_whole(out / "agreement.md", page.encode())
    return first


PAGE = """\
# Do all engines train the same GANs?

For some fifty steps engines agree to rounding, step by step (`pytest tests/engines/test_agreement.py`). Then training
amplifies rounding, and the same seed ends elsewhere on another engine. The distribution over seeds must be the same.

{first}

![Distribution functions of KS, engine by engine](figures/agreement.png)

The script's GAN (label True, the script's rates, the set view), seeds 0, 1, ...; KS on stratified noise at the end.

{summary}

{pairs}

All engines train the same seeds. If a seed ends alike on two engines, their samples are correlated, which makes
two-sample tests cautious. The paired test takes that into account; the last but one column shows how much the ends
differ.

`nox -s agreement` trains and writes this page. [Every member](figures/agreement/) has a row in a CSV file.
"""
