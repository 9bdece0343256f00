"""The probability that an arm comes nearer than another, against its definition and scipy's U."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.fabricated import fabricate_sweep

from analysis.improvement import improvement, probability_of_improvement

SCORES = st.lists(st.sampled_from([0.01, 0.02, 0.05, 0.3, 1.0]), min_size=1, max_size=9)


def brute(x: list[float], y: list[float]) -> float:
    """Agarwal et al. (2021), eq. of sec. 4.3: the mean over all pairs of 1 where x < y, 1/2 where equal."""
    return float(np.mean([1.0 if a < b else 0.5 if a == b else 0.0 for a, b in itertools.product(x, y)]))


@given(SCORES, SCORES)
def test_estimate_is_its_definition(x: list[float], y: list[float]) -> None:
    """The estimate is the mean over all pairs, and Mann and Whitney's U over n m, whatever seeds are missing."""
    width = len(x) + len(y)
    own, other = np.full(width, np.nan), np.full(width, np.nan)
    own[: len(x)], other[-len(y) :] = x, y
    estimate, low, high = probability_of_improvement(own, other)
    assert estimate == pytest.approx(brute(x, y))
    assert estimate == pytest.approx(stats.mannwhitneyu(y, x, method="asymptotic").statistic / (len(x) * len(y)))
    if min(len(x), len(y)) > 1:
        assert 0 <= low <= estimate + 1e-12
        assert estimate - 1e-12 <= high <= 1


@given(st.lists(st.tuples(*[st.sampled_from([0.01, 0.02, 0.05, 0.3, 1.0])] * 2), min_size=2, max_size=9))
def test_the_two_ways_add_up(pairs: list[tuple[float, float]]) -> None:
    """P of one over the other and back add up to 1, and so do the ends of their intervals."""
    x, y = np.array(pairs).T
    one, back = probability_of_improvement(x, y), probability_of_improvement(y, x)
    assert one[0] + back[0] == pytest.approx(1)
    assert one[1] + back[2] == pytest.approx(1)


def test_no_overlap_is_no_point() -> None:
    """Of 8 seeds that are all nearer: 1, from below 0.62 on: z^2/(8 + z^2), z = 2.3646, is 0.411."""
    estimate, low, high = probability_of_improvement(np.full(8, 0.1), np.full(8, 0.2))
    assert (estimate, high) == (1.0, 1.0)
    z = stats.t.ppf(0.975, 7)
    assert low == pytest.approx(1 - z**2 / (8 + z**2))


def test_variance_counts_pairs() -> None:
    """An arm against itself shifted by a hair: on the same seeds it wins each, yet over all pairs about half.

    By seed the projections of the two cancel but for the diagonal, so the interval is narrower than that of
    independent seeds, where none is shared.
    """
    x = np.random.default_rng(0).normal(size=30)
    paired = probability_of_improvement(x, x + 1e-9)
    nan = np.full(30, np.nan)
    apart = probability_of_improvement(np.concatenate([x, nan]), np.concatenate([nan, x + 1e-9]))
    assert paired[0] == apart[0] == pytest.approx(0.5 + 0.5 / 30)
    assert paired[2] - paired[1] < 0.7 * (apart[2] - apart[1])


def test_one_seed_has_no_interval() -> None:
    """One seed: the estimate, and NaN for the ends; none: NaN for all."""
    estimate, low, high = probability_of_improvement(np.array([0.1]), np.array([0.2]))
    assert estimate == 1.0
    assert math.isnan(low)
    assert math.isnan(high)
    assert all(map(math.isnan, probability_of_improvement(np.array([np.nan]), np.array([0.2]))))


def test_rows_are_ordered_pairs_of_a_view(tmp_path: Path) -> None:
    """Every ordered pair of arms of a view has a row; the nearest arm has the largest probabilities."""
    found = improvement(fabricate_sweep(tmp_path / "s").frame())
    assert len(found) == 4 * 3
    assert found[found["other"].str.startswith("flipped_labels")]["estimate"].min() > 0.9
