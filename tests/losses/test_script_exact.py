"""The loss of the 50-line script, ``seed_exact``, against torch's own sigmoid and BCELoss."""

from __future__ import annotations

import pytest
import torch

from harness.losses import LOSSES


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_script_exact_is_sigmoid_and_bceloss(dtype: torch.dtype) -> None:
    """Losses and slopes of ``seed_exact`` follow torch's sigmoid and BCELoss from -110 to 110, every clamp included.

    Relative agreement 16 units in the last place: torch's sigmoid itself differs by one between the end of a
    tensor and its middle, and torch rounds (p - label)/q * (1 - p) * p step by step. Subnormals compare absolutely.
    """
    x = torch.arange(-1100, 1101, dtype=dtype) / 10
    variant, criterion = LOSSES["seed_exact"], torch.nn.BCELoss(reduction="none")
    parts, slopes = variant.discriminator_parts(x, x), variant.discriminator_slopes(x, x)
    generator = (variant.generator_loss(None, x), variant.generator_slope(None, x))
    for label, loss, slope in ((1.0, parts[0], slopes[0]), (0.0, parts[1], slopes[1]), (1.0, *generator)):
        logits = x.clone().requires_grad_()
        expected = criterion(torch.sigmoid(logits), torch.full_like(x, label))
        (gradient,) = torch.autograd.grad(expected.sum(), logits)
        tiny, relative = torch.finfo(dtype).tiny, 16 * torch.finfo(dtype).eps
        torch.testing.assert_close(loss, expected.detach(), rtol=relative, atol=tiny)
        torch.testing.assert_close(slope, gradient, rtol=relative, atol=tiny)


def test_script_exact_loses_its_gradient_in_float32() -> None:
    """From logit 17 on a float32 D learns nothing from accepted fakes and pays 100; just below it still learns.

    Half a unit in the last place of 1 is 2^-24 = exp(-16.64), so at 17 the sigmoid rounds to 1.
    """
    x = torch.tensor([17.0, 16.0])
    _, on_fake = LOSSES["seed_exact"].discriminator_slopes(x, x)
    _, part = LOSSES["seed_exact"].discriminator_parts(x, x)
    assert on_fake[0] == 0
    assert on_fake[1] > 0.999
    assert part is not None
    assert part[0] == 100
    assert 15 < part[1] < 17
