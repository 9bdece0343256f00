"""Mixtures of Gaussian laws against scipy's own mixture, quadrature and root finding."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, optimize, stats

from harness.data.latent import midpoints
from harness.data.target import Target
from harness.errors import InputError
from harness.metrics.distances import distances
from harness.metrics.noise_floor import floors


def mixture(*components: tuple[float, float, float]) -> Target:
    """The target of components (weight, loc, scale)."""
    parts = zip(*components, strict=True)
    names = ("weight", "loc", "scale")
    return Target("mixture", {f"{n}{i}": v for n, vs in zip(names, parts, strict=True) for i, v in enumerate(vs, 1)})


LAWS = {
    "overlapping": mixture((0.3, -1, 1), (0.7, 2, 0.5)),
    "two peaks": mixture((0.5, -2, 0.5), (0.5, 2, 0.5)),
    "far apart": mixture((0.3, -10, 0.1), (0.7, 10, 0.2)),
    "a spike": mixture((0.999, 0, 1), (0.001, 3, 1e-4)),
    "wide and narrow": mixture((0.5, 0, 1), (0.5, 0, 1000)),
    "eight": mixture(*((0.125, 1.5 * i, 0.2) for i in range(8))),
}

laws = pytest.mark.parametrize("target", LAWS.values(), ids=LAWS)


def scipys(target: Target) -> stats.Mixture:
    """scipy.stats's own mixture of the same components."""
    count = len(target.params) // 3
    weights, locs, scales = ([target.params[f"{n}{i + 1}"] for i in range(count)] for n in ("weight", "loc", "scale"))
    return stats.Mixture([stats.Normal(mu=m, sigma=s) for m, s in zip(locs, scales, strict=True)], weights=weights)


def points(target: Target) -> NDArray[np.float64]:
    """From the far lower to the far upper tail of every component."""
    centres = [v for k, v in target.params.items() if k.startswith("loc")]
    return np.sort(np.concatenate([np.linspace(c - 8, c + 8, 41) for c in centres]))


@laws
def test_functions_are_those_of_scipys_mixture(target: Target) -> None:
    """F, its density and the logarithms of both tails agree with scipy.stats.Mixture to 1e-12."""
    x, law = points(target), scipys(target)
    np.testing.assert_allclose(target.cdf(x), law.cdf(x), rtol=1e-12)
    np.testing.assert_allclose(target.density(x), law.pdf(x), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(target.logcdf(x), law.logcdf(x), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(target.logsf(x), law.logccdf(x), rtol=1e-12, atol=1e-15)


def test_density_is_the_derivative() -> None:
    """The integral of the density is F (scipy's quadrature, 1e-10), and its moments are mean and sd."""
    target = LAWS["overlapping"]

    def integral(power: int, upper: float = math.inf) -> float:
        cut = min(upper, 12.0)
        return float(integrate.quad(lambda x: x**power * target.density(np.array([x]))[0], -12, cut, limit=200)[0])

    assert integral(0) == pytest.approx(1, abs=1e-10)
    for x in (-2.0, 0.5, 1.9, 3.0):
        assert target.cdf(np.array([x]))[0] == pytest.approx(integral(0, x), abs=1e-10)
    assert target.frozen.mean() == pytest.approx(integral(1), abs=1e-9)
    assert target.frozen.std() == pytest.approx(math.sqrt(integral(2) - integral(1) ** 2), abs=1e-9)


def near_mass(target: Target, u: float, x: float) -> float:
    """F(x)/u - 1, or the same of the upper tail for u above 1/2: the relative error of a quantile's mass."""
    if u <= 0.5:
        return math.expm1(float(target.logcdf(np.array([x]))[0]) - math.log(u))
    return math.expm1(float(target.logsf(np.array([x]))[0]) - math.log1p(-u))


TAILS = [1e-300, 1e-100, 2.0**-53, 1e-9, 0.3, 0.5, 0.7, 1 - 1e-9, 1 - 2.0**-53]


@laws
@given(u=st.floats(1e-12, 1 - 1e-12) | st.sampled_from(TAILS))
def test_quantile_inverts_the_distribution_function(target: Target, u: float) -> None:
    """The mass beyond Q(u), on its nearer side, is u (or 1 - u) to 1e-12.

    Between components far apart no floating-point number has mass u: there Q is the last one before a step of F.
    """
    x = float(target.quantile(np.array([u]))[0])
    error = near_mass(target, u, x)
    beside = [near_mass(target, u, math.nextafter(x, end)) for end in (-math.inf, math.inf)]
    assert abs(error) < 1e-12 or min(beside) <= 0 <= max(beside)


@laws
def test_quantile_is_the_root_that_brentq_finds(target: Target) -> None:
    """Between 0.001 and 0.999 the quantiles agree with scipy's bracketing root finder.

    Both are limited by the rounding of F, 1e-15 over the density; 1e-12 is the root finder's own tolerance.
    """
    low, high = points(target)[[0, -1]]
    low, high = low - 5000, high + 5000
    for u in np.random.default_rng(1).uniform(0.001, 0.999, 25):
        root = optimize.brentq(lambda x: target.cdf(np.array([x]))[0] - u, low, high, xtol=1e-13, rtol=1e-13)  # noqa: B023
        x = target.quantile(np.array([u]))
        allowed = 1e-12 * max(1, abs(root)) + 4e-15 / target.density(x)[0]
        assert abs(x[0] - root) < allowed


@laws
def test_a_quantile_depends_on_its_own_level_alone(target: Target) -> None:
    """Alone, in an array of any shape and in any place a level has the same quantile, to the bit; order is kept."""
    u = np.random.default_rng(2).random(3000)
    x = target.quantile(u)
    assert target.quantile(u.reshape(30, 100)).tobytes() == x.tobytes()
    assert target.quantile(u[::-1])[::-1].tobytes() == x.tobytes()
    assert target.quantile(np.repeat(u, 2)[::2]).tobytes() == x.tobytes()
    assert [float(target.quantile(u[i : i + 1])[0]) for i in range(200)] == x[:200].tolist()
    assert (np.diff(target.quantile(np.sort(u))) >= 0).all()


@laws
def test_ends_of_the_levels(target: Target) -> None:
    """0 and 1 have infinite quantiles, and what is no level has none; no warning is given."""
    found = target.quantile(np.array([0.0, 1.0, -0.1, 1.1, np.nan]))
    assert found[:2].tolist() == [-np.inf, np.inf]
    assert np.isnan(found[2:]).all()


@pytest.mark.slow
@laws
def test_scores_and_floors_know_mixtures(target: Target) -> None:
    """Midpoints through the quantile function score the least KS and no W1; W1's floor is the integral by quadrature.

    The floor's integrand sqrt(F (1 - F)) is 0 to 1e-16 beyond 40 scales of the outermost components; the oracle is the
    trapezoidal rule on a million points per component.
    """
    measured = distances(target.quantile(midpoints(1000))[None], target)
    assert measured["ks"][0] == pytest.approx(1 / 2000, abs=1e-9)
    assert measured["w1"][0] < 1e-12
    found = floors(1000, target)["w1_mean"]
    count = len(target.params) // 3
    around = [
        target.params[f"loc{i}"] + target.params[f"scale{i}"] * np.linspace(-40, 40, 400_001)
        for i in range(1, count + 1)
    ]
    grid = np.unique(np.concatenate(around))
    root = np.exp((target.logcdf(grid) + target.logsf(grid)) / 2)
    assert found == pytest.approx(math.sqrt(2 / (math.pi * 1000)) * np.trapezoid(root, grid), rel=1e-5)


def test_one_component_is_a_gaussian() -> None:
    """A mixture of one is the law itself: quantiles to 1e-13 of scipy's."""
    one, norm = mixture((1.0, 4.0, 1.25)), Target()
    u = midpoints(999)
    np.testing.assert_allclose(one.quantile(u), norm.quantile(u), rtol=1e-13)
    np.testing.assert_allclose(one.cdf(one.quantile(u)), u, rtol=1e-13)


@laws
def test_text_names_the_mixture(target: Target) -> None:
    """The text of a mixture is one line that gives it back."""
    assert Target.parse(target.text) == target
    assert target.text.startswith("mixture(loc1=")


def test_weights_may_be_rounded_to_six_digits() -> None:
    """Three weights of 0.333333 are thirds: they are divided by their sum."""
    thirds = mixture(*((0.333333, float(i), 0.5) for i in range(3)))
    assert thirds.cdf(np.array([1.0]))[0] == pytest.approx(0.5, abs=1e-15)
    assert thirds.cdf(np.array([100.0]))[0] == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "unknown: none, missing: weight1, loc1, scale1"),
        ({"loc": 0.0, "weight1": 1.0, "loc1": 0.0, "scale1": 1.0}, "unknown: loc, missing: none"),
        ({"weight1": 1.0, "loc1": 0.0}, "missing: scale1"),
        ({"weight2": 1.0, "loc2": 0.0, "scale2": 1.0}, "missing: weight1, loc1, scale1"),
        ({"weight1": 1.0, "loc1": 0.0, "scale1": 1.0, "loc2": 0.0}, "unknown: loc2"),
        ({"weight1": 0.5, "loc1": 0.0, "scale1": 1.0}, "weights 0.5, which sum to 0.5; allowed: positive weights"),
        (
            {"weight1": 1.5, "loc1": 0.0, "scale1": 1.0, "weight2": -0.5, "loc2": 0.0, "scale2": 1.0},
            "weights 1.5, -0.5, which sum to 1; allowed: positive weights",
        ),
        ({"weight1": 1.0, "loc1": 0.0, "scale1": 0.0}, "scales must be positive"),
        ({"weight1": 1.0, "loc1": math.nan, "scale1": 1.0}, "outside its domain"),
        ({"weight1": 1.0, "loc1": 0.0, "scale1": math.inf}, "outside its domain"),
        ({"weight1": math.nan, "loc1": 0.0, "scale1": 1.0}, "weights nan, which sum to nan"),
        ({"weight101": 1.0}, "up to 100; unknown: weight101"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_faulty_mixtures_are_refused_in_one_line(params: dict[str, float], said: str) -> None:
    """Incomplete components, unknown names, weights that are no weights and scales that are none."""
    with pytest.raises(InputError) as refusal:
        Target("mixture", params)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
