"""Losses that look at the whole minibatch: the relativistic family and the softmax loss.

The published programs are written out here with torch's own functions and compared with the registry's formulas; slopes
are held against autograd and finite differences of the loss summed over the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, relu

from harness.losses import LOSSES, Variant
from harness.losses.families import relativistic, softmax
from harness.losses.primitives import fake_mean, log_mean_exp, real_mean

VARIANTS = (*relativistic.VARIANTS, *softmax.VARIANTS)
#: Distance to target 1 of a difference y that should be large, as torch computes it, by the ending of the names.
SCALARS: dict[str, Callable[[Tensor], Tensor]] = {
    "gan": lambda y: binary_cross_entropy_with_logits(y, torch.ones_like(y)),
    "ls": lambda y: mse_loss(y, torch.ones_like(y)),
    "hinge": lambda y: relu(1 - y).mean(),
}

batches = st.tuples(st.integers(1, 9), st.integers(0, 2**32), st.sampled_from([0.5, 3.0, 20.0]))


def logits(size: int, seed: int, scale: float, rows: int = 1) -> tuple[Tensor, Tensor]:
    """Normal real and fake logits (rows, size) in float64."""
    noise = torch.Generator().manual_seed(seed)
    r, f = (scale * torch.randn(2, rows, size, generator=noise, dtype=torch.float64)).unbind(0)
    return r, f


def published(name: str, r: Tensor, f: Tensor) -> Tensor:
    """D's loss of one minibatch as the programs write it, averaged over its terms; G's is it with r and f swapped."""
    form, scalar = name[:2], SCALARS[name[2:]]
    if form == "rp":
        return scalar(r - f)
    rest = (f.mean(), r.mean()) if form == "ra" else ((r.mean() + f.mean()) / 2,) * 2
    return (scalar(r - rest[0]) + scalar(rest[1] - f)) / 2


def slopes(variant: Variant, r: Tensor, f: Tensor) -> list[Tensor]:
    return [*variant.discriminator_slopes(r, f), variant.generator_slope(r, f)]


@pytest.mark.parametrize("variant", relativistic.VARIANTS, ids=lambda v: v.name)
@given(batch=batches)
@settings(max_examples=20)
def test_relativistic_losses_are_the_published_ones(variant: Variant, batch: tuple[int, int, float]) -> None:
    """The mean over the batch of both players' losses equals the published program's, factors included."""
    r, f = logits(*batch)
    torch.testing.assert_close(variant.discriminator_loss(r, f).mean(), published(variant.name, r, f))
    torch.testing.assert_close(variant.generator_loss(r, f).mean(), published(variant.name, f, r))


@given(batch=batches)
def test_softmax_is_the_cross_entropy_to_its_targets(batch: tuple[int, int, float]) -> None:
    """With w the softmax over all 2K decisions, D's loss is the cross-entropy to 1/K on real ones, and G's to 1/(2K) on
    all, both less log(2K).
    """
    r, f = logits(*batch)
    size, log_w = r.shape[-1], torch.log_softmax(torch.cat([r, f], dim=-1), dim=-1)
    constant = torch.log(torch.tensor(2.0 * size, dtype=torch.float64))
    d_loss, g_loss = -log_w[:, :size].mean() - constant, -log_w.mean() - constant
    torch.testing.assert_close(LOSSES["softmax"].discriminator_loss(r, f).mean(), d_loss)
    torch.testing.assert_close(LOSSES["softmax"].generator_loss(r, f).mean(), g_loss)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
@given(batch=batches)
@settings(max_examples=20)
def test_slopes_are_the_autograd_of_the_summed_batch(variant: Variant, batch: tuple[int, int, float]) -> None:
    """Each slope is the derivative of the loss summed over the batch, the ways through batch statistics included."""
    r, f = (x.requires_grad_() for x in logits(*batch, rows=3))
    on_real, on_fake = torch.autograd.grad(variant.discriminator_loss(r, f).sum(), (r, f))
    (on_generated,) = torch.autograd.grad(variant.generator_loss(r, f).sum(), f)
    expected = (on_real, on_fake, on_generated)
    for found, slope in zip(slopes(variant, r.detach(), f.detach()), expected, strict=True):
        torch.testing.assert_close(found, slope, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_slopes_are_the_finite_difference_of_the_summed_batch(variant: Variant) -> None:
    """Moving one logit by 1e-6 either way changes the loss summed over the batch by slope * 2e-6, to 1e-8.

    At scale 0.5 curvatures are below 10, so the error of a central difference is rounding, 1e-15/1e-6. No difference
    of the four decisions lies within 1e-6 of the hinge's kink at 1 (they were looked at).
    """
    r, f = logits(4, 5, 0.5)
    for slope, loss, which in zip(
        slopes(variant, r, f),
        (variant.discriminator_loss, variant.discriminator_loss, variant.generator_loss),
        (0, 1, 1),
        strict=True,
    ):
        for k in range(4):
            moved = []
            for step in (1e-6, -1e-6):
                pair = [r.clone(), f.clone()]
                pair[which][0, k] += step
                moved.append(float(loss(*pair).sum()))
            assert (moved[0] - moved[1]) / 2e-6 == pytest.approx(float(slope[0, k]), abs=1e-8), (variant.name, k)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
@given(batch=batches, shift=st.floats(-50, 50))
@settings(max_examples=20)
def test_only_differences_count(variant: Variant, batch: tuple[int, int, float], shift: float) -> None:
    """The same number added to all logits changes no loss and no slope; so there is no equilibrium logit."""
    r, f = logits(*batch)
    for at_home, away in zip(slopes(variant, r, f), slopes(variant, r + shift, f + shift), strict=True):
        torch.testing.assert_close(at_home, away, rtol=1e-9, atol=1e-9)
    for loss in (variant.discriminator_loss, variant.generator_loss):
        torch.testing.assert_close(loss(r, f), loss(r + shift, f + shift), rtol=1e-9, atol=1e-9)
    assert variant.equilibrium_logit is None


@pytest.mark.parametrize("ending", SCALARS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=20)
def test_one_decision_makes_paired_and_average_agree(ending: str, seed: int) -> None:
    """For one decision a minibatch the average form is the paired one, and the centred one is it at (r - f)/2."""
    r, f = logits(1, seed, 3.0, rows=50)
    paired, average, centred = (LOSSES[form + ending] for form in ("rp", "ra", "rc"))
    for found, expected in zip(slopes(average, r, f), slopes(paired, r, f), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(centred.discriminator_loss(r, f), paired.discriminator_loss(r / 2, f / 2))
    torch.testing.assert_close(centred.generator_loss(r, f), paired.generator_loss(r / 2, f / 2))


def test_several_decisions_tell_the_forms_apart() -> None:
    """With four decisions a minibatch, spread by 3, no two of the three forms have the same slopes."""
    r, f = logits(4, 1, 3.0)
    for ending in SCALARS:
        found = [torch.cat(slopes(LOSSES[form + ending], r, f)) for form in ("rp", "ra", "rc")]
        for i, one in enumerate(found):
            assert all(not torch.allclose(one, other, atol=1e-3) for other in found[i + 1 :]), ending


def test_softmax_of_one_decision() -> None:
    """For one decision D's loss is rpgan's less log 2, and G's is log cosh of half the difference."""
    r, f = logits(1, 3, 3.0, rows=50)
    two = torch.tensor(2.0, dtype=torch.float64)
    d_loss = LOSSES["rpgan"].discriminator_loss(r, f) - two.log()
    torch.testing.assert_close(LOSSES["softmax"].discriminator_loss(r, f), d_loss)
    torch.testing.assert_close(LOSSES["softmax"].generator_loss(r, f), ((r - f) / 2).cosh().log())


def test_softmax_slopes_have_their_stated_bounds() -> None:
    """G's slope is -1/2 on a fake that D rejects alone, K - 1/2 on one that it accepts alone, and 0 where all agree."""
    r, f = torch.zeros(2, 1, 5, dtype=torch.float64).unbind(0)
    assert LOSSES["softmax"].generator_slope(r, f).tolist() == [[0.0] * 5]
    for logit, slope in ((-200.0, -0.5), (200.0, 4.5)):
        f[0, 2] = logit
        assert float(LOSSES["softmax"].generator_slope(r, f)[0, 2]) == pytest.approx(slope, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_softmax_slopes_agree_with_50_digits(dtype: torch.dtype) -> None:
    """For logits up to 40 the slopes are within K (40 + 2K) units in the last place of 1 of their 50-digit values.

    The weights reach K. Their exponent is rounded as a number up to 40, the sum in log_mean_exp 2K times.
    """
    r, f = (x.to(dtype) for x in logits(8, 11, 15.0))
    found = [slope[0].double().tolist() for slope in slopes(LOSSES["softmax"], r, f)]
    with mpmath.workdps(50):
        powers = [[mpmath.exp(x) for x in row[0].double().tolist()] for row in (r, f)]
        weights = [[8 * p / sum(powers[0] + powers[1]) for p in row] for row in powers]
        exact = ([w - 1 for w in weights[0]], weights[1], [w - mpmath.mpf(1) / 2 for w in weights[1]])
        errors = [
            abs(a - b) for row, values in zip(exact, found, strict=True) for a, b in zip(row, values, strict=True)
        ]
    assert max(errors) <= 8 * (40 + 16) * torch.finfo(dtype).eps


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
@given(data=st.data())
@settings(max_examples=20)
def test_rows_are_finite_and_independent(variant: Variant, data: st.DataObject) -> None:
    """Logits up to +-1e4: losses and slopes are finite, and a minibatch has the same bits alone as among others."""
    size, rows = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 6))
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    scale = data.draw(st.sampled_from([1.0, 40.0, 2e3]))
    r, f = (x.to(dtype) for x in logits(size, data.draw(st.integers(0, 2**32)), scale, rows))
    row = data.draw(st.integers(0, rows - 1))

    def values(a: Tensor, b: Tensor) -> list[Tensor]:
        return [*slopes(variant, a, b), variant.discriminator_loss(a, b), variant.generator_loss(a, b)]

    for whole, alone in zip(values(r, f), values(r[row : row + 1], f[row : row + 1]), strict=True):
        assert whole.shape == r.shape
        assert whole.dtype == dtype
        assert bool(torch.isfinite(whole).all())
        assert torch.equal(whole[row], alone[0])


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_the_generator_reads_the_real_logits_of_both_terms(variant: Variant) -> None:
    """G's loss depends on the real logits and moves all its fakes: in programs that lost a term it does not."""
    r, f = logits(6, 2, 3.0)
    assert variant.generator_reads_real
    assert not torch.equal(variant.generator_slope(r, f), variant.generator_slope(r + torch.arange(6.0), f))
    statistics = {real_mean, fake_mean, log_mean_exp} & variant.discriminator.free_symbols
    derivative = variant.generator_derivative
    assert bool(statistics) == (derivative.through_mean != 0 or derivative.through_lme != 0)
