"""Maps of learning rates: every trial in its cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.report.sections.search import learning_rate_map

RATES = st.floats(1e-6, 1.0)


def trials(rates: list[tuple[float, float]], scores: list[float], lost: list[int]) -> pd.DataFrame:
    """Trials of one arm with four seeds each."""
    d, g = np.array(rates).T
    return pd.DataFrame({"arm": "a", "lr_d": d, "lr_g": g, "score": scores, "lost": lost, "seeds": 4})


@given(st.lists(st.tuples(RATES, RATES), min_size=1, max_size=12), st.integers(1, 6))
def test_every_trial_is_in_one_cell(rates: list[tuple[float, float]], bins: int) -> None:
    """Counts add up, a trial's rates lie within exactly one cell, and at most bins x bins cells are told."""
    found = learning_rate_map(trials(rates, [0.5] * len(rates), [0] * len(rates)), bins=bins)
    assert found["trials"].sum() == len(rates)
    assert len(found) <= bins**2
    for d, g in rates:
        inside = (found["lr_d_low"] <= d * (1 + 1e-9)) & (d <= found["lr_d_high"] * (1 + 1e-9))
        inside &= (found["lr_g_low"] <= g * (1 + 1e-9)) & (g <= found["lr_g_high"] * (1 + 1e-9))
        assert inside.any()


def test_a_cell_by_hand() -> None:
    """Two cells a side from 1e-4 to 1e-2: three trials below 1e-3 in both rates, one above; median and lost share."""
    rates = [(1e-4, 1e-4), (2e-4, 3e-4), (5e-4, 5e-4), (1e-2, 1e-2)]
    found = learning_rate_map(trials(rates, [0.1, 0.2, 0.9, 1.0], [0, 0, 2, 4]), bins=2)
    assert found["trials"].tolist() == [3, 1]
    assert found["score"].tolist() == [0.2, 1.0]
    assert found["lost"].tolist() == pytest.approx([2 / 12, 1.0])
    assert found["lr_g_high"].tolist() == pytest.approx([1e-3, 1e-2])


def test_arms_share_edges_and_keep_their_order() -> None:
    """The cells of all arms have the same edges, arms stand in the order given, and rates of 0 are left out."""
    one, two = trials([(1e-4, 1e-4)], [0.1], [0]), trials([(1e-2, 1e-2), (0.0, 1e-3)], [0.2, 0.3], [0, 0])
    found = learning_rate_map(pd.concat([one, two.assign(arm="b")]), ["b", "a"], bins=4)
    assert found["arm"].tolist() == ["b", "a"]
    assert found["trials"].tolist() == [1, 1]
    assert found["lr_d_low"].min() == pytest.approx(1e-4)
    assert learning_rate_map(one.iloc[:0]).empty
