"""Intervals and tests of the comparison: known values, and named results for degenerate samples."""

import itertools
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
    probability_of_improvement,
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


SCORES = st.lists(st.sampled_from([0.01, 0.02, 0.05, 0.3, 1.0]), min_size=1, max_size=9)


def brute(x: list[float], y: list[float]) -> float:
    """Agarwal et al. (2021), eq. of sec. 4.3: the mean over all pairs of 1 where x < y, 1/2 where equal."""
    return float(np.mean([1.0 if a < b else 0.5 if a == b else 0.0 for a, b in itertools.product(x, y)]))


@given(SCORES, SCORES)
def test_estimate_is_its_definition(x: list[float], y: list[float]) -> None:
    """The estimate is the mean over all pairs, and Mann and Whitney's U over n m, whatever seeds are missing."""
    width = len(x) + len(y)
    scores, other = np.full(width, np.nan), np.full(width, np.nan)
    scores[: len(x)], other[-len(y) :] = x, y
    estimate, low, high = probability_of_improvement(scores, other)
    assert estimate == pytest.approx(brute(x, y))
    assert estimate == pytest.approx(stats.mannwhitneyu(y, x, method="asymptotic").statistic / (len(x) * len(y)))
    if min(len(x), len(y)) > 1:
        assert 0 <= low <= estimate + 1e-12
        assert estimate - 1e-12 <= high <= 1


@given(st.lists(st.tuples(*[st.sampled_from([0.01, 0.02, 0.05, 0.3, 1.0])] * 2), min_size=2, max_size=9))
def test_the_two_ways_add_up(pairs: list[tuple[float, float]]) -> None:
    """P of one over the other and back add up to 1, and so do the ends of their intervals."""
    x, y = np.array(pairs).T
    forward, back = probability_of_improvement(x, y), probability_of_improvement(y, x)
    assert forward[0] + back[0] == pytest.approx(1)
    assert forward[1] + back[2] == pytest.approx(1)


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
