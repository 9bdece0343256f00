"""Penalties: phi, the coefficient of its gradient, the points they look at, and what their records say."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from torch import Tensor

from harness.config import Settings
from harness.data.mlp import Mlp
from harness.losses.penalties import PENALTIES, GradientPenalty, Site, around, segments

SLOPES = {name: penalty for name, penalty in PENALTIES.items() if isinstance(penalty, GradientPenalty)}

#: The published formulas once more, by hand: phi of one decision's norm, and where it is taken.
PUBLISHED: dict[str, tuple[Callable[[float], float], set[Site]]] = {
    "r1": (lambda n: n * n / 2, {Site.REAL}),
    "r2": (lambda n: n * n / 2, {Site.FAKE}),
    "zero_gp": (lambda n: n * n, {Site.SEGMENT}),
    "gp": (lambda n: (n - 1) ** 2, {Site.SEGMENT}),
    "one_sided_gp": (lambda n: max(n - 1, 0.0) ** 2, {Site.SEGMENT}),
    "dragan": (lambda n: (n - 1) ** 2, {Site.AROUND}),
    "wgan_div": (lambda n: n**6 / 2, {Site.REAL, Site.FAKE}),
}

norms = st.lists(st.floats(0, 30), min_size=1, max_size=20)
vectors = st.lists(st.floats(-5, 5), min_size=1, max_size=6).filter(lambda g: math.hypot(*g) > 1e-3)
each_slope = pytest.mark.parametrize("penalty", SLOPES.values(), ids=SLOPES)


def row(values: list[float]) -> Tensor:
    """The numbers as one row of float64."""
    return torch.tensor([values], dtype=torch.float64)


def random_network(inputs: int, seed: int = 0, members: int = 2) -> tuple[Mlp, Tensor]:
    """A curved D of 5 hidden units and its parameters in float64, large enough that slopes lie on both sides of 1."""
    network = Mlp((inputs, 5, 5, 1), ("tanh", "softplus"))
    rng = torch.Generator().manual_seed(seed)
    return network, torch.randn(members, network.size, generator=rng, dtype=torch.float64)


def slope(network: Mlp, parts: list[Tensor], x_PKN: Tensor) -> tuple[Tensor, Tensor]:
    """dD/dx at each decision as a graph, and its norm for each decision, as an engine takes them."""
    x_PKN = x_PKN.detach().requires_grad_()
    (g_PKN,) = torch.autograd.grad(network.forward(parts, x_PKN).sum(), x_PKN, create_graph=True)
    return g_PKN, g_PKN.detach().square().sum(-1).sqrt()


def penalty_gradient(penalty: GradientPenalty, network: Mlp, theta_PW: Tensor, x_PKN: Tensor) -> Tensor:
    """Gradient (P, W) of the mean over decisions of phi in the parameters, by way of ``coefficient``."""
    parts = [part.requires_grad_() for part in network.split(theta_PW.detach().clone())]
    g_PKN, norm_PK = slope(network, parts, x_PKN)
    along_PKN = penalty.coefficient(norm_PK).unsqueeze(-1) * g_PKN.detach() / x_PKN.shape[1]
    # The last bias moves no slope, and autograd says so by None.
    grads = torch.autograd.grad(g_PKN, parts, along_PKN, allow_unused=True)
    return torch.cat(
        [(torch.zeros_like(p) if g is None else g).flatten(1) for p, g in zip(parts, grads, strict=True)], 1
    )


def test_penalties_are_the_fields_of_settings() -> None:
    """From ``instance_noise`` on, Settings has one field for each penalty, in the same order, and 0 switches it off."""
    fields = list(Settings.model_fields)
    assert list(PENALTIES) == fields[fields.index("instance_noise") :]
    assert all(getattr(Settings(), name) == 0 for name in PENALTIES)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_record_says_what_its_number_means(name: str) -> None:
    """Every record names its field, formula (one line), convention and a source with authors, year and identifier."""
    penalty = PENALTIES[name]
    assert penalty.name == name
    assert all((penalty.title, penalty.meaning, penalty.text, penalty.latex, penalty.convention))
    assert "\n" not in penalty.text
    assert penalty.citation.authors
    assert penalty.citation.year
    assert penalty.citation.identifier.startswith("arXiv:")


@each_slope
@given(values=norms)
def test_phi_is_the_published_formula(penalty: GradientPenalty, values: list[float]) -> None:
    """phi agrees with a formula written down a second time, at the published sites."""
    formula, sites = PUBLISHED[penalty.name]
    assert set(penalty.sites) == sites
    assert len(penalty.sites) == len(sites)
    torch.testing.assert_close(penalty.value(row(values)), row([formula(n) for n in values]), rtol=1e-14, atol=0)


@each_slope
@given(g=vectors)
def test_coefficient_times_gradient_is_the_derivative(penalty: GradientPenalty, g: list[float]) -> None:
    """coefficient(|g|) g equals d phi(|g|)/dg: by autograd through ``value``, and by central differences (h = 1e-5)."""
    g_N = torch.tensor(g, dtype=torch.float64, requires_grad=True)
    (derivative_N,) = torch.autograd.grad(penalty.value(g_N.norm().view(1, 1)).sum(), g_N)
    ours_N = (penalty.coefficient(g_N.detach().norm().view(1, 1)) * g_N.detach())[0]
    torch.testing.assert_close(ours_N, derivative_N, rtol=1e-12, atol=1e-12)
    formula, step = PUBLISHED[penalty.name][0], 1e-5
    for i, component in enumerate(g):
        up, down = ([*g[:i], component + side * step, *g[i + 1 :]] for side in (1, -1))
        difference = (formula(math.hypot(*up)) - formula(math.hypot(*down))) / (2 * step)
        # The central difference's error: h^2 phi'''/6 (largest for norm^6) and, at the kink of the one-sided, h.
        assert float(ours_N[i]) == pytest.approx(difference, rel=1e-6, abs=1e-4)


@each_slope
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gradient_of_zero_stays_zero(penalty: GradientPenalty, dtype: torch.dtype) -> None:
    """At norm 0 the coefficient is finite and its product with the gradient is 0, also if phi has a cone there."""
    zero_PK = torch.zeros(2, 3, dtype=dtype)
    assert bool(penalty.coefficient(zero_PK).isfinite().all())
    assert torch.equal(penalty.coefficient(zero_PK) * zero_PK, zero_PK)
    assert penalty.coefficient(zero_PK).dtype == penalty.value(zero_PK).dtype == dtype
    formula = PUBLISHED[penalty.name][0]
    assert torch.equal(penalty.value(zero_PK), torch.full_like(zero_PK, formula(0.0)))


@each_slope
def test_an_elements_bits_do_not_depend_on_its_place(penalty: GradientPenalty) -> None:
    """``value`` and ``coefficient`` give a norm the same bits in an array of any length, in float32 and float64."""
    for dtype in (torch.float32, torch.float64):
        norm_PK = 3 * torch.rand(1, 100, dtype=dtype, generator=torch.Generator().manual_seed(1))
        for function in (penalty.value, penalty.coefficient):
            whole_PK = function(norm_PK)
            assert all(torch.equal(function(norm_PK[:, :n].clone()), whole_PK[:, :n]) for n in range(1, 100))


@pytest.mark.slow
@each_slope
@given(w=vectors, seed=st.integers(0, 99))
def test_a_linear_discriminator_has_closed_forms(penalty: GradientPenalty, w: list[float], seed: int) -> None:
    """For D = w.x + b the penalty is phi(|w|) wherever it is taken, and its gradient phi'(|w|) w/|w| in w and 0 in b.

    A gradient in D's parameters in place of its input would have norm sqrt(|x|^2 + 1), and depend on x.
    """
    network = Mlp((len(w), 1), ())
    theta_PW = row([*w, 0.7])
    x_PKN = torch.randn(1, 4, len(w), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    size = math.hypot(*w)
    _, norm_PK = slope(network, network.split(theta_PW), x_PKN)
    torch.testing.assert_close(penalty.value(norm_PK), penalty.value(row([size] * 4)), rtol=1e-12, atol=1e-14)
    expected_PW = row([float(penalty.coefficient(row([size]))) * component for component in w] + [0.0])
    torch.testing.assert_close(penalty_gradient(penalty, network, theta_PW, x_PKN), expected_PW, rtol=1e-12, atol=1e-12)


@each_slope
@pytest.mark.parametrize("inputs", [1, 3])
def test_the_gradient_in_the_parameters_is_that_of_the_penalty(penalty: GradientPenalty, inputs: int) -> None:
    """For a curved D autograd.grad(g, parts, coefficient g) is the central difference (h = 1e-5) of mean phi."""
    network, theta_PW = random_network(inputs)
    rng = torch.Generator().manual_seed(1)
    x_PKN = torch.randn(2, 7, inputs, generator=rng, dtype=torch.float64)
    gradient_PW = penalty_gradient(penalty, network, theta_PW, x_PKN)

    def mean_phi(theta_PW: Tensor) -> Tensor:
        return penalty.value(slope(network, network.split(theta_PW), x_PKN)[1]).mean(1)

    assert float(gradient_PW.abs().max()) > 0
    for _ in range(3):
        way_PW = torch.randn(theta_PW.shape, generator=rng, dtype=torch.float64)
        difference_P = (mean_phi(theta_PW + 1e-5 * way_PW) - mean_phi(theta_PW - 1e-5 * way_PW)) / 2e-5
        torch.testing.assert_close((gradient_PW * way_PW).sum(1), difference_P, rtol=1e-6, atol=1e-8)


def test_norms_are_those_of_single_decisions() -> None:
    """With slopes 0.5 and 2 the penalties are means over the two decisions, and one norm over both would differ.

    By hand: r1 (0.25 + 4)/2/2 = 1.0625; gp (0.25 + 1)/2 = 0.625; one norm sqrt(4.25) over both would give 2.125
    and (2.0616 - 1)^2 = 1.1269.
    """
    norm_PK = row([0.5, 2.0])
    both = norm_PK.norm(dim=1, keepdim=True)
    r1, gp = SLOPES["r1"], SLOPES["gp"]
    assert float(r1.value(norm_PK).mean()) == 1.0625
    assert float(gp.value(norm_PK).mean()) == 0.625
    assert float(r1.value(both)) == pytest.approx(2.125)
    assert float(gp.value(both)) == pytest.approx(1.1269, abs=1e-4)


def test_a_decisions_gradient_ignores_the_others() -> None:
    """The gradient of two decisions is the mean of those of each alone; one norm over both would mix them."""
    network, theta_PW = random_network(1)
    x_PKN = torch.tensor([[[-1.0], [0.4]], [[2.0], [0.1]]], dtype=torch.float64)
    for penalty in SLOPES.values():
        alone = [penalty_gradient(penalty, network, theta_PW, x_PKN[:, k : k + 1]) for k in range(2)]
        torch.testing.assert_close(penalty_gradient(penalty, network, theta_PW, x_PKN), (alone[0] + alone[1]) / 2)


def test_a_set_is_one_decision() -> None:
    """Under a view of whole sets the norm runs over the set: N inputs of slope 1 each make sqrt(N), here 3."""
    network = Mlp((9, 1), ())
    theta_PW = row([1.0] * 9 + [0.0])
    _, norm_PK = slope(network, network.split(theta_PW), torch.zeros(1, 1, 9, dtype=torch.float64))
    assert norm_PK.tolist() == [[3.0]]
    assert float(SLOPES["gp"].value(norm_PK)) == 4.0


@given(
    a=st.floats(-100, 100), b=st.floats(-100, 100), c=st.floats(-100, 100), d=st.floats(-100, 100), u=st.floats(0, 1)
)
def test_segments_lie_on_segments(a: float, b: float, c: float, d: float, u: float) -> None:
    """A point divides the way from fake to real as u : 1 - u, by one u for all N numbers of the decision."""
    real_PKN, fake_PKN = (torch.tensor([[pair]], dtype=torch.float64) for pair in ([a, b], [c, d]))
    point_PKN = segments(real_PKN, fake_PKN, row([u]))
    torch.testing.assert_close(point_PKN, u * real_PKN + (1 - u) * fake_PKN, rtol=0, atol=1e-12)
    torch.testing.assert_close(segments(real_PKN, fake_PKN, row([1.0])), real_PKN, rtol=0, atol=1e-12)
    assert torch.equal(segments(real_PKN, fake_PKN, row([0.0])), fake_PKN)


def test_around_is_normal_noise_of_half_a_standard_deviation() -> None:
    """(around - real)/(sd/2) is N(0, 1) over uniform draws (KS, p > 0.001), each member by its own sd, divisor n."""
    rng = np.random.default_rng(5)
    real_PKN = torch.from_numpy(rng.normal(4, 1.25, (2, 500, 4)) * np.array([1.0, 30.0])[:, None, None])
    u_PKN = torch.from_numpy(rng.uniform(size=(2, 500, 4)))
    point_PKN = around(real_PKN.requires_grad_(), u_PKN)
    assert not point_PKN.requires_grad
    for p in range(2):
        real_KN = real_PKN.detach()[p].numpy()
        noise_KN = (point_PKN[p].numpy() - real_KN) / (0.5 * real_KN.std())
        assert stats.kstest(noise_KN.ravel(), "norm").pvalue > 0.001
        np.testing.assert_allclose(noise_KN, special.ndtri(u_PKN[p].numpy()), rtol=1e-9, atol=1e-9)


def test_around_stays_on_data_without_spread() -> None:
    """If all real features of a member are equal the spread is 0, and the points are the data."""
    real_PKN = torch.full((1, 3, 2), 4.0)
    assert torch.equal(around(real_PKN, torch.rand(1, 3, 2)), real_PKN)


def test_a_members_points_do_not_depend_on_its_slot() -> None:
    """``around`` and ``segments`` give a member the same bits in every slot of a stack of 16, in odd shapes too."""
    rng = torch.Generator().manual_seed(2)
    for decisions, inputs in ((1, 200), (7, 1), (100, 2), (33, 5)):
        real_PKN, fake_PKN, u_PKN = (torch.rand(1, decisions, inputs, generator=rng).repeat(16, 1, 1) for _ in range(3))
        for points_PKN in (around(real_PKN, u_PKN), segments(real_PKN, fake_PKN, u_PKN[..., 0])):
            assert torch.equal(points_PKN, points_PKN[:1].expand_as(points_PKN))
