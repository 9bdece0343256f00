"""Targets: laws by name, their functions far from their centre, and what is refused."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.data.target import Target, continuous_laws
from harness.errors import InputError

SCRIPT_TARGET = Target("norm", {"loc": 4.0, "scale": 1.25})

EXAMPLES = [
    SCRIPT_TARGET,
    Target("uniform", {"loc": -1.0, "scale": 3.0}),
    Target("expon", {"scale": 0.5}),
    Target("laplace", {"loc": 2.0}),
    Target("logistic", {"loc": 2.0, "scale": 3.0}),
    Target("t", {"df": 2.5}),
    Target("lognorm", {"s": 0.8}),
    Target("gamma", {"a": 0.4}),
    Target("beta", {"a": 2.0, "b": 3.0}),
]

#: Laws whose scipy formulas overflow, round below 0 or give nan at some of FAR.
DELICATE = [
    Target("gumbel_r", {}),
    Target("weibull_max", {"c": 2.9}),
    Target("vonmises", {"kappa": 4.0}),
    Target("mielke", {"k": 10.4, "s": 4.6}),
    Target("fisk", {"c": 3.1}),
]

FAR = np.array([-1e150, -1e100, -1e30, -1e5, -100.0, -1.0, 0.0, 1e-300, 0.3, 1.0, 100.0, 1e5, 1e30, 1e100, 1e150])


@pytest.mark.parametrize("target", EXAMPLES, ids=lambda target: target.text)
@given(u=st.floats(1e-9, 1 - 1e-9))
@settings(max_examples=50)
def test_quantile_inverts_the_distribution_function(target: Target, u: float) -> None:
    """F(Q(u)) is u. Tolerance 1e-9: scipy's quantiles of t and gamma are iterative or rational approximations."""
    x = target.quantile(np.array([u]))
    assert target.cdf(x)[0] == pytest.approx(u, rel=1e-9, abs=1e-12)


def test_functions_are_those_of_scipy() -> None:
    """All five functions have the bits of the frozen scipy law, also where a shorter way to them is taken."""
    u = np.random.default_rng(0).random((3, 1000))
    for target in EXAMPLES:
        x = target.quantile(u)
        assert x.tobytes() == target.frozen.ppf(u).tobytes(), target.text
        assert target.cdf(x).tobytes() == target.frozen.cdf(x).tobytes(), target.text
        assert target.logcdf(x).tobytes() == target.frozen.logcdf(x).tobytes(), target.text
        assert target.logsf(x).tobytes() == target.frozen.logsf(x).tobytes(), target.text
        assert target.density(x).tobytes() == target.frozen.pdf(x).tobytes(), target.text


def test_float32_probabilities_give_float64_quantiles() -> None:
    """The quantiles of float32 draws are those of the same numbers in float64."""
    u: Any = np.random.default_rng(1).random(100, dtype=np.float32)
    for target in EXAMPLES:
        x = target.quantile(u)
        assert x.dtype == np.float64
        assert x.tobytes() == target.quantile(u.astype(np.float64)).tobytes()


@pytest.mark.parametrize("deviations", [-50.0, -10.0, 3.0, 10.0, 50.0])
def test_log_probabilities_hold_in_both_tails(deviations: float) -> None:
    """log F and log(1 - F) of the Gaussian agree with 50 digits where F is 0 or 1 in float64.

    The oracle is erfc at 50 digits: F(z) = erfc(-z / sqrt(2)) / 2.
    """
    x = np.array([4.0 + 1.25 * deviations])
    with mpmath.workdps(50):
        below = mpmath.log(mpmath.erfc(-mpmath.mpf(deviations) / mpmath.sqrt(2)) / 2)
        above = mpmath.log(mpmath.erfc(mpmath.mpf(deviations) / mpmath.sqrt(2)) / 2)
    assert SCRIPT_TARGET.logcdf(x)[0] == pytest.approx(float(below), rel=1e-13)
    assert SCRIPT_TARGET.logsf(x)[0] == pytest.approx(float(above), rel=1e-13)


@pytest.mark.parametrize("target", EXAMPLES + DELICATE, ids=lambda target: target.text)
def test_far_points_have_probabilities_and_no_warning(target: Target) -> None:
    """Up to 1e150 either side, F is in [0, 1] and ascending, log F and log(1 - F) are at most 0, never nan.

    Warnings are errors here, so this also holds that none is given.
    """
    values = target.cdf(FAR)
    assert ((values >= 0) & (values <= 1)).all()
    assert (np.diff(values) >= 0).all()
    assert (values[0], values[-1]) == (0.0, pytest.approx(1.0, abs=1e-9))
    for logs in (target.logcdf(FAR), target.logsf(FAR)):
        assert (logs <= 0).all()  # false for nan


def test_nan_stays_nan() -> None:
    """A nan goes through every function as nan: it is for the scoring to name it."""
    nan = np.array([np.nan, 1.0])
    for target in EXAMPLES + DELICATE:
        for function in (target.cdf, target.logcdf, target.logsf):
            assert np.isnan(function(nan)).tolist() == [True, False], target.text


def test_text_is_canonical() -> None:
    """Order and type of the parameters do not show in the text, which names the law in one line."""
    assert Target().text == "norm(loc=4, scale=1.25)"
    assert Target("norm", {"scale": 1.25, "loc": 4}).text == Target().text
    assert Target("norm", {"scale": 1.25, "loc": 4}) == Target()
    assert hash(Target("norm", {"scale": 1.25, "loc": 4})) == hash(Target())
    parameter: Any = np.float32(0.5)
    assert Target("gamma", {"a": parameter}).text == "gamma(a=0.5)"


def test_every_continuous_law_is_offered() -> None:
    """The names are scipy's own list of continuous laws, without the discrete ones."""
    names = continuous_laws()
    assert {"norm", "cauchy", "johnsonsu", "t"} <= set(names)
    assert not {"poisson", "rv_continuous", "multivariate_normal"} & set(names)
    assert all(isinstance(getattr(stats, name), stats.rv_continuous) for name in names)


@pytest.mark.parametrize(
    ("law", "params", "said"),
    [
        ("nrom", {}, "target.law: 'nrom' is not a continuous law of scipy.stats, nor mixture; nearest: 'norm'"),
        ("mixtures", {}, "nearest: 'mixture'"),
        ("lognormal", {}, "nearest: 'lognorm'"),
        ("poisson", {"mu": 1.0}, "target.law: 'poisson' is not a continuous law"),
        ("__class__", {}, "is not a continuous law"),
        ("", {}, "target.law: '' is not a continuous law"),
        (3, {}, "target.law: 3 is not a continuous law"),
        ("t", {}, "target: t takes df, loc, scale; unknown: none, missing: df"),
        ("norm", {"mean": 4.0}, "target: norm takes loc, scale; unknown: mean, missing: none"),
        ("norm", {"scale": 0.0}, "scale must be positive"),
        ("norm", {"scale": -1.0}, "scale must be positive"),
        ("t", {"df": 0.0}, "t(df=0) is outside the law's domain"),
        ("norm", {"loc": math.nan}, "outside the law's domain"),
        ("norm", {"scale": math.inf}, "outside the law's domain"),
        ("norm", {"loc": "4"}, "target.loc: got '4'; allowed: a number"),
        ("norm", {"loc": None}, "target.loc: got None; allowed: a number"),
        ("norm", {"scale": True}, "target.scale: got True; allowed: a number"),
        ("norm", {"loc": 10**400}, "target.loc: got a number beyond 1.8e308"),
    ],
    ids=lambda value: str(value)[:30] or "empty",
)
def test_bad_laws_are_refused_in_one_line(law: str, params: dict[str, float], said: str) -> None:
    """Unknown laws offer the nearest name; missing, unknown and senseless parameters are named."""
    with pytest.raises(InputError) as refusal:
        Target(law, params)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
