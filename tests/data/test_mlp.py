"""Networks: the script's shapes, torch's initial law, the same outputs as torch.nn."""

from __future__ import annotations

import pytest
import torch
from literal_script import Discriminator, Generator, load_weights
from scipy import stats
from torch import nn

from harness.data.mlp import generate, perceptron
from harness.data.rng import Stream, uniforms
from harness.losses.penalties import clip_weights

#: Activations of the script's players.
G, D = ("elu", "sigmoid"), ("elu", "elu")


def test_sizes_are_the_seeds() -> None:
    """G has 2,701 parameters and D 12,651 in the variances view: 50+50+2500+50+50+1 and 10000+50+2500+50+50+1."""
    assert perceptron(1, 50, G).size == 2701
    assert perceptron(200, 50, D).size == 12651


def test_forward_equals_torch_nn() -> None:
    """Stacked networks compute what the script's modules compute, to float64 rounding."""
    rng = torch.Generator().manual_seed(3)
    g, d = perceptron(1, 50, G), perceptron(200, 50, D)
    theta_g, theta_d = (torch.randn(3, n.size, generator=rng, dtype=torch.float64) / 5 for n in (g, d))
    z, x = torch.rand(3, 100, 1, generator=rng).double(), torch.randn(3, 4, 200, generator=rng).double()
    for p in range(3):
        module_g, module_d = Generator().double(), Discriminator(200).double()
        load_weights(module_g, g, theta_g[p : p + 1])
        load_weights(module_d, d, theta_d[p : p + 1])
        torch.testing.assert_close(g.forward(g.split(theta_g), z)[p], module_g(z[p])[:, 0])
        logits = d.forward(d.split(theta_d), x)[p]
        torch.testing.assert_close(torch.sigmoid(logits), module_d(x[p])[:, 0])
    torch.testing.assert_close(generate(g, theta_g, z[0])[2], g.forward(g.split(theta_g), z[:1].expand(3, -1, -1))[2])


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("elu", nn.ELU()),
        ("sigmoid", nn.Sigmoid()),
        ("tanh", nn.Tanh()),
        ("relu", nn.ReLU()),
        ("leaky_relu", nn.LeakyReLU()),
        ("softplus", nn.Softplus()),
    ],
)
def test_every_activation_is_torchs(name: str, module: nn.Module) -> None:
    """A network of three inputs and two hidden layers of one activation equals torch's Sequential, module by module."""
    network = perceptron(3, 5, (name, name))
    u = uniforms(1, torch.tensor([4]), Stream.INITIAL_G, range(1), network.size)[0]
    theta = network.initial(u)
    plain = nn.Sequential(nn.Linear(3, 5), module, nn.Linear(5, 5), module, nn.Linear(5, 1)).double()
    load_weights(plain, network, theta)
    noise = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(generate(network, theta, noise)[0], plain(noise)[:, 0])


def test_without_hidden_layers_a_network_is_affine() -> None:
    """No activation, no hidden layer: the output is the input times the weights, plus the bias."""
    network = perceptron(2, 50, ())
    theta = torch.tensor([[3.0, -2.0, 0.5]])
    assert network.size == 3
    assert generate(network, theta, torch.tensor([[1.0, 1.0], [0.0, 4.0]])).tolist() == [[1.5, -7.5]]


def test_initial_weights_follow_torchs_law() -> None:
    """Initial values are U(-1/sqrt(inputs), 1/sqrt(inputs)), as nn.Linear draws its own (KS, p > 0.001)."""
    network = perceptron(200, 50, D)
    u = uniforms(0, torch.arange(200), Stream.INITIAL_D, range(1), network.size)[0]
    theta = network.initial(u)
    torch.manual_seed(0)
    for layer in network.layers:
        bound = layer.inputs**-0.5
        ours = theta[:, layer.start : layer.stop].flatten().numpy()[:50_000]
        assert stats.kstest(ours, stats.uniform(-bound, 2 * bound).cdf).pvalue > 0.001
        theirs = torch.cat([nn.Linear(layer.inputs, layer.outputs).bias for _ in range(200)]).detach().numpy()
        assert stats.ks_2samp(ours, theirs).pvalue > 0.001


def test_clipping_bounds_each_member_by_its_own_bound() -> None:
    """Weights end inside their member's bound; an infinite bound changes no bit."""
    theta = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    before = theta.clone()
    clip_weights(theta, torch.tensor([[0.01], [float("inf")]]))
    assert float(theta[0].abs().max()) <= torch.tensor(0.01)
    assert torch.equal(theta[1], before[1])
