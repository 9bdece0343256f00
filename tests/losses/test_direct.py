"""The controls without a discriminator, against scipy's distances, closed forms and finite differences."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from torch import Tensor

from harness.losses import LOSSES, Variant
from harness.losses.direct_loss import TABLE, Direct, TargetQuantiles
from harness.losses.families.direct import BANDWIDTHS, VARIANTS

LAW = stats.norm(4, 1.25)
CONTROLS = VARIANTS
UNBIASED = ("energy_direct", "mmd_direct")

sizes = st.integers(2, 40)
seeds = st.integers(0, 2**32 - 1)


def direct(variant: Variant) -> Direct:
    assert variant.direct is not None
    return variant.direct


def loss(name: str, fake_PB: Tensor, real_PB: Tensor) -> Tensor:
    return direct(LOSSES[name]).loss(fake_PB, real_PB, target_quantiles(fake_PB.shape[-1], fake_PB.dtype))


def target_quantiles(size: int, dtype: torch.dtype = torch.float64) -> TargetQuantiles:
    """Quantiles of N(4, 1.25) at (i - 1/2)/size and at (i - 1/2)/TABLE."""
    levels = ((np.arange(n) + 0.5) / n for n in (size, TABLE))
    return TargetQuantiles(*(torch.tensor(LAW.ppf(u), dtype=dtype) for u in levels))


def minibatches(size: int, seed: int, rows: int = 1) -> tuple[Tensor, Tensor]:
    """Fakes (rows, size) of N(3, 2^2) and real values of the law, in float64."""
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.normal(3, 2, (rows, size))), torch.tensor(rng.normal(4, 1.25, (rows, size)))


@given(size=sizes, seed=seeds)
def test_w1_is_the_distance_to_the_quantiles(size: int, seed: int) -> None:
    """It equals scipy's Wasserstein distance of the fakes to the B quantiles of the law."""
    fake, real = minibatches(size, seed)
    expected = stats.wasserstein_distance(fake[0], target_quantiles(size).quantiles_B)
    assert float(loss("w1_direct", fake, real)) == pytest.approx(expected, rel=1e-12)


@given(size=sizes, seed=seeds)
def test_cvm_is_the_statistic_of_scipy_over_b(size: int, seed: int) -> None:
    """It equals scipy's Cramér-von Mises statistic with the law's own distribution function, divided by B.

    Within 5e-4: the interpolated function is off by at most 1/(2 * 4096), in the tails beyond the table, so a squared
    difference of at most 1 by 2.5e-4.
    """
    fake, real = minibatches(size, seed)
    expected = stats.cramervonmises(fake[0].numpy(), LAW.cdf).statistic / size
    assert float(loss("cvm_direct", fake, real)) == pytest.approx(expected, abs=5e-4)


@given(seed=seeds)
def test_cvm_interpolates_the_distribution_function(seed: int) -> None:
    """Its slope is 2/B (F(x_(i)) - (i - 1/2)/B) f(x_(i)), within 1% of the density, and 0 outside the table.

    Between neighbours in the inner 98% of the table the density changes by less than 1% (phi'/phi times the step,
    checked at the 1% quantile: 2.33 sd^-1 times 0.009 sd, half of it on either side of the chord's middle).
    """
    fake = torch.tensor(np.random.default_rng(seed).uniform(*LAW.ppf([0.01, 0.99]), (1, 20)))
    _, slope = direct(LOSSES["cvm_direct"]).slopes(fake, fake, target_quantiles(20))
    ranks = stats.rankdata(fake[0].numpy()) - 0.5
    off, density = LAW.cdf(fake[0].numpy()) - ranks / 20, LAW.pdf(fake[0].numpy())
    # The function itself is exact to the curvature of the chord, far below 1e-5.
    np.testing.assert_allclose(slope[0].numpy(), 2 / 20 * off * density, rtol=0.015, atol=2 / 20 * 1e-5)
    beyond = torch.tensor([[LAW.ppf(0.4 / TABLE), 4.0, LAW.ppf(1 - 0.4 / TABLE)]])
    _, slope = direct(LOSSES["cvm_direct"]).slopes(beyond, beyond, target_quantiles(3))
    assert slope[0, [0, 2]].tolist() == [0, 0]


@given(size=sizes, seed=seeds)
def test_energy_is_that_of_scipy_without_the_diagonal(size: int, seed: int) -> None:
    """It equals the mean over pairs of different values, and scipy's squared distance less its diagonal's share."""
    fake, real = minibatches(size, seed)
    x, y = fake[0].numpy(), real[0].numpy()
    within = [np.abs(np.subtract.outer(v, v)).sum() for v in (x, y)]
    cross = np.abs(np.subtract.outer(x, y)).mean()
    found = float(loss("energy_direct", fake, real))
    assert found == pytest.approx(2 * cross - sum(within) / (size * (size - 1)), abs=1e-12)
    biased = stats.energy_distance(x, y) ** 2
    assert found == pytest.approx(biased - sum(within) / (size**2 * (size - 1)), abs=1e-12)


@given(size=sizes, seed=seeds)
def test_mmd_is_the_mean_over_different_pairs(size: int, seed: int) -> None:
    """It equals Gretton's unbiased estimate, written with all pairs in numpy."""
    fake, real = minibatches(size, seed)
    x, y = fake[0].numpy(), real[0].numpy()

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        u = np.subtract.outer(a, b) / y.std()
        return np.sum([np.exp(-(u**2) / (2 * s**2)) for s in (0.25, 0.5, 1, 2, 4)], axis=0)

    other = ~np.eye(size, dtype=bool)
    expected = kernel(x, x)[other].mean() + kernel(y, y)[other].mean() - 2 * kernel(x, y).mean()
    assert float(loss("mmd_direct", fake, real)) == pytest.approx(expected, abs=1e-12)


def test_mmd_has_the_closed_form_of_normal_laws() -> None:
    """The mean over 400 pairs of minibatches lies within 4 standard errors of the discrepancy of N(3, 2^2) and the law.

    E exp(-(a - b)^2/(2 h^2)) = h/sqrt(h^2 + v) exp(-m^2/(2 (h^2 + v))) for a - b of law N(m, v). The bandwidths are
    set to 1.25 times the multiples by a real minibatch of the standard deviation 1.25.
    """
    rng = np.random.default_rng(1)
    fake = torch.tensor(rng.normal(3, 2, (400, 50)))
    real = torch.tensor(rng.normal(4, 1.25, (400, 50)))
    real = (real - real.mean(-1, keepdim=True)) / real.std(-1, correction=0, keepdim=True) * 1.25 + 4
    found = loss("mmd_direct", fake, real).numpy()

    def mean_kernel(m: float, v: float) -> float:
        bandwidths = 1.25 * np.array(BANDWIDTHS)
        total = bandwidths**2 + v
        return float(np.sum(bandwidths / np.sqrt(total) * np.exp(-(m**2) / (2 * total))))

    expected = mean_kernel(0, 8) + mean_kernel(0, 2 * 1.25**2) - 2 * mean_kernel(1, 4 + 1.25**2)
    # Standardising the real minibatches moves the estimate by order 1/50, here less than 0.01 of 0.3.
    assert found.mean() == pytest.approx(expected, abs=4 * found.std() / 20 + 0.01)


@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased_controls_are_zero_at_the_truth_on_average(name: str) -> None:
    """Over 2000 pairs of minibatches of 20 from the law itself the mean is within 4 standard errors of 0."""
    rng = np.random.default_rng(2)
    fake, real = (torch.tensor(rng.normal(4, 1.25, (2000, 20))) for _ in range(2))
    found = loss(name, fake, real)
    assert abs(float(found.mean())) < 4 * float(found.std()) / 2000**0.5
    assert float(found.min()) < 0


def test_energy_is_the_integral_of_the_squared_difference() -> None:
    """Its mean over 2000 pairs of minibatches is 2 times the integral of (G - F)^2, within 4 standard errors."""
    rng = np.random.default_rng(3)
    fake, real = torch.tensor(rng.normal(3, 2, (2000, 20))), torch.tensor(rng.normal(4, 1.25, (2000, 20)))
    found = loss("energy_direct", fake, real)
    expected, _ = integrate.quad(lambda t: 2 * (stats.norm(3, 2).cdf(t) - LAW.cdf(t)) ** 2, -15, 20)
    assert abs(float(found.mean()) - expected) < 4 * float(found.std()) / 2000**0.5


@given(size=sizes, seed=seeds)
def test_the_others_are_least_at_the_truth(size: int, seed: int) -> None:
    """At the quantiles W1 is 0 and CvM its least value 1/(12 B^2); equal minibatches have equal moments."""
    _, real = minibatches(size, seed)
    quantiles = target_quantiles(size).quantiles_B[None, :]
    assert float(loss("w1_direct", quantiles, real)) == 0
    assert float(loss("cvm_direct", quantiles, real)) == pytest.approx(1 / (12 * size**2), abs=1e-8)
    assert float(loss("moments_direct", real.flip(-1), real)) == pytest.approx(0, abs=1e-24)


@given(size=sizes, seed=seeds)
def test_moments_are_those_of_numpy(size: int, seed: int) -> None:
    """It equals the squared differences of the first four raw moments of values standardised by the real minibatch."""
    fake, real = minibatches(size, seed)
    x, y = ((v[0].numpy() - real.numpy().mean()) / real.numpy().std() for v in (fake, real))
    expected = sum((np.mean(x**k) - np.mean(y**k)) ** 2 for k in (1, 2, 3, 4))
    assert float(loss("moments_direct", fake, real)) == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_moments_have_a_saddle_at_a_point_mass() -> None:
    """For a constant minibatch against moments (0, 1, 0, 3) the slope vanishes at u^2 = w, 4 w^3 + 3 w^2 - 10 w = 1.

    The real values -sqrt(3), 0 (four times), sqrt(3) have just these moments.
    """
    real = torch.tensor([[-(3**0.5), 0.0, 0.0, 0.0, 0.0, 3**0.5]], dtype=torch.float64)
    root = max(np.roots([4, 3, -10, -1]).real)
    fake = torch.full((1, 6), -(root**0.5), dtype=torch.float64)
    value, slope = direct(LOSSES["moments_direct"]).slopes(fake, real, target_quantiles(6))
    assert float(slope.abs().max()) < 1e-12
    assert float(value) == pytest.approx(root + (root - 1) ** 2 + root**3 + (root**2 - 3) ** 2)
    fake[0, :3] += 0.1
    fake[0, 3:] -= 0.1
    assert float(loss("moments_direct", fake, real)) < float(value)


@pytest.mark.parametrize("variant", CONTROLS, ids=lambda v: v.name)
@given(size=sizes, seed=seeds)
@settings(max_examples=20)
def test_slopes_are_finite_differences(variant: Variant, size: int, seed: int) -> None:
    """The slope in every value is the central difference of the loss over 2e-7, to 1e-5 of the largest slope.

    Values are 1e-3 apart or more, and as far from the quantiles of the table's ends, so no kink is crossed but those of
    w1 and cvm between two quantiles: there values are moved to the middle of theirs.
    """
    told, rng = target_quantiles(size), np.random.default_rng(seed)
    cells = rng.choice(TABLE - 1, size=2 * size, replace=False)
    middles = (told.table_N[cells] + told.table_N[cells + 1]) / 2
    fake, real = middles[:size][None, :], middles[size:][None, :]
    near_a_quantile = (fake[0][:, None] - told.quantiles_B).abs().min() < 1e-6
    apart = torch.cat([fake, real], -1).sort().values.diff().min() > 1e-6
    _, slope = direct(variant).slopes(fake, real, told)
    scale = float(slope.abs().max())
    for i in range(size if apart and not near_a_quantile else 0):
        moved = []
        for step in (1e-7, -1e-7):
            x = fake.clone()
            x[0, i] += step
            moved.append(float(direct(variant).loss(x, real, told)))
        assert (moved[0] - moved[1]) / 2e-7 == pytest.approx(float(slope[0, i]), abs=1e-5 * scale + 1e-8)


CONSTANT = {
    "fakes alike": ([2.0, 2.0, 2.0], [3.0, 4.0, 5.0]),
    "real values alike": ([2.0, 3.0, 4.0], [0.1, 0.1, 0.1]),
    "all alike": ([4.0, 4.0, 4.0], [4.0, 4.0, 4.0]),
    "far out": ([1e4, -1e4, 1e4], [3.0, 4.0, 5.0]),
    "one value": ([2.0], [3.0]),
}


@pytest.mark.parametrize("variant", CONTROLS, ids=lambda v: v.name)
def test_ties_leave_everything_finite(variant: Variant) -> None:
    """Constant minibatches, values ten thousand away and minibatches of one give finite losses and slopes.

    Eighth powers of 1e4 are 1e32; much farther out ``moments_direct`` overflows float32, and the member has diverged.
    """
    for case, dtype in itertools.product(CONSTANT, (torch.float32, torch.float64)):
        fake, real = (torch.tensor([values], dtype=dtype) for values in CONSTANT[case])
        loss, slope = direct(variant).slopes(fake, real, target_quantiles(fake.shape[-1], dtype))
        assert loss.shape == (1,)
        assert (loss.dtype, slope.dtype, slope.shape) == (dtype, dtype, fake.shape)
        assert bool(torch.isfinite(loss).all()), (case, dtype)
        assert bool(torch.isfinite(slope).all()), (case, dtype)


@pytest.mark.parametrize("variant", CONTROLS, ids=lambda v: v.name)
def test_a_missing_number_is_not_hidden(variant: Variant) -> None:
    """A NaN among the fakes makes the loss NaN, so that a diverged generator is seen."""
    fake, real = minibatches(5, 0)
    fake[0, 2] = float("nan")
    assert bool(direct(variant).loss(fake, real, target_quantiles(5)).isnan())


@pytest.mark.parametrize("variant", CONTROLS, ids=lambda v: v.name)
@given(size=st.sampled_from([1, 2, 7, 32, 100]), seed=seeds, rows=st.integers(2, 9), dtype=st.sampled_from([32, 64]))
@settings(max_examples=15)
def test_a_row_does_not_depend_on_the_others(variant: Variant, size: int, seed: int, rows: int, dtype: int) -> None:
    """A minibatch has the same bits alone as among others, loss and slope; and the order of its values is nothing."""
    kind = torch.float32 if dtype == 32 else torch.float64
    fake, real = (x.to(kind) for x in minibatches(size, seed, rows))
    whole = direct(variant).slopes(fake, real, target_quantiles(size, kind))
    alone = direct(variant).slopes(fake[-1:], real[-1:], target_quantiles(size, kind))
    for found, single in zip(whole, alone, strict=True):
        assert torch.equal(found[-1:], single)
    turned = direct(variant).loss(fake.flip(-1), real, target_quantiles(size, kind))
    torch.testing.assert_close(turned, whole[0], rtol=1e-4 if dtype == 32 else 1e-9, atol=1e-4 if dtype == 32 else 1e-9)


def test_slopes_do_not_reach_back() -> None:
    """``slopes`` gives its arguments no gradients, though they ask for some, and works where grad mode is off."""
    fake, real = minibatches(5, 0)
    fake.requires_grad_()
    with torch.no_grad():
        found, slope = direct(LOSSES["w1_direct"]).slopes(fake, real, target_quantiles(5))
    assert fake.grad is None
    assert not found.requires_grad
    assert slope.abs().unique().tolist() == [0.2]


@pytest.mark.parametrize("variant", CONTROLS, ids=lambda v: v.name)
def test_controls_have_no_discriminator(variant: Variant) -> None:
    """Both formulas are 0, so the direct loss alone trains the generator; combined, it may stand after the bar only."""
    x = torch.ones(2, 3)
    assert variant.discriminator_loss(x, x).tolist() == variant.generator_loss(None, x).tolist() == [[0.0] * 3] * 2
    assert LOSSES[f"minimax|{variant.name}"].direct is variant.direct
    assert f"{variant.name}|minimax" not in LOSSES
    assert replace(variant, direct=None) != variant
