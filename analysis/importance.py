"""``python -m analysis.importance SWEEP [-o DIR]``: which hyper-parameter decides how well an arm does?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import ValidationError

from analysis import drawing
from analysis.reading import Read
from analysis.rows import spec_of
from analysis.script import Answer, answered
from harness.spec import Range

#: Of an arm at most so many trials are looked at, evenly taken: what they tell does not change with more.
MOST = 1500
COLUMNS = ("arm", "key", "importance", "trials")


def importance(trials: pd.DataFrame, description: Mapping[str, Any], arms: Sequence[str] = ()) -> pd.DataFrame:
    """Each searched key's share in telling an arm's best tenth of trials from all of them (``search.importance``).

    Columns: arm, key, importance (they add up to 1 within an arm), trials (that were looked at). Trials that were
    stopped early and values outside the space are left out; an arm with too few, or alike, trials has no row.
    """
    from harness.search.importance import importances  # which loads optuna

    space = space_of(description)
    lines = []
    for arm in arms or list(dict.fromkeys(trials["arm"])):
        own = trials[(trials["arm"] == arm) & ~trials["pruned"].astype(bool) & trials["score"].notna()]
        keys = [key for key in space if key in own and own[key].notna().any()]
        own = own[np.logical_and.reduce([own[k].map(lambda v, s=space[k]: v in s) for k in keys])] if keys else own[:0]
        own = own.iloc[np.unique(np.linspace(0, len(own) - 1, min(len(own), MOST)).astype(int))] if len(own) else own
        settings = [{k: _typed(space[k], v) for k, v in line.items()} for line in own[keys].to_dict("records")]
        found = importances({k: space[k] for k in keys}, settings, own["score"].tolist())
        lines += [(arm, key, value, len(own)) for key, value in sorted(found.items(), key=lambda item: -item[1])]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def space_of(description: Mapping[str, Any]) -> dict[str, Range]:
    """The search space in ``sweep.json``; without the keys that this program cannot read."""
    told = spec_of(description).get("search")
    space = told.get("space") if isinstance(told, Mapping) else None
    found: dict[str, Range] = {}
    for key, span in sorted(space.items()) if isinstance(space, Mapping) else ():
        try:
            found[str(key)] = Range.model_validate(span)
        except ValidationError:
            continue
    return found


def _typed(span: Range, value: float) -> float:
    return int(value) if span.integer else value


def figure(shares: pd.DataFrame, arms: Sequence[str]) -> Figure:
    """A bar per arm, cut by key."""
    shown = [arm for arm in arms if arm in set(shares["arm"])]
    if not shown:
        return drawing.empty("Too few searched trials to tell which hyper-parameter matters (20 an arm are needed).")
    made, (ax,) = drawing.panels(1, columns=1, height=0.9 + 0.42 * len(shown), sharex=False, sharey=False)
    keys = sorted(set(shares["key"]))
    left, entries = np.zeros(len(shown)), {}
    for key, style in drawing.styles(keys).items():
        own = shares[shares["key"] == key].set_index("arm")["importance"].reindex(shown).fillna(0.0).to_numpy()
        ax.barh(range(len(shown)), own, left=left, color=style.colour, height=0.62, edgecolor="white")
        for y, (start, width) in enumerate(zip(left, own, strict=True)):
            if width > 0.06:
                ax.text(start + width / 2, y, f"{width:.0%}", ha="center", va="center", fontsize=7.5, color="white")
        left = left + own
        entries[key] = drawing.key(style)
        entries[key].set(linestyle="none", marker="s", markersize=8)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    drawing.tick_names(ax, range(len(shown)), shown)
    drawing.labels(ax, "share in telling the best tenth of the trials from all")
    drawing.legend(made, entries, columns=4)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Which hyper-parameter decides how well an arm does?"""

    def answer(read: Read, arms: Sequence[str]) -> Answer:
        shares = importance(read.trials, read.description, arms)
        return Answer({"importance": shares}, {"importance": figure(shares, arms)})

    return answered("importance", main.__doc__, answer, arguments)


if __name__ == "__main__":
    sys.exit(main())
