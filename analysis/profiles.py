"""Performance profiles: of each arm the share of seeds that come within any distance of the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.intervals import success_interval
from analysis.rows import LOST, select, views_of


def performance_profiles(frame: pd.DataFrame, arms: Sequence[str] = (), points: int = 120) -> pd.DataFrame:
    """Share of an arm's seeds with KS <= tau, for ``points`` tau in equal ratios from the least KS of all to below
    1.
    A profile above another everywhere belongs to the better arm (Agarwal et al. 2021, sec. 4.2); where it passes 1/2
    stands the median. A member that diverged or failed reaches no tau. Columns: arm, ks (tau), share, low, high: a
    share's 95 % interval at one tau is Wilson's, which the bootstrap of independent seeds approximates.
    """
    rows = select(frame).frame
    least = max(float(rows["ks"].min()), 1e-6) if len(rows) else 1e-6
    taus = np.geomspace(min(least, 0.5), 1.0, points, endpoint=False)
    parts = []
    for arm in (arm for here in views_of(rows, arms).values() for arm in here):
        own = rows[rows["arm"] == arm]
        reached = np.sort(own.loc[~own["outcome"].isin(LOST), "ks"].to_numpy())
        counts = np.searchsorted(reached, taus * (1 + 1e-12), side="right")
        told = {int(c): success_interval(int(c), len(own)) for c in np.unique(counts)}
        ends = [(told[int(c)].low, told[int(c)].high) for c in counts]
        low, high = np.array(ends, dtype=np.float64).T
        parts.append(pd.DataFrame({"arm": arm, "ks": taus, "share": counts / len(own), "low": low, "high": high}))
    empty = pd.DataFrame({"arm": [], "ks": [], "share": [], "low": [], "high": []})
    return pd.concat(parts, ignore_index=True) if parts else empty
