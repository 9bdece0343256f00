"""Spectral normalisation of D's weights, and that no penalty looks at a number while it computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils import parametrizations

from harness.data.mlp import Mlp
from harness.losses.penalties import PENALTIES, GradientPenalty, SpectralNorm, around, segments

NETWORK = Mlp((4, 6, 3, 1), ("elu", "elu"))


def parameters(members: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal parameters of ``NETWORK``."""
    return torch.randn(members, NETWORK.size, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def bounds(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """One bound for each member, as a column."""
    return torch.tensor(values, dtype=dtype).unsqueeze(1)


def test_iterated_long_enough_every_layer_has_the_bound() -> None:
    """After 2,000 iterations each weight's largest singular value is its member's bound, to 1e-9; biases are kept."""
    bound_P1 = bounds(1.0, 0.3, 7.0)
    parts = NETWORK.split(parameters(3))
    spectral = SpectralNorm(NETWORK, bound_P1)
    for _ in range(2000):
        spectral.iterate(parts)
    for i, (part, scaled) in enumerate(zip(parts, spectral.apply(parts), strict=True)):
        if i % 2:
            assert scaled is part
        else:
            torch.testing.assert_close(torch.linalg.matrix_norm(scaled, ord=2), bound_P1[:, 0], rtol=1e-9, atol=0)
            sigma_P11 = torch.linalg.matrix_norm(part, ord=2)[:, None, None]
            torch.testing.assert_close(scaled, part * bound_P1[:, :, None] / sigma_P11, rtol=1e-9, atol=1e-12)


def test_it_computes_what_torch_computes() -> None:
    """Weight, gradient and vectors follow torch's spectral_norm (one iteration a forward) while the weight moves.

    torch's matrix is our weight read as (inputs, outputs), its second vector starting where our u does; the bound is 1.
    """
    network = Mlp((4, 6), ())
    rng = torch.Generator().manual_seed(3)
    theta_PW = torch.randn(1, network.size, generator=rng, dtype=torch.float64)
    spectral = SpectralNorm(network, bounds(1.0))
    linear = nn.Linear(6, 4, bias=False, dtype=torch.float64)
    linear.weight.data.copy_(network.split(theta_PW)[0][0])
    theirs = parametrizations.spectral_norm(linear, n_power_iterations=1)
    norms = theirs.parametrizations.weight[0]
    norms._v.copy_(torch.full((6,), 6**-0.5))
    original = theirs.parametrizations.weight.original
    for _ in range(5):
        weights_IO = torch.randn(4, 6, generator=rng, dtype=torch.float64)
        parts = [part.requires_grad_() for part in network.split(theta_PW.detach())]
        spectral.iterate(parts)
        scaled = spectral.apply(parts)[0]
        weight = theirs.weight
        torch.testing.assert_close(scaled[0], weight)
        (ours_PIO,) = torch.autograd.grad((scaled * weights_IO).sum(), parts[0])
        (theirs_IO,) = torch.autograd.grad((weight * weights_IO).sum(), original)
        torch.testing.assert_close(ours_PIO[0], theirs_IO)
        u_PO, v_PI = spectral.state()
        torch.testing.assert_close(u_PO[0], norms._v)
        torch.testing.assert_close(v_PI[0], norms._u)
        with torch.no_grad():
            move_PIO = 0.1 * torch.randn(1, 4, 6, generator=rng, dtype=torch.float64)
            network.split(theta_PW)[0].add_(move_PIO)
            original.add_(move_PIO[0])


@pytest.mark.parametrize("zeros", [False, True])
def test_a_bound_of_zero_leaves_every_bit(zeros: bool) -> None:
    """Members without a bound keep their weights' and gradients' bits, beside a member that has one; zeros too."""
    theta_PW = parameters(3, dtype=torch.float32)
    if zeros:
        theta_PW[[0, 2]] = 0.0
    parts = [part.requires_grad_() for part in NETWORK.split(theta_PW)]
    spectral = SpectralNorm(NETWORK, bounds(0.0, 1.0, 0.0, dtype=torch.float32))
    spectral.iterate(parts)
    scaled = spectral.apply(parts)
    x_PKN = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(1))
    plain, normed = (torch.autograd.grad(NETWORK.forward(p, x_PKN).sum(), parts) for p in (parts, scaled))
    for i, (part, other) in enumerate(zip(parts, scaled, strict=True)):
        assert torch.equal(part[[0, 2]], other[[0, 2]])
        assert torch.equal(plain[i][[0, 2]], normed[i][[0, 2]])
        assert i % 2 or not torch.equal(part[1], other[1])


def test_zero_weights_leave_finite_vectors() -> None:
    """A power iteration on a weight of zeros ends in vectors of zeros, not in NaN."""
    parts = NETWORK.split(torch.zeros(2, NETWORK.size))
    spectral = SpectralNorm(NETWORK, bounds(1.0, 1.0, dtype=torch.float32))
    spectral.iterate(parts)
    assert all(torch.equal(vector, torch.zeros_like(vector)) for vector in spectral.state())


def test_the_state_is_all_that_an_iteration_changes() -> None:
    """Putting a copy of ``state`` back into its tensors makes ``apply`` and ``iterate`` repeat themselves."""
    parts = NETWORK.split(parameters(2))
    spectral = SpectralNorm(NETWORK, bounds(1.0, 2.0))
    spectral.iterate(parts)
    state = spectral.state()
    assert [tuple(x.shape) for x in state] == [(2, 6), (2, 3), (2, 1), (2, 4), (2, 6), (2, 3)]
    saved, before = [x.clone() for x in state], spectral.apply(parts)
    spectral.iterate(parts)
    after = spectral.apply(parts)
    assert not torch.equal(before[0], after[0])
    for tensor, value in zip(state, saved, strict=True):
        tensor.copy_(value)
    assert all(torch.equal(a, b) for a, b in zip(spectral.apply(parts), before, strict=True))
    spectral.iterate(parts)
    assert all(torch.equal(a, b) for a, b in zip(spectral.apply(parts), after, strict=True))


def test_the_vectors_start_even_and_follow_the_bound() -> None:
    """u starts as ones/sqrt(outputs), in the dtype of the bounds."""
    for dtype in (torch.float32, torch.float64):
        u_PO = SpectralNorm(NETWORK, bounds(1.0, 1.0, dtype=dtype)).state()[0]
        assert torch.equal(u_PO, torch.full((2, 6), 6**-0.5, dtype=dtype))


@pytest.mark.parametrize("widths", [(200, 50, 50, 1), (1, 17, 1), (3, 1)])
def test_a_members_bits_do_not_depend_on_its_slot(widths: tuple[int, ...]) -> None:
    """Equal members of a stack of 16 keep equal bits over three iterations, in float32."""
    network = Mlp(widths, ("elu",) * (len(widths) - 2))
    rng = torch.Generator().manual_seed(0)
    parts = network.split(torch.randn(1, network.size, generator=rng).repeat(16, 1))
    spectral = SpectralNorm(network, torch.full((16, 1), 1.5))
    for _ in range(3):
        spectral.iterate(parts)
    for tensor in (*spectral.state(), *spectral.apply(parts)):
        assert torch.equal(tensor, tensor[:1].expand_as(tensor))


def computation(device: str) -> tuple[Callable[[], list[Tensor]], SpectralNorm]:
    """All that a captured update uses of the package, on inputs made beforehand, and the state that it changes."""
    parts = [part.to(device) for part in NETWORK.split(parameters(2, dtype=torch.float32))]
    spectral = SpectralNorm(NETWORK, bounds(0.0, 2.0, dtype=torch.float32).to(device))
    rng = torch.Generator().manual_seed(4)
    real_PKN, fake_PKN, u_PKN = (torch.rand(2, 5, 4, generator=rng).to(device) for _ in range(3))
    slopes = [p for p in PENALTIES.values() if isinstance(p, GradientPenalty)]

    def compute() -> list[Tensor]:
        spectral.iterate(parts)
        points = [around(real_PKN, u_PKN), segments(real_PKN, fake_PKN, u_PKN[..., 0])]
        results = [f(u_PKN[..., 0]) for p in slopes for f in (p.value, p.coefficient)]
        return [*spectral.apply(parts), *points, *results]

    return compute, spectral


def test_nothing_reads_a_number_back() -> None:
    """The whole package runs on tensors that have shapes but no values, so nothing in it waits for a device."""
    with FakeTensorMode():
        compute, _ = computation("cpu")
        shapes = [tuple(tensor.shape) for tensor in compute()]
    compute, _ = computation("cpu")
    assert shapes == [tuple(tensor.shape) for tensor in compute()]


@pytest.mark.gpu
def test_a_captured_graph_replays_what_runs_eagerly() -> None:
    """Inside a CUDA graph the package computes the same bits as outside it, update after update."""
    captured, spectral = computation("cuda")
    eager, _ = computation("cuda")
    start = [x.clone() for x in spectral.state()]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        captured()
    torch.cuda.current_stream().wait_stream(side)
    for tensor, value in zip(spectral.state(), start, strict=True):
        tensor.copy_(value)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = captured()
    for _ in range(3):
        graph.replay()
        assert all(torch.equal(a, b) for a, b in zip(results, eager(), strict=True))
