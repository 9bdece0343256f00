"""Networks and views: the seed's shapes, torch's initial law, the same outputs as torch.nn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from literal_seed import Discriminator, Generator, load_weights, with_squared_deviations
from scipy import stats
from torch import nn

from harness.networks import discriminator, generate, generator
from harness.penalties import clip_weights
from harness.streams import Stream, uniforms
from harness.views import VIEWS


def test_sizes_are_the_seeds() -> None:
    """G has 2,701 parameters and D 12,651 in the variances view: 50+50+2500+50+50+1 and 10000+50+2500+50+50+1."""
    assert generator(50).size == 2701
    assert discriminator(200, 50).size == 12651


def test_forward_equals_torch_nn() -> None:
    """Stacked networks compute what the seed's modules compute, to float64 rounding."""
    rng = torch.Generator().manual_seed(3)
    g, d = generator(50), discriminator(200, 50)
    theta_g, theta_d = (torch.randn(3, n.size, generator=rng, dtype=torch.float64) / 5 for n in (g, d))
    z, x = torch.rand(3, 100, 1, generator=rng).double(), torch.randn(3, 4, 200, generator=rng).double()
    for p in range(3):
        module_g, module_d = Generator().double(), Discriminator(200).double()
        load_weights(module_g, g, theta_g[p : p + 1])
        load_weights(module_d, d, theta_d[p : p + 1])
        torch.testing.assert_close(g.forward(g.split(theta_g), z)[p], module_g(z[p])[:, 0])
        logits = d.forward(d.split(theta_d), x)[p]
        torch.testing.assert_close(torch.sigmoid(logits), module_d(x[p])[:, 0])
    torch.testing.assert_close(
        generate(g, theta_g, z[0, :, 0])[2], g.forward(g.split(theta_g), z[:1].expand(3, -1, -1))[2]
    )


def test_initial_weights_follow_torchs_law() -> None:
    """Initial values are U(-1/sqrt(inputs), 1/sqrt(inputs)), as nn.Linear draws its own (KS, p > 0.001)."""
    network = discriminator(200, 50)
    u = uniforms(0, torch.arange(200), Stream.INITIAL_D, range(1), network.size)[0]
    theta = network.initial(u)
    torch.manual_seed(0)
    for layer in network.layers:
        bound = layer.inputs**-0.5
        ours = theta[:, layer.start : layer.stop].flatten().numpy()[:50_000]
        assert stats.kstest(ours, stats.uniform(-bound, 2 * bound).cdf).pvalue > 0.001
        theirs = torch.cat([nn.Linear(layer.inputs, layer.outputs).bias for _ in range(200)]).detach().numpy()
        assert stats.ks_2samp(ours, theirs).pvalue > 0.001


@pytest.mark.parametrize("name", list(VIEWS))
def test_view_declares_its_own_shape(name: str) -> None:
    """Every view's features have the K decisions and N inputs that it declares."""
    view = VIEWS[name]
    x = torch.arange(24.0).view(2, 12)
    assert view.features(x).shape == (2, view.decisions(12), view.inputs(12))


def test_variances_view_is_the_seeds_with_its_dead_mean() -> None:
    """The variances view equals the seed's preprocessing, in value and in gradient: none flows through the mean."""
    x = torch.from_numpy(np.random.default_rng(0).normal(4, 1.25, (1, 100))).requires_grad_()
    weights = torch.linspace(-1, 1, 200, dtype=torch.float64)
    ours, theirs = VIEWS["variances"].features(x)[:, 0], with_squared_deviations(x)
    torch.testing.assert_close(ours, theirs)
    (grad_ours,), (grad_theirs,) = (torch.autograd.grad((f * weights).sum(), x) for f in (ours, theirs))
    torch.testing.assert_close(grad_ours, grad_theirs)
    through_mean = torch.cat([x, (x - x.mean()).square()], 1)
    (grad_live,) = torch.autograd.grad((through_mean * weights).sum(), x)
    assert not torch.allclose(grad_ours, grad_live)


def test_clipping_bounds_each_member_by_its_own_bound() -> None:
    """Weights end inside their member's bound; an infinite bound changes no bit."""
    theta = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    before = theta.clone()
    clip_weights(theta, torch.tensor([[0.01], [float("inf")]]))
    assert float(theta[0].abs().max()) <= torch.tensor(0.01)
    assert torch.equal(theta[1], before[1])
