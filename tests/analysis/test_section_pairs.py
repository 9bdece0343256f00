"""All arms against all: mean ranks and critical difference against published numbers and brute force; pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fabricated import fabricate_sweep

from analysis.report.sections.pairs import average_ranks, critical_difference, improvement, ranked


def test_critical_difference_of_the_paper() -> None:
    """Demsar (2006), sec. 3.2.2: of four classifiers on 14 data sets: 2.569 sqrt(20/84) = 1.25."""
    assert critical_difference(4, 14) == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)


def test_ranks_by_hand() -> None:
    """Two seeds, three arms: ranks 1 2 3 and 1.5 1.5 3, means 1.25, 1.75, 3; nobody differs with two seeds."""
    scores = pd.DataFrame({"a": [0.1, 0.2], "b": [0.2, 0.2], "c": [1.0, 1.0]})
    found = ranked("raw", scores)
    assert found.ranks == {"a": 1.25, "b": 1.75, "c": 3.0}
    assert found.groups == (("a", "b", "c"),)


def test_arms_that_are_always_alike() -> None:
    """All members lost: every arm has the middle rank and nothing speaks against their being alike."""
    found = ranked("raw", pd.DataFrame(np.ones((5, 3)), columns=list("abc")))
    assert set(found.ranks.values()) == {2.0}
    assert found.friedman_p == 1.0


def test_clear_order_has_no_groups() -> None:
    """Three arms in the same order on 40 seeds: 1 apart, beyond the critical difference 0.52, and p < 1e-10."""
    scores = pd.DataFrame({"a": np.full(40, 0.1), "b": np.full(40, 0.2), "c": np.full(40, 0.3)})
    found = ranked("raw", scores)
    assert found.groups == ()
    assert found.friedman_p < 1e-10


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=2, max_size=6))
def test_groups_are_what_is_not_told_apart(seeds: list[list[float]]) -> None:
    """Two arms share a group exactly if their mean ranks are less than the difference apart; none holds another."""
    found = ranked("raw", pd.DataFrame(seeds, columns=list("abcd")))
    for one in found.ranks:
        for other in found.ranks:
            close = abs(found.ranks[one] - found.ranks[other]) < found.critical_difference
            if one != other:
                assert close == any({one, other} <= set(group) for group in found.groups)
    sets = [set(group) for group in found.groups]
    assert not any(a < b for a in sets for b in sets)


def test_views_are_ranked_apart(tmp_path: Path) -> None:
    """A fabricated sweep of one view: its arms on their ten shared confirm seeds, the runaway last."""
    (found,) = average_ranks(fabricate_sweep(tmp_path / "s").frame())
    assert (found.view, found.seeds) == ("variances", 10)
    assert list(found.ranks)[-1].startswith("flipped_labels")


def test_rows_are_ordered_pairs_of_a_view(tmp_path: Path) -> None:
    """Every ordered pair of arms of a view has a row; the nearest arm has the largest probabilities."""
    found = improvement(fabricate_sweep(tmp_path / "s").frame())
    assert len(found) == 4 * 3
    assert found[found["other"].str.startswith("flipped_labels")]["estimate"].min() > 0.9
