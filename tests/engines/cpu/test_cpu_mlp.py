"""The cpu engine's perceptrons, in both layouts, and what a penalty adds to D's gradient: autograd's in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cpu_kernels import LaidOutMlp, called, floats, scratch_of

from harness.data.mlp import Mlp
from harness.engines.cpu.layout import aligned, batch_major, feature_major
from harness.engines.cpu.numeric.mlp import Gradient
from harness.engines.cpu.numeric.simd import LANES, padded
from harness.engines.cpu.penalties import PairScratch, Tangents

NAMES = ["elu", "sigmoid", "tanh", "softplus", "leaky_relu", "relu"]
networks = st.builds(
    lambda inputs, units, names: Mlp((inputs, *units[: len(names)], 1), tuple(names)),
    inputs=st.integers(1, 20),
    units=st.lists(st.integers(1, 20), min_size=3, max_size=3),
    names=st.lists(st.sampled_from(NAMES), max_size=3),
)
#: Sums of some dozens of float32 products of size 1, each rounded to 6e-8 of itself.
CLOSE = {"atol": 2e-5, "rtol": 2e-5}


def exact(mlp: LaidOutMlp, x_KN: np.ndarray, slopes_K: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs, gradient and slopes in the inputs, in float64."""
    inputs = torch.tensor(x_KN, dtype=torch.float64).requires_grad_()
    outputs = mlp.outputs(inputs)
    weights = torch.tensor(slopes_K, dtype=torch.float64)
    gradients = torch.autograd.grad((outputs * weights).sum(), (mlp.exact, inputs))
    return (outputs.detach().numpy(), gradients[0][0].numpy(), gradients[1].numpy())


@given(network=networks, columns=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_feature_major(network: Mlp, columns: int, seed: int) -> None:
    """Outputs, gradient and input slopes are autograd's, and padding has gradient 0."""
    rng = np.random.default_rng(seed)
    mlp = LaidOutMlp(network, rng)
    activations = feature_major(mlp.layout, columns)
    stride = activations.stride
    x_KN, slopes_K = floats(rng, columns, network.widths[0]), floats(rng, columns)
    activations.values[: network.widths[0] * stride].reshape(-1, stride)[:, :columns] = x_KN.T
    out, padded_slopes, gradient = aligned(columns), aligned(columns), mlp.gradient()
    padded_slopes[:columns] = slopes_K
    slopes = padded_slopes[:columns]
    below = aligned(network.widths[0] * stride + LANES * stride)
    called("numeric.feature_major.forward")(mlp.weights, activations, stride // LANES, out)
    scratch = scratch_of(mlp, columns)
    called("numeric.feature_major.gradient")(mlp.weights, activations, slopes, scratch, gradient)
    called("numeric.feature_major.input_slopes")(mlp.weights, activations, slopes, scratch, below)
    outputs_K, gradient_W, below_KN = exact(mlp, x_KN, slopes_K)
    np.testing.assert_allclose(out[:columns], outputs_K, **CLOSE)
    np.testing.assert_allclose(mlp.layout.flat(gradient), gradient_W, **CLOSE)
    computed = below[: network.widths[0] * stride].reshape(-1, stride)[:, :columns].T
    np.testing.assert_allclose(computed, below_KN, **CLOSE)
    # What lies between the layers' blocks is never written.
    assert set(mlp.padding(gradient).tolist()) <= {0.0, -7.5}


@given(network=networks, count=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_batch_major(network: Mlp, count: int, seed: int) -> None:
    """The same, and the squared norm that comes from the gradient's factors is the gradient's."""
    rng = np.random.default_rng(seed)
    mlp = LaidOutMlp(network, rng)
    activations = batch_major(mlp.layout, count)
    x_KN, slopes_K = floats(rng, count, network.widths[0]), floats(rng, count)
    width = padded(network.widths[0] + 1)
    rows = activations.values[: count * width].reshape(count, width)
    rows[:, : network.widths[0]], rows[:, network.widths[0]] = x_KN, 1
    out, gradient, below = aligned(count)[:count], mlp.gradient(), aligned(count * width + LANES)
    called("numeric.batch_major.forward")(mlp.weights, activations, out)
    scratch, stored = scratch_of(mlp, count), Gradient(gradient, aligned(1)[:0])
    square = called("numeric.batch_major.gradient")(mlp.weights, activations, slopes_K, scratch, stored)
    called("numeric.batch_major.input_slopes")(mlp.weights, activations, slopes_K, scratch, below)
    outputs_K, gradient_W, below_KN = exact(mlp, x_KN, slopes_K)
    np.testing.assert_allclose(out, outputs_K, **CLOSE)
    np.testing.assert_allclose(mlp.layout.flat(gradient), gradient_W, **CLOSE)
    np.testing.assert_allclose(below[: count * width].reshape(count, width)[:, : network.widths[0]], below_KN, **CLOSE)
    np.testing.assert_allclose(square, np.square(gradient_W).sum(), rtol=1e-3, atol=1e-6)
    assert set(mlp.padding(gradient).tolist()) <= {0.0, -7.5}


@given(network=networks, columns=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_a_directional_derivative_is_differentiated(network: Mlp, columns: int, seed: int) -> None:
    """The gradient of the sum of D'(x; v), v held fixed, is autograd's gradient of autograd's slope times v."""
    rng = np.random.default_rng(seed)
    mlp = LaidOutMlp(network, rng)
    activations, along = feature_major(mlp.layout, columns), feature_major(mlp.layout, columns, ones=False)
    x_KN, v_KN = floats(rng, columns, network.widths[0]), floats(rng, columns, network.widths[0])
    for buffer, values in ((activations, x_KN), (along, v_KN)):
        buffer.values[: network.widths[0] * buffer.stride].reshape(-1, buffer.stride)[:, :columns] = values.T
    ones, gradient = aligned(columns), mlp.gradient()
    ones[:columns], gradient[:] = 1, 0
    called("numeric.feature_major.forward")(mlp.weights, activations, activations.stride // LANES, aligned(columns))
    tangents = Tangents(along.values, aligned(len(along.values)), ones[:columns])
    scratch = PairScratch(*scratch_of(mlp, columns)[:2], *scratch_of(mlp, columns))
    called("penalties.add_directional_gradient")(mlp.weights, activations, tangents, scratch, gradient)
    inputs = torch.tensor(x_KN, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(mlp.outputs(inputs).sum(), inputs, create_graph=True)
    along_v = (slope * torch.tensor(v_KN, dtype=torch.float64)).sum()
    (expected,) = torch.autograd.grad(along_v, mlp.exact, allow_unused=True)
    np.testing.assert_allclose(mlp.layout.flat(gradient), 0 if expected is None else expected[0].numpy(), atol=1e-4)
    assert not mlp.padding(gradient).any()


@pytest.mark.parametrize("seed", range(3))
def test_parameters_come_back_from_their_layout(seed: int) -> None:
    """packed, then flat: the same bits; and nothing but zeros in between."""
    mlp = LaidOutMlp(Mlp((3, 13, 50, 1), ("elu", "tanh")), np.random.default_rng(seed))
    assert mlp.layout.flat(mlp.weights.theta).tobytes() == mlp.flat.tobytes()
    assert not mlp.padding(mlp.weights.theta).any()
