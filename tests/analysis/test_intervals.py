"""Intervals and tests of the comparison: known values, and named results for degenerate samples."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.intervals import (
    STATISTICS,
    Interval,
    expanded_level,
    holm,
    interval_of,
    noise_floor,
    signed_rank,
    success_interval,
)

VALUES = st.lists(st.sampled_from([0.0, 0.01, 0.02, 0.3, 1.0]), max_size=8)


@settings(max_examples=40, deadline=None)
@given(VALUES, st.sampled_from(sorted(STATISTICS)))
def test_interval_is_never_nan(values: list[float], statistic: str) -> None:
    """Samples with ties, of one value or none, get finite ends around which the sample's range closes, or None."""
    found = interval_of(values, statistic)  # type: ignore[arg-type]
    if not values:
        assert (found.estimate, found.low, found.high, found.method) == (None, None, None, "no values")
        return
    assert found.estimate is not None
    assert found.low is not None
    assert found.high is not None
    assert min(values) - 1e-12 <= found.low <= found.high <= max(values) + 1e-12


def test_degenerate_samples_are_named() -> None:
    """One value and equal values give the point and say so."""
    assert interval_of([0.2]).method == "one value"
    assert interval_of([0.2] * 5).method == "all values equal"


def test_undefined_bca_falls_back_to_percentile() -> None:
    """Nine ones and one 0.9: every jackknife IQM is 1, so BCa has no acceleration and the percentile stands in."""
    found = interval_of([1.0] * 9 + [0.9], "iqm")
    assert found.method == "percentile"
    assert (found.estimate, found.high) == (1.0, 1.0)


def test_interval_repeats() -> None:
    """The interval is the same when asked again, and for the values in another order."""
    assert interval_of([0.1, 0.2, 0.4], "mean") == interval_of([0.4, 0.1, 0.2], "mean")


def test_median_interval_by_hand() -> None:
    """Of 1..10: g_2 = 1 - 2 * 11/1024 = 0.97852, g_3 = 1 - 2 * 56/1024 = 0.89063, so I = (g_2 - 0.95)/(g_2 - g_3) =
    0.32444 and lambda = 8 I/(2 + 6 I) = 0.65766: from 2 + 0.65766 to 9 - 0.65766. Of five values the range.
    """
    found = interval_of(np.arange(1.0, 11.0))
    assert (found.estimate, found.method) == (5.5, "order statistics")
    assert (found.low, found.high) == (pytest.approx(2.65766, abs=1e-5), pytest.approx(8.34234, abs=1e-5))
    assert interval_of([3.0, 1.0, 2.0, 5.0, 4.0]) == Interval(3.0, 1.0, 5.0, "range")


@pytest.mark.parametrize("n", [6, 7, 12, 33, 128])
def test_median_interval_lies_between_exact_ones(n: int) -> None:
    """The ends lie between those of the narrowest exact interval of at least 95 % that scipy finds and one inward."""
    sample = np.sort(np.random.default_rng(n).normal(size=n))
    exact = stats.quantile_test(sample, p=0.5).confidence_interval(0.95)
    low, high = np.searchsorted(sample, [exact.low, exact.high])
    found = interval_of(sample)
    assert sample[low] <= found.low <= sample[low + 1]
    assert sample[high - 1] <= found.high <= sample[high]


def test_expanded_level() -> None:
    """n = 32: 2 Phi(2.0395 sqrt(32/31)) - 1 = 0.9618; it tends to 0.95."""
    assert expanded_level(32) == pytest.approx(0.9618, abs=1e-4)
    assert expanded_level(10**6) == pytest.approx(0.95, abs=1e-5)


def test_wilson_by_its_formula() -> None:
    """8 of 10: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), z = 1.959964; 0 of 10 does not end at 0."""
    z, p, n = 1.959963984540054, 0.8, 10
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    found = success_interval(8, 10)
    assert found.low == pytest.approx((centre - half) / (1 + z * z / n), abs=1e-12)
    assert found.high == pytest.approx((centre + half) / (1 + z * z / n), abs=1e-12)
    assert success_interval(0, 10).low == 0
    assert success_interval(0, 10).high == pytest.approx(z * z / n / (1 + z * z / n), abs=1e-12)
    assert success_interval(0, 0).method == "no values"


def test_signed_rank_of_small_samples() -> None:
    """Five positive differences: 2/2^5 = 0.0625. No difference, or one pair, or none: 1."""
    assert signed_rank([0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx(0.0625)
    assert signed_rank([0.0] * 12) == 1.0
    assert signed_rank([0.7]) == 1.0
    assert signed_rank([]) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.1, 0.0, 0.1, 1.0]), max_size=9))
def test_signed_rank_is_a_probability(differences: list[float]) -> None:
    """Ties and zeros give a p-value in (0, 1], the same when all signs turn."""
    p = signed_rank(differences)
    assert 0 < p <= 1
    assert signed_rank([-d for d in differences]) == pytest.approx(p)


def test_holm_by_hand() -> None:
    """p = .01, .04, .03: sorted times 3, 2, 1 is .03, .06, .04, and the running maximum .03, .06, .06."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_none_and_bonferroni(p_values: list[float]) -> None:
    """Corrected values are at least the given ones, at most m times them and 1, and in the same order."""
    corrected = holm(p_values)
    for p, q in zip(p_values, corrected, strict=True):
        assert p <= q <= 1
    assert min(corrected) <= min(1.0, len(p_values) * min(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(corrected)[order]) >= 0)


def test_noise_floor_against_draws() -> None:
    """The mean KS distance of 2,000 samples of 500 uniform draws lies within 4 standard errors of the stated floor."""
    n, samples = 500, 2000
    u = np.sort(np.random.default_rng(0).random((samples, n)), axis=1)
    levels = np.arange(n + 1) / n
    distances = np.maximum(levels[1:] - u, u - levels[:-1]).max(axis=1)
    assert noise_floor(n) == pytest.approx(distances.mean(), abs=4 * stats.sem(distances))
