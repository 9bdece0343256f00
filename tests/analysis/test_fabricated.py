"""The fabricated sweeps that other tests read."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support.fabricated import ARMS, LOC, SCALE, fabricate_sweep, normal_ks

from harness.store import SCHEMA


def test_rows_conform_to_the_schema_and_have_spread(tmp_path: Path) -> None:
    """Rows read back under the store's schema, keys are unique, and no two members have one law."""
    store = fabricate_sweep(tmp_path, trials=3, seeds=2, confirm=4)
    assert store.table().schema.equals(SCHEMA)
    frame = store.frame()
    assert len(frame) == len(ARMS) * (3 * 2 + 4)
    assert frame["key"].is_unique
    scored = frame[frame["outcome"] == "scored"]
    assert scored["mean"].nunique() == len(scored)
    assert scored["ks"].between(0, 1).all()
    assert (frame.loc[frame["outcome"] != "scored", "ks"] == 1).all()
    assert {a["arm"] for a in store.describe()["arms"]} == set(frame["arm"])


def test_same_seed_same_rows(tmp_path: Path) -> None:
    """Two sweeps of one rng_seed are equal, another one differs."""
    one, two, other = (
        fabricate_sweep(tmp_path / str(i), trials=1, confirm=2, rng_seed=s) for i, s in enumerate((0, 0, 1))
    )
    assert one.table().equals(two.table())
    assert not one.table().equals(other.table())


@pytest.mark.parametrize(("loc", "scale"), [(4.0, 1.25), (4.1, 1.25), (3.0, 0.4), (4.0, 5.0), (-3.0, 1.2)])
def test_ks_is_that_of_the_two_normal_laws(loc: float, scale: float) -> None:
    """The stated KS distance equals the largest gap of the two distribution functions on a grid of 400,001 points."""
    grid = np.linspace(-40, 40, 400_001)
    gap = np.max(np.abs(stats.norm.cdf(grid, loc, scale) - stats.norm.cdf(grid, LOC, SCALE)))
    assert normal_ks(loc, scale) == pytest.approx(float(gap), abs=1e-7)
