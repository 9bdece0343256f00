"""``python -m analysis.importance SWEEP [-o DIR]``: which hyper-parameter decides how well an arm does?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from analysis.rows import spec_of
from harness.config import Range

#: Of an arm at most so many trials are looked at, evenly taken: what they tell does not change with more.
MOST = 600
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
        settings = [
            {k: _typed(space[k], float(v)) for k, v in zip(keys, line, strict=True)}
            for line in own[keys].itertuples(index=False, name=None)
        ]
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Which hyper-parameter decides how well an arm does?"""
    # Here, because the section draws what this module computes.
    from analysis.report.sections import importance
    from analysis.script import answered

    return answered("importance", main.__doc__, [importance.section], arguments)


if __name__ == "__main__":
    sys.exit(main())
