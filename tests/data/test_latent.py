"""The generator's noise: the law of the draws, and the even points that scores are taken on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.data.latent import NOISES, evenly_spread, midpoints

LAWS = {"uniform": stats.uniform(), "normal": stats.norm()}


@pytest.mark.parametrize("law", NOISES)
def test_each_noise_is_its_law(law: str) -> None:
    """Uniform draws sent through a noise's function follow scipy's law of that name."""
    u = np.random.default_rng(0).random((400, 5))
    np.testing.assert_allclose(NOISES[law](u), LAWS[law].ppf(u), rtol=1e-13)


@pytest.mark.parametrize("law", NOISES)
@given(n=st.integers(1, 3000))
def test_in_one_dimension_the_points_are_midpoints(law: str, n: int) -> None:
    """Quantiles at (i - 1/2)/n in ascending order: KS distance 1/(2n) from the law, the least that n points have.

    Tolerance 1e-12 for the rounding of scipy's distribution function.
    """
    z_SZ = evenly_spread(law, n)
    assert z_SZ.shape == (n, 1)
    assert z_SZ[:, 0].tolist() == NOISES[law](midpoints(n)).tolist()
    assert stats.ks_1samp(z_SZ[:, 0], LAWS[law].cdf).statistic == pytest.approx(1 / (2 * n), abs=1e-12)


@pytest.mark.parametrize("latent", [2, 3, 10, 64])
def test_sobol_points_are_balanced(latent: int) -> None:
    """Of 1,024 points each of 32 slices of every dimension holds 32, and each quarter of a plane 256 (a net in base 2).

    Every Sobol sequence has both in one dimension; for the first two dimensions also the quarters are equal.
    """
    u_SZ = evenly_spread("uniform", 1024, latent)
    assert u_SZ.shape == (1024, latent)
    for j in range(latent):
        assert np.bincount((u_SZ[:, j] * 32).astype(int)).tolist() == [32] * 32
    quarters = (u_SZ[:, 0] < 0.5) * 2 + (u_SZ[:, 1] < 0.5)
    assert np.bincount(quarters).tolist() == [256] * 4


@pytest.mark.parametrize("law", NOISES)
@given(n=st.integers(1, 2000), latent=st.integers(2, 20))
def test_points_are_finite_and_the_same_every_time(law: str, n: int, latent: int) -> None:
    """No point has an infinite coordinate, and two calls agree to the bit, or two runs could not be compared."""
    z_SZ = evenly_spread(law, n, latent)
    assert z_SZ.shape == (n, latent)
    assert np.isfinite(z_SZ).all()
    assert z_SZ.tobytes() == evenly_spread(law, n, latent).tobytes()


def test_even_points_judge_a_generator_better_than_draws() -> None:
    """(z1 + z2)/sqrt(2) of Gaussian noise is N(0, 1): 10,000 even points come nearer than a third of the noise floor.

    The floor is the mean KS distance of 10,000 independent draws, sqrt(pi/2) ln 2/sqrt(n) = 0.0087.
    """
    z_SZ = evenly_spread("normal", 10_000, 2)
    floor = math.sqrt(math.pi / 2) * math.log(2) / 100
    assert stats.ks_1samp(z_SZ.sum(axis=1) / math.sqrt(2), stats.norm.cdf).statistic < floor / 3


def test_there_are_no_points_of_nothing() -> None:
    """No points are refused in any dimension."""
    for latent in (1, 2):
        with pytest.raises(ValueError, match="at least 1, not 0"):
            evenly_spread("uniform", 0, latent)
