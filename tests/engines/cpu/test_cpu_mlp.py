"""The cpu engine's perceptrons, in both layouts, and what a penalty adds to D's gradient: autograd's in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cpu_kernels import LaidOutMlp, called, floats, work_of

from harness.data.mlp import Mlp
from harness.engines.cpu.layout import aligned, padded, tape_of_rows, tape_of_units
from harness.engines.cpu.numeric.simd import LANES

NAMES = ["elu", "sigmoid", "tanh", "softplus", "leaky_relu", "relu"]
networks = st.builds(
    lambda inputs, units, names: Mlp((inputs, *units[: len(names)], 1), tuple(names)),
    inputs=st.integers(1, 20),
    units=st.lists(st.integers(1, 20), min_size=3, max_size=3),
    names=st.lists(st.sampled_from(NAMES), max_size=3),
)
#: Sums of some dozens of float32 products of size 1, each rounded to 6e-8 of itself.
CLOSE = {"atol": 2e-5, "rtol": 2e-5}


def exact(laid: LaidOutMlp, x_KN: np.ndarray, slopes_K: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs, gradient and slopes in the inputs, in float64."""
    inputs = torch.tensor(x_KN, dtype=torch.float64).requires_grad_()
    outputs = laid.outputs(inputs)
    weights = torch.tensor(slopes_K, dtype=torch.float64)
    found = torch.autograd.grad((outputs * weights).sum(), (laid.exact, inputs))
    return (outputs.detach().numpy(), found[0][0].numpy(), found[1].numpy())


@given(network=networks, columns=st.integers(1, 40), seed=st.integers(0, 2**32 - 1), add=st.booleans())
@settings(max_examples=60)
def test_many_inputs_side_by_side(network: Mlp, columns: int, seed: int, add: bool) -> None:
    """Outputs, gradient and input slopes are autograd's; padding has gradient 0 and what is added to is kept."""
    rng = np.random.default_rng(seed)
    laid, tape = LaidOutMlp(network, rng), tape_of_rows(LaidOutMlp(network, rng).plan, columns)
    x_KN, slopes_K = floats(rng, columns, network.widths[0]), floats(rng, columns)
    inputs = tape.values[: network.widths[0] * tape.stride].reshape(-1, tape.stride)
    inputs[:, :columns] = x_KN.T
    out, slopes, gradient = aligned(columns), aligned(columns), laid.gradient()
    slopes[:columns] = slopes_K
    if add:
        gradient[:] = laid.plan.packed(np.ones(network.size, np.float32))
    below = aligned(network.widths[0] * tape.stride + LANES * tape.stride)
    called("numeric.mlp.forward")(
        laid.plan.net, laid.theta, tape.values, tape.places, tape.stride, tape.stride // LANES, out
    )
    called("numeric.mlp.backward")(
        laid.plan.net, laid.theta, tape.values, tape.places, tape.stride, columns, slopes, tape.stride,
        work_of(laid, columns), gradient, True, add, below, True,
    )  # fmt: skip
    outputs_K, gradient_W, below_KN = exact(laid, x_KN, slopes_K)
    np.testing.assert_allclose(out[:columns], outputs_K, **CLOSE)
    np.testing.assert_allclose(laid.plan.flat(gradient), gradient_W + add, **CLOSE)
    found = below[: network.widths[0] * tape.stride].reshape(-1, tape.stride)[:, :columns].T
    np.testing.assert_allclose(found, below_KN, **CLOSE)
    # What lies between the layers' blocks is never written.
    assert set(laid.padding(gradient).tolist()) <= {0.0, -7.5}


@given(network=networks, count=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_few_inputs_with_units_side_by_side(network: Mlp, count: int, seed: int) -> None:
    """The same, and the squared norm that comes from the gradient's factors is the gradient's."""
    rng = np.random.default_rng(seed)
    laid = LaidOutMlp(network, rng)
    tape = tape_of_units(laid.plan, count)
    x_KN, slopes_K = floats(rng, count, network.widths[0]), floats(rng, count)
    width = padded(network.widths[0] + 1)
    rows = tape.values[: count * width].reshape(count, width)
    rows[:, : network.widths[0]], rows[:, network.widths[0]] = x_KN, 1
    out, gradient, below = aligned(count), laid.gradient(), aligned(count * width + LANES)
    called("numeric.units.forward")(laid.plan.net, laid.theta, tape.values, tape.places, count, out)
    square = called("numeric.units.backward")(
        laid.plan.net, laid.theta, tape.values, tape.places, count, slopes_K, work_of(laid, count), gradient, True,
        False, below, True, False, aligned(1),
    )  # fmt: skip
    outputs_K, gradient_W, below_KN = exact(laid, x_KN, slopes_K)
    np.testing.assert_allclose(out[:count], outputs_K, **CLOSE)
    np.testing.assert_allclose(laid.plan.flat(gradient), gradient_W, **CLOSE)
    np.testing.assert_allclose(below[: count * width].reshape(count, width)[:, : network.widths[0]], below_KN, **CLOSE)
    np.testing.assert_allclose(square, np.square(gradient_W).sum(), rtol=1e-3, atol=1e-6)
    assert set(laid.padding(gradient).tolist()) <= {0.0, -7.5}


@given(network=networks, columns=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_a_directional_derivative_is_differentiated(network: Mlp, columns: int, seed: int) -> None:
    """What is added is the gradient of the sum of D'(x; v), v held fixed: autograd's, of autograd's slope times v."""
    rng = np.random.default_rng(seed)
    laid = LaidOutMlp(network, rng)
    tape, along = tape_of_rows(laid.plan, columns), tape_of_rows(laid.plan, columns, ones=False)
    x_KN, v_KN = floats(rng, columns, network.widths[0]), floats(rng, columns, network.widths[0])
    for made, values in ((tape, x_KN), (along, v_KN)):
        made.values[: network.widths[0] * tape.stride].reshape(-1, tape.stride)[:, :columns] = values.T
    ones, gradient = aligned(columns), laid.gradient()
    ones[:columns], gradient[:] = 1, 0
    plan = (laid.plan.net, laid.theta, tape.values, tape.places, tape.stride)
    called("numeric.mlp.forward")(*plan, tape.stride // LANES, aligned(columns))
    called("bending.bend")(
        *plan, columns, along.values, aligned(len(along.values)), ones, work_of(laid, columns),
        work_of(laid, columns)[:2], gradient,
    )  # fmt: skip
    inputs = torch.tensor(x_KN, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(laid.outputs(inputs).sum(), inputs, create_graph=True)
    along_v = (slope * torch.tensor(v_KN, dtype=torch.float64)).sum()
    (expected,) = torch.autograd.grad(along_v, laid.exact, allow_unused=True)
    np.testing.assert_allclose(laid.plan.flat(gradient), 0 if expected is None else expected[0].numpy(), atol=1e-4)
    assert not laid.padding(gradient).any()


@pytest.mark.parametrize("seed", range(3))
def test_parameters_come_back_from_their_layout(seed: int) -> None:
    """packed, then flat: the same bits; and nothing but zeros in between."""
    laid = LaidOutMlp(Mlp((3, 13, 50, 1), ("elu", "tanh")), np.random.default_rng(seed))
    assert laid.plan.flat(laid.theta).tobytes() == laid.flat.tobytes()
    assert not laid.padding(laid.theta).any()
