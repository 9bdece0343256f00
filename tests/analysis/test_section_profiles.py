"""Performance profiles against their definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.fabricated import ARMS, fabricate_sweep

from analysis.intervals import success_interval
from analysis.report.sections.profiles import performance_profiles
from analysis.rows import select
from harness.metrics.trials import LOST


def test_share_of_seeds_by_definition(tmp_path: Path) -> None:
    """At every tau the share is the number of members with a generator and KS <= tau over all; the band is Wilson's."""
    frame = fabricate_sweep(tmp_path / "s", failure="no memory").frame()
    rows = select(frame).frame
    found = performance_profiles(frame, points=30)
    assert len(found) == 30 * len(ARMS)
    for line in found.itertuples():
        own = rows[rows["arm"] == line.arm]
        reached = int(((own["ks"] <= line.ks) & ~own["outcome"].isin(LOST)).sum())
        assert line.share == pytest.approx(reached / len(own))
        band = success_interval(reached, len(own))
        assert (line.low, line.high) == (band.low, band.high)


def test_profiles_rise(tmp_path: Path) -> None:
    """Along tau a profile never falls, starts at least with one member of the best arm, and stays below 1 where a
    member is lost.
    """
    found = performance_profiles(fabricate_sweep(tmp_path / "s", failure="no memory").frame())
    for _, own in found.groupby("arm"):
        assert np.all(np.diff(own["share"]) >= 0)
    assert found[found["ks"] == found["ks"].min()]["share"].max() > 0
    assert found[found["arm"].str.startswith("non_saturating")]["share"].max() < 1


def test_no_rows_no_profiles(tmp_path: Path) -> None:
    """Without rows the table is empty and has its columns."""
    found = performance_profiles(fabricate_sweep(tmp_path / "s", confirm=0, trials=0).frame())
    assert len(found) == 0
    assert list(found.columns) == ["arm", "ks", "share", "low", "high"]
