"""Noise floors against simulation, exact laws and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from harness.data.latent import midpoints
from harness.data.target import Target
from harness.metrics.distances import distances
from harness.metrics.noise_floor import floors

SCRIPT_TARGET = Target("norm", {"loc": 4.0, "scale": 1.25})
#: Laws with a heavy tail or an unbounded density.
HEAVY = [
    Target("t", {"df": 2.0}),
    Target("lognorm", {"s": 1.0}),
    Target("cauchy", {"loc": 3.0}),
    Target("gamma", {"a": 0.5}),
]
LAWS = [SCRIPT_TARGET, Target("uniform", {}), Target("expon", {"scale": 2.0}), Target("t", {"df": 5.0})]


@pytest.mark.parametrize(
    ("n", "mean", "p95", "p99", "w1"),
    [
        (100, 0.0852, 0.1340, 0.1608, 0.161),
        (500, 0.0385, 0.0604, 0.0724, 0.072),
        (1_000, 0.0273, 0.0428, 0.0513, 0.051),
        (10_000, 0.0087, 0.0136, 0.0163, 0.016),
        (100_000, 0.0027, 0.0043, 0.0051, 0.005),
    ],
)
def test_floors_of_the_scripts_target(n: int, mean: float, p95: float, p99: float, w1: float) -> None:
    """The floors round to the values of an independent simulation; W1's is 1.288 sd/sqrt(n)."""
    floor = floors(n, SCRIPT_TARGET)
    rounded = [round(floor[key] or 0.0, 4) for key in ("ks_mean", "ks_p95", "ks_p99")]
    assert rounded == [mean, p95, p99]
    assert floor["w1_mean"] == pytest.approx(w1, abs=5e-4)
    assert floor["ks_stratified"] == 0.5 / n
    assert floors(n) == {name: value for name, value in floor.items() if name != "w1_mean"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "bias"), list(zip(LAWS, (0.01, 0.01, 0.01, 0.1), strict=True)), ids=["norm", "uniform", "expon", "t"]
)
def test_floors_are_what_the_target_itself_scores(target: Target, bias: float) -> None:
    """2,000 samples of 1,000 draws have the floors' mean KS and W1 and share of exceedance.

    Fixed seed. Tolerance four standard errors, of the mean from the simulation's own spread, of a share p from
    sqrt(p (1 - p)/2000). W1's floor is a limit, reached slowly where tails are heavy: ``bias`` of it is allowed.
    """
    measured = distances(target.quantile(np.random.default_rng(8).random((2_000, 1_000))), target)
    floor = {name: value or 0.0 for name, value in floors(1_000, target).items()}
    for name, allowed in (("ks", 0.0), ("w1", bias * floor["w1_mean"])):
        error = measured[name].std() / math.sqrt(2_000)
        assert measured[name].mean() == pytest.approx(floor[f"{name}_mean"], abs=4 * error + allowed)
    for name, share in (("ks_median", 0.5), ("ks_p95", 0.05), ("ks_p99", 0.01)):
        exceeding = (measured["ks"] > floor[name]).mean()
        assert exceeding == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 2_000))


def test_mean_floor_above_a_thousand_is_that_of_the_exact_law() -> None:
    """The series used above n = 1000 agrees to 5e-5 with the integral of P(D_n > d) over d, at n = 1001."""
    exact = integrate.quad(lambda d: stats.kstwo.sf(d, 1_001), 0, 0.2, limit=200)[0]
    assert floors(1_001)["ks_mean"] == pytest.approx(exact, rel=5e-5)


def test_w1_floors_in_closed_form() -> None:
    """The integral of sqrt(F (1 - F)) by hand: pi/8 for U(0, 1), pi/2 for Exp(1); infinite for the Cauchy law and t(2).

    With v = F: U: integral of sqrt(v (1 - v)) = B(3/2, 3/2) = pi/8; Exp: of sqrt(v/(1 - v)) = B(3/2, 1/2) = pi/2.
    """
    unit = math.sqrt(2 / (math.pi * 50))
    for law, integral in (("uniform", math.pi / 8), ("expon", math.pi / 2)):
        far_and_small = Target(law, {"loc": 1e5, "scale": 0.01})
        assert floors(50, Target(law, {}))["w1_mean"] == pytest.approx(unit * integral, rel=1e-7)
        assert floors(50, far_and_small)["w1_mean"] == pytest.approx(unit * integral * 0.01, rel=1e-6)
    assert floors(50, Target("cauchy", {}))["w1_mean"] is None
    assert floors(50, Target("t", {"df": 2.0}))["w1_mean"] is None


@given(
    st.integers(1, 5_000), st.sampled_from([*LAWS, Target("gamma", {"a": 0.5}), Target("cauchy", {"loc": 3.0}), *HEAVY])
)
@settings(max_examples=50, deadline=None)
def test_midpoints_reach_the_least_distance(n: int, target: Target) -> None:
    """Midpoints through the quantile function score ks = 1/(2n) and w1 = 0, the least that n points can.

    Tolerance 1e-7: scipy's quantiles of t and gamma are iterative.
    """
    noise = midpoints(n)
    assert noise.dtype == np.float64
    assert noise.tolist() == [(i - 0.5) / n for i in range(1, n + 1)]
    measured = distances(target.quantile(noise)[None], target)
    assert measured["ks"][0] == pytest.approx(1 / (2 * n), abs=1e-7)
    assert measured["w1"][0] == 0.0


def test_floors_need_a_sample() -> None:
    """There is no floor of no draws."""
    for floor in (midpoints, floors):
        with pytest.raises(ValueError, match="at least 1, not 0"):
            floor(0)
