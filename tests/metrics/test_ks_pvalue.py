"""The p-value of a KS distance against scipy's, which adds up every term, and against what draws show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstwo

from harness.metrics.ks_pvalue import ks_pvalue


@given(n=st.one_of(st.integers(1, 3000), st.sampled_from([10_000, 20_001])), share=st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_pvalues_are_scipys(n: int, share: float) -> None:
    """Every sample size and distance, from the least there is, 1/(2n), to 1: scipy's number within 1e-11 of it."""
    distance = (1 / (2 * n)) ** (1 - share)
    (found,) = ks_pvalue(np.array([distance]), n)
    assert found == pytest.approx(kstwo.sf(distance, n), rel=1e-11, abs=1e-300)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1000, 10_000, 40_000])
def test_the_sum_of_few_terms_is_that_of_all(n: int) -> None:
    """For n D^2 from 2.2 to 370, where only a part of the terms is used, and just beyond, the p-value is exact."""
    distances = np.sqrt(np.concatenate([[2.19999, 2.20001, 369.999, 370.001], np.geomspace(2.3, 360, 40)]) / n)
    np.testing.assert_allclose(ks_pvalue(distances, n), kstwo.sf(distances, n), rtol=1e-11, atol=1e-300)


def test_a_pvalue_is_the_same_in_any_company() -> None:
    """Of thousand distances each has, alone and in reverse, the bits that it has among all."""
    distances = np.random.default_rng(0).uniform(5e-5, 0.6, 1000)
    together = ks_pvalue(distances, 10_000)
    assert ks_pvalue(distances[::-1], 10_000).tobytes() == together[::-1].tobytes()
    for i in range(0, 1000, 37):
        assert ks_pvalue(distances[i : i + 1], 10_000)[0] == together[i]


def test_there_is_no_pvalue_of_nothing() -> None:
    """No draws have no p-value; no members have an empty array of them."""
    with pytest.raises(ValueError, match="at least 1, not 0"):
        ks_pvalue(np.array([0.5]), 0)
    assert ks_pvalue(np.empty(0), 5).shape == (0,)
