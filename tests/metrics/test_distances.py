"""Scores against scipy, 50-digit arithmetic and closed forms; states of bad samples."""

import json
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from harness.data.latent import midpoints
from harness.data.target import Float64, Target
from harness.metrics.distances import (
    DISTANCES,
    LOG_FLOOR,
    distances,
    ks_distance,
    ks_test,
    sample_states,
    score,
)
from harness.store import QUANTILE_LEVELS, SCHEMA

SCRIPT_TARGET = Target("norm", {"loc": 4.0, "scale": 1.25})


@st.composite
def laws(draw: st.DrawFn) -> Target:
    """One of seven laws with a drawn shape, location and scale."""
    shape = draw(st.floats(0.3, 20))
    shapes = {"norm": {}, "uniform": {}, "expon": {}, "laplace": {}, "lognorm": {"s": shape / 10}}
    shapes |= {"t": {"df": 1 + shape}, "gamma": {"a": shape}}
    law = draw(st.sampled_from(sorted(shapes)))
    return Target(law, {**shapes[law], "loc": draw(st.floats(-5, 5)), "scale": draw(st.floats(0.1, 10))})


@st.composite
def samples(draw: st.DrawFn, largest: int = 200) -> tuple[Float64, Target]:
    """(P, S) draws of a law, shifted and stretched by up to three quartile distances, some of them with ties."""
    target = draw(laws())
    members, n = draw(st.integers(1, 4)), draw(st.integers(1, largest))
    x_PS = target.quantile(np.random.default_rng(draw(st.integers(0, 2**32))).random((members, n)))
    low, middle, high = target.quantile(np.array([0.25, 0.5, 0.75]))
    x_PS = middle + (x_PS - middle) * draw(st.floats(0, 3)) + (high - low) * draw(st.floats(-3, 3))
    if draw(st.booleans()):
        x_PS = np.round(x_PS, draw(st.integers(0, 1)))
    return x_PS, target


@given(samples())
@settings(max_examples=150, deadline=None)
def test_scores_are_those_of_scipy_and_numpy(drawn: tuple[Float64, Target]) -> None:
    """KS statistic and p-value equal scipy.stats.ks_1samp with its default (exact) method, to 1e-12.

    cvm equals scipy.stats.cramervonmises, mean and sd numpy's, to 1e-10 of the largest value: roundoff of sums.
    """
    x_PS, target = drawn
    ks_P, pvalue_P = ks_test(x_PS, target)
    measured = distances(x_PS, target)
    assert ks_distance(x_PS, target).tobytes() == ks_P.tobytes() == measured["ks"].tobytes()
    size, n = np.abs(x_PS).max(), x_PS.shape[1]
    for p, x_S in enumerate(x_PS):
        ks = stats.ks_1samp(x_S, target.frozen.cdf)
        assert (ks_P[p], pvalue_P[p]) == pytest.approx((ks.statistic, ks.pvalue), abs=1e-12)
        assert 1 / (2 * n) - 1e-15 <= ks_P[p] <= 1
        assert (measured["mean"][p], measured["sd"][p]) == pytest.approx((x_S.mean(), x_S.std()), abs=1e-10 * size)
        if n > 1:  # scipy needs two values
            assert measured["cvm"][p] == pytest.approx(
                stats.cramervonmises(x_S, target.frozen.cdf).statistic, rel=1e-10
            )


@pytest.mark.slow
@given(samples())
@settings(max_examples=100, deadline=None)
def test_w1_is_that_of_scipy_to_a_fine_sample_of_the_law(drawn: tuple[Float64, Target]) -> None:
    """w1 is the two-sample distance to the n midpoint quantiles, and near that to 20,000 of them.

    By the triangle inequality the second differs by no more than the two midpoint samples do from one another.
    """
    x_PS, target = drawn
    coarse, fine = (target.quantile(midpoints(n)) for n in (x_PS.shape[1], 20_000))
    spacing = stats.wasserstein_distance(coarse, fine)
    for x_S, w1 in zip(x_PS, distances(x_PS, target)["w1"], strict=True):
        assert w1 == pytest.approx(stats.wasserstein_distance(x_S, coarse), rel=1e-9, abs=1e-12)
        assert abs(w1 - stats.wasserstein_distance(x_S, fine)) <= spacing * (1 + 1e-9) + 1e-12


def probabilities(target: Target, x: float) -> tuple[mpmath.mpf, mpmath.mpf]:
    """F(x) and 1 - F(x) from the textbook formulas, at the working precision of mpmath.

    x is standardised in float64 as scipy does it: next to an end of a support that rounding is all of 1 - F.
    """
    p = target.params
    z = mpmath.mpf((x - p["loc"]) / p["scale"])
    if target.law in ("norm", "lognorm"):
        if target.law == "lognorm":
            z = mpmath.log(z) / mpmath.mpf(p["s"]) if z > 0 else mpmath.mpf("-inf")
        return mpmath.erfc(-z / mpmath.sqrt(2)) / 2, mpmath.erfc(z / mpmath.sqrt(2)) / 2
    if target.law == "t":
        df = mpmath.mpf(p["df"])
        tail = mpmath.betainc(df / 2, 0.5, 0, df / (df + z * z), regularized=True) / 2
        return (tail, 1 - tail) if z < 0 else (1 - tail, tail)
    if target.law == "laplace":
        tail = mpmath.exp(-abs(z)) / 2
        return (tail, 1 - tail) if z < 0 else (1 - tail, tail)
    if z <= 0:
        return mpmath.mpf(0), mpmath.mpf(1)
    if target.law == "uniform":
        return min(z, mpmath.mpf(1)), max(1 - z, mpmath.mpf(0))
    a = mpmath.mpf(p.get("a", 1))  # expon is gamma with a = 1
    return mpmath.gammainc(a, 0, z, regularized=True), mpmath.gammainc(a, z, regularized=True)


@given(samples(largest=12))
@settings(max_examples=60, deadline=None)
def test_ad_agrees_with_fifty_digits(drawn: tuple[Float64, Target]) -> None:
    """ad equals -n - mean((2i-1)(log F(x_(i)) + log(1 - F(x_(n+1-i))))) at 50 digits, logs at least LOG_FLOOR.

    Tolerance 1e-8 of the sum of the terms: scipy's incomplete gamma and beta functions hold that.
    """
    x_PS, target = drawn
    for x_S, ad in zip(x_PS, distances(x_PS, target)["ad"], strict=True):
        n = x_S.size
        with mpmath.workdps(50):
            pairs = [probabilities(target, float(x)) for x in np.sort(x_S)]
            logs = [[max(mpmath.log(v), LOG_FLOOR) if v > 0 else mpmath.mpf(LOG_FLOOR) for v in pair] for pair in pairs]
            terms = [(2 * i + 1) * (logs[i][0] + logs[n - 1 - i][1]) / n for i in range(n)]
            exact, weight = float(-n - mpmath.fsum(terms)), float(n - mpmath.fsum(terms))
        assert ad == pytest.approx(exact, abs=1e-8 * weight)


def test_ad_is_the_statistic_of_goodness_of_fit() -> None:
    """ad is scipy's Anderson-Darling statistic with known parameters, not the one with fitted parameters."""
    x_S = np.random.default_rng(2).normal(4.3, 1.1, 500)
    theirs = stats.goodness_of_fit(
        stats.norm, x_S, known_params={"loc": 4.0, "scale": 1.25}, statistic="ad", n_mc_samples=1
    ).statistic
    assert distances(x_S[None], SCRIPT_TARGET)["ad"][0] == pytest.approx(theirs, rel=1e-12)


def test_ad_stays_finite_outside_a_bounded_support() -> None:
    """A point outside the support counts as one of probability 1e-300.

    One point below U(0, 1): log F at the floor, log(1 - F) = 0, so ad = -1 - LOG_FLOOR. Likewise above.
    """
    ad_P = distances(np.array([[-7.0], [7.0], [-1e150]]), Target("uniform", {}))["ad"]
    assert ad_P == pytest.approx(-1 - LOG_FLOOR)


@given(samples(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_row_has_the_same_bits_alone(drawn: tuple[Float64, Target], fortran: bool) -> None:
    """Every score of a member is bitwise the same alone or among others, and in any memory or sample order."""
    x_PS, target = drawn
    batch = score(np.asfortranarray(x_PS) if fortran else x_PS, x_PS, target, QUANTILE_LEVELS)
    for p in range(len(x_PS)):
        alone = score(x_PS[p : p + 1], x_PS[p : p + 1, ::-1], target, QUANTILE_LEVELS)
        assert alone.row(0) == batch.row(p)


def test_blocks_do_not_show() -> None:
    """More float32 values than are measured at a time (120 x 10,000 > 2^20) give the bits of single float64 rows."""
    x_PS = np.random.default_rng(3).normal(4, 1.25, (120, 10_000)).astype(np.float32)
    x_PS[77, 5] = np.nan
    together = distances(x_PS, SCRIPT_TARGET)
    assert {value_P.dtype.str for value_P in together.values()} == {"<f8"}
    for p in (0, 76, 77, 78, 103, 104, 105, 119):
        for name, value_P in distances(x_PS[p : p + 1].astype(np.float64), SCRIPT_TARGET).items():
            assert value_P.tobytes() == together[name][p : p + 1].tobytes(), (name, p)


@pytest.mark.promise("P5", "F16")
def test_states_are_named_and_never_nan() -> None:
    """nan, infinite, constant and empty samples have states; what has no number is None, ks is then 1 and p 0."""
    x_PS = np.tile(np.random.default_rng(5).normal(4, 1.25, 50), (8, 1))
    x_PS[1, 3], x_PS[2, 3], x_PS[3, 3], x_PS[4, 3] = np.nan, np.inf, -np.inf, 1e151
    x_PS[5], x_PS[6], x_PS[7, 3] = 4.0, 0.1, 1e150
    scores = score(x_PS, x_PS, SCRIPT_TARGET, (0.5,))
    expected = ["ordinary", *["nonfinite"] * 4, "constant", "constant", "ordinary"]
    assert scores.sample_state == sample_states(x_PS) == sample_states(x_PS.astype(np.longdouble)) == expected
    for p, state in enumerate(expected):
        row = scores.row(p)
        absent = {name for name, value in row.items() if value is None}
        assert absent == ({*DISTANCES[1:], "quantiles"} if state == "nonfinite" else set())
        assert json.loads(json.dumps(row, allow_nan=False)) == row
        if state == "nonfinite":
            assert (row["ks"], row["ks_iid"], row["ks_pvalue"]) == (1.0, 1.0, 0.0)
    assert scores.row(0) == score(x_PS[:1], x_PS[:1], SCRIPT_TARGET, (0.5,)).row(0)
    # All mass at the median: F jumps by 1 where the target's is 1/2. The value and 0 are exact, also for 0.1.
    assert (scores.ks[5], scores.mean[5], scores.sd[5]) == (0.5, 4.0, 0.0)
    assert (scores.mean[6], scores.sd[6], scores.quantiles[6, 0]) == (0.1, 0.0, 0.1)


def test_empty_samples_and_populations_have_scores() -> None:
    """No values: state empty, ks 1, p 0, the rest None. No members: empty arrays."""
    row = score(np.empty((2, 0)), np.empty((2, 0)), SCRIPT_TARGET, (0.5,)).row(1)
    assert row.pop("sample_state") == "empty"
    assert (row.pop("ks"), row.pop("ks_iid"), row.pop("ks_pvalue")) == (1.0, 1.0, 0.0)
    assert set(row.values()) == {None}
    nobody = score(np.empty((0, 5)), np.empty((0, 5)), SCRIPT_TARGET, (0.5,))
    assert nobody.ks.shape == nobody.ks_pvalue.shape == (0,)
    assert nobody.quantiles.shape == (0, 1)
    assert nobody.sample_state == []


def test_one_bad_sample_of_the_two_is_scored_by_itself() -> None:
    """A nonfinite independent sample has ks_iid 1 and p 0, and leaves the stratified scores as they are."""
    good = SCRIPT_TARGET.quantile(midpoints(100))[None]
    row = score(good, np.full((1, 7), np.nan), SCRIPT_TARGET).row(0)
    assert (row["ks_iid"], row["ks_pvalue"], row["sample_state"]) == (1.0, 0.0, "ordinary")
    assert row["ks"] == pytest.approx(1 / 200, abs=1e-12)


def test_rows_fit_the_store() -> None:
    """Every name in a row is a column of the store, and the quantiles are those at its levels.

    x_(i) is the quantile at (i - 1/2)/200, so the quantiles of 200 values at the 200 levels are the sorted values.
    """
    x_PS = np.random.default_rng(6).normal(4, 1.25, (1, 200))
    row = score(x_PS, x_PS, SCRIPT_TARGET, QUANTILE_LEVELS).row(0)
    assert set(row) <= set(SCHEMA.names)
    assert row["quantiles"] == pytest.approx(np.sort(x_PS[0]), abs=1e-12)


GRID = np.linspace(-6, 14, 200_001)


@pytest.mark.parametrize(
    ("law", "ks", "w1"),
    [
        (Target("uniform", {"loc": 4 - 1.25 * math.sqrt(3), "scale": 2.5 * math.sqrt(3)}), 0.057, 0.193),
        (Target("laplace", {"loc": 4.0, "scale": 1.25 / math.sqrt(2)}), 0.062, None),
        (Target("norm", {"loc": 4.0 + 0.05 * 1.25, "scale": 1.25}), 0.020, 0.0625),
        (Target("norm", {"loc": 4.0, "scale": 1.25 * 1.05}), 0.012, None),
        (Target("norm", {"loc": 0.0, "scale": 0.01}), 0.999, 4.0),
    ],
    ids=["uniform", "laplace", "mean off by 0.05 sd", "sd off by 5%", "untrained near 0"],
)
def test_anchors(law: Target, ks: float, w1: float | None) -> None:
    """10,000 stratified points of a wrong law score its true distance from N(4, 1.25).

    The true KS distance is max |G - F|, here over a grid of step 1e-4: at the maximum the densities are equal or, at
    the uniform's ends, F's slope is below 0.1, so the grid is within 1e-5 of it; the sample's is within
    1/(2n) = 5e-5. The true W1 is the integral of |G - F|. The rounded numbers are those formulas' values.
    """
    gap = np.abs(law.frozen.cdf(GRID) - SCRIPT_TARGET.frozen.cdf(GRID))
    measured = distances(law.quantile(midpoints(10_000))[None], SCRIPT_TARGET)
    assert measured["ks"][0] == pytest.approx(gap.max(), abs=6e-5)
    assert measured["ks"][0] == pytest.approx(ks, abs=5e-4)
    assert measured["w1"][0] == pytest.approx(integrate.trapezoid(gap, GRID), rel=2e-3)
    assert w1 is None or measured["w1"][0] == pytest.approx(w1, abs=5e-4)


def test_collapse_onto_the_mean() -> None:
    """All mass on 4: ks = 1/2 at the median; w1 = E|x - 4| = 1.25 sqrt(2/pi) = 0.997 (10,000 midpoints: 1e-4 less)."""
    measured = distances(np.full((1, 10_000), 4.0), SCRIPT_TARGET)
    assert measured["ks"][0] == 0.5
    assert measured["w1"][0] == pytest.approx(1.25 * math.sqrt(2 / math.pi), abs=2e-4)


def test_draws_of_the_target_pass() -> None:
    """p-values of 400 samples of 300 draws through the quantile function are uniform: that is what a p-value is.

    Fixed seed; a correct program fails on one seed in a thousand, and would not on this one.
    """
    for target in (SCRIPT_TARGET, Target("t", {"df": 3.0}), Target("gamma", {"a": 0.5})):
        u_PS = np.random.default_rng(7).random((400, 300))
        pvalue_P = ks_test(target.quantile(u_PS), target)[1]
        assert stats.ks_1samp(pvalue_P, stats.uniform.cdf).pvalue > 1e-3
