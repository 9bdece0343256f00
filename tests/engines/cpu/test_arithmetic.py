"""The cpu engine's arithmetic: products, blocks turned over, activations and their derivatives."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from support.cpu_kernels import called, floats

from harness.config.fields import Activation
from harness.data.mlp import ACTIVATIONS
from harness.engines.cpu.layout import aligned
from harness.engines.cpu.numeric.activations import ACTIVATION_IDS, derivative, second_derivative
from harness.engines.cpu.numeric.matmul import OUT, ZERO, Matrix, Rows, Size
from harness.engines.cpu.numeric.simd import LANES, load, padded, store


@given(
    numbers=st.integers(1, 13),
    vectors=st.integers(1, 12),
    count=st.integers(0, 9),
    add=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_a_product_is_numpys(numbers: int, vectors: int, count: int, add: bool, seed: int) -> None:
    """Whatever tiles it is cut into: sums of float32 products, or added to what was there, and nothing else written."""
    rng = np.random.default_rng(seed)
    a_NP, b_NQ = floats(rng, count, numbers), floats(rng, count, vectors * LANES)
    before = floats(rng, numbers, vectors * LANES + 3)
    out = before.copy()
    called("numeric.matmul.product")(
        Rows(out.reshape(-1), 0, out.shape[1]),
        Matrix(np.append(a_NP.reshape(-1), np.float32(0)), 0, numbers, 1),
        Rows(np.append(b_NQ.reshape(-1), np.float32(0)), 0, vectors * LANES),
        Size(count, numbers, vectors),
        OUT if add else ZERO,
    )
    expected = a_NP.astype(np.float64).T @ b_NQ.astype(np.float64) + (before[:, :-3] if add else 0)
    # A dozen terms of size 1 to 10, each with half a unit in the last place.
    np.testing.assert_allclose(out[:, :-3], expected, atol=1e-5)
    np.testing.assert_array_equal(out[:, -3:], before[:, -3:])


def test_a_sum_does_not_depend_on_its_tile() -> None:
    """An element has the same bits in a product of one number and one vector as in one of 13 by 12."""
    rng = np.random.default_rng(3)
    a_NP, b_NQ = floats(rng, 50, 13), floats(rng, 50, 12 * LANES)
    product = called("numeric.matmul.product")
    whole, single = np.zeros((13, 12 * LANES), np.float32), np.zeros(LANES, np.float32)
    a, b = a_NP.reshape(-1), b_NQ.reshape(-1)
    product(Rows(whole.reshape(-1), 0, 12 * LANES), Matrix(a, 0, 13, 1), Rows(b, 0, 12 * LANES), Size(50, 13, 12), ZERO)
    for p, q in ((0, 0), (7, 5), (12, 11)):
        column = Rows(b, q * LANES, 12 * LANES)
        product(Rows(single, 0, LANES), Matrix(a, p, 13, 1), column, Size(50, 1, 1), ZERO)
        assert single.tobytes() == whole[p, q * LANES : (q + 1) * LANES].tobytes()


def test_every_activation_of_a_shape_has_an_id() -> None:
    """A new activation needs a line in activations.py, and a row here."""
    assert set(ACTIVATION_IDS) == set(get_args(Activation)) == set(ACTIVATIONS)


@njit
def derivatives(activation, h, first, second):  # type: ignore[no-untyped-def]
    for i in range(0, len(h), LANES):
        store(first, i, derivative(activation, load(h, i)))
        store(second, i, second_derivative(activation, load(h, i)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_both_derivatives_are_torchs(name: str) -> None:
    """Over -90..90: within 5e-7 of float64, which is a few units in the last place of numbers of size 1 to 30."""
    z = np.concatenate([np.linspace(-90, 90, 4096), np.linspace(-4, 4, 4096)]).astype(np.float32)
    h, first, second = z.copy(), np.empty_like(z), np.empty_like(z)
    called("numeric.activations.activate")(ACTIVATION_IDS[name], Rows(h, 0, len(h)), 1, len(h))
    derivatives(ACTIVATION_IDS[name], h, first, second)
    x = torch.tensor(z, dtype=torch.float64, requires_grad=True)
    value = ACTIVATIONS[name](x)
    (exact,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    bend = torch.autograd.grad(exact.sum(), x)[0] if exact.requires_grad else torch.zeros_like(x)
    scale = np.maximum(1, np.abs(z) / 8)
    for computed, expected in ((h, value), (first, exact), (second, bend)):
        assert (np.abs(computed - expected.detach().numpy()) / scale).max() < 5e-7


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_stays_nan_and_infinities_are_kept_finite_where_torch_does(name: str) -> None:
    """No comparison swallows a nan: what is sick must be seen in the gradient."""
    values = np.array([np.nan, np.inf, -np.inf] + [0.0] * (padded(3) - 3), np.float32)
    called("numeric.activations.activate")(ACTIVATION_IDS[name], Rows(values, 0, len(values)), 1, len(values))
    assert np.isnan(values[0])
    expected = ACTIVATIONS[name](torch.tensor([np.inf, -np.inf])).numpy()
    known = ~np.isnan(expected)
    np.testing.assert_allclose(values[1:3][known], expected[known], atol=1e-6)


def test_everything_starts_on_a_cache_line() -> None:
    """Vectors never straddle two lines, whatever numpy's allocator does."""
    assert all(aligned(count).ctypes.data % 64 == 0 for count in (1, 7, 100, 12_345))
