"""Random labels of the discriminator: their laws, losses at drawn labels, and expectations over them."""

from __future__ import annotations

import torch

from harness.losses import LOSSES


def test_labels_default_to_their_expectation() -> None:
    """Without labels, losses, parts and slopes are the sum over the four label pairs weighted by their chances."""
    variant, p = LOSSES["flipped_noise"], 0.3
    r = torch.linspace(-40, 40, 161, dtype=torch.float64)
    f = -r
    total, slopes = torch.zeros_like(r), [torch.zeros_like(r), torch.zeros_like(r)]
    for y_real, chance_real in ((1.0, 1 - p), (0.0, p)):
        for y_fake, chance_fake in ((1.0, p), (0.0, 1 - p)):
            labels = (torch.full_like(r, y_real), torch.full_like(r, y_fake))
            total += chance_real * chance_fake * variant.discriminator_loss(r, f, labels=labels, p=p)
            for sum_, slope in zip(slopes, variant.discriminator_slopes(r, f, labels=labels, p=p), strict=True):
                sum_ += chance_real * chance_fake * slope
    torch.testing.assert_close(variant.discriminator_loss(r, f, p=p), total, rtol=1e-13, atol=1e-13)
    for found, expected in zip(variant.discriminator_slopes(r, f, p=p), slopes, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


def test_labels_are_drawn_by_their_chances() -> None:
    """Of 1000 stratified uniforms exactly 900 give a real label 1 and 100 a fake label 1 at p = 0.1; none flip at 0."""
    u = (torch.arange(1000) + 0.5) / 1000
    variant = LOSSES["flipped_noise"]
    y_real, y_fake = variant.draw_labels(u, u, p=0.1)
    assert (float(y_real.sum()), float(y_fake.sum())) == (900, 100)
    assert set(y_real.tolist()) == {0.0, 1.0}
    assert y_real.dtype == u.dtype
    y_real, y_fake = variant.draw_labels(u[:, None], u[:, None], p=torch.zeros(1000, 1))
    assert float(y_real.min()) == 1
    assert float(y_fake.max()) == 0
    assert y_real.shape == (1000, 1)


def test_drawn_labels_select_the_branch_of_the_loss() -> None:
    """A real decision with label 0 is punished as a fake one, and the other way round."""
    x = torch.tensor([-2.0, 3.0])
    zero, one = torch.zeros(2), torch.ones(2)
    parts = LOSSES["flipped_noise"].discriminator_parts(x, x, labels=(zero, one))
    plain = LOSSES["minimax"].discriminator_parts(-x, -x)
    assert parts[0] is not None
    assert plain[0] is not None
    assert torch.equal(parts[0], plain[0])
    assert parts[1] is not None
    assert plain[1] is not None
    assert torch.equal(parts[1], plain[1])
