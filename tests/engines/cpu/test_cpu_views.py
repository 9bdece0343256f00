"""The cpu engine's views, forward and backward, and its draws."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.cpu_kernels import called, floats

from harness.data.latent import NOISES
from harness.data.rng import Stream, uniforms
from harness.data.target import Target
from harness.data.views import VIEWS, pack
from harness.engines import quantile_table
from harness.engines.cpu.numeric.jit import prepare
from harness.engines.cpu.numeric.rng import levels_of
from harness.engines.cpu.numeric.views import FeatureGrid, Ranks
from harness.engines.quantile_table import LEVELS, levels, noise_table, table_worth_having, target_table

EVERY = {**VIEWS, "pack(m=5)": pack(5)}


def features_of(name: str, x: np.ndarray, along: int, across: int) -> tuple[np.ndarray, Ranks]:
    """Features (K, N) that the engine computes in a layout, and the ranks that it leaves."""
    view = EVERY[name]
    decisions, inputs = view.decisions(len(x)), view.inputs(len(x))
    out = np.zeros(inputs * along + decisions * across + 1, np.float32)
    ranks = Ranks(np.zeros(len(x), np.int64), np.zeros(len(x), np.int64))
    grid = FeatureGrid(out, 1, along, across, decisions)
    called("numeric.views.compute_features")(view.form.value, x, grid, ranks)
    positions = 1 + along * np.arange(inputs)[None] + across * np.arange(decisions)[:, None]
    return out[positions], ranks


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("side_by_side", [True, False])
@given(data=st.data())
def test_features_and_their_slopes_are_the_views(name: str, side_by_side: bool, data: st.DataObject) -> None:
    """In either layout, for values with ties, a constant minibatch and one of any spread: torch's, in float64."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    batch = 5 * 2 * data.draw(st.integers(1, 6))
    x = floats(rng, batch) * np.float32(data.draw(st.sampled_from([0.0, 0.25, 1.0, 20.0]))) + np.float32(4)
    if data.draw(st.booleans()):
        x = np.round(x)  # ties
    view = EVERY[name]
    decisions, inputs = view.decisions(batch), view.inputs(batch)
    along, across = (decisions + 3, 1) if side_by_side else (1, inputs + 2)
    computed, ranks = features_of(name, x, along, across)
    exact = torch.tensor(x, dtype=torch.float64)[None].requires_grad_()
    features = view.features(exact)
    np.testing.assert_allclose(computed, features[0].detach().numpy(), rtol=2e-4, atol=2e-4)
    slopes_KN = floats(rng, decisions, inputs)
    (expected,) = torch.autograd.grad((features[0] * torch.tensor(slopes_KN)).sum(), exact)
    laid = np.zeros(inputs * along + decisions * across + 1, np.float32)
    laid[1 + along * np.arange(inputs)[None] + across * np.arange(decisions)[:, None]] = slopes_KN
    out = np.zeros(batch, np.float32)
    grid = FeatureGrid(laid, 1, along, across, decisions)
    called("numeric.views.value_slopes")(view.form.value, x, grid, ranks, out)
    scale = max(1.0, float(expected.abs().max()))
    assert np.abs(out - expected[0].numpy()).max() / scale < 2e-4


@given(x=st.lists(st.sampled_from([0.0, 1.0, 2.0, np.nan]), min_size=1, max_size=40))
def test_equal_values_keep_their_order_and_nan_comes_last(x: list[float]) -> None:
    """Ranks are those of a stable sort, whatever the length."""
    _, ranks = features_of("sorted", np.array(x, np.float32), 1, 1)
    assert ranks.order.tolist() == np.argsort(np.array(x), kind="stable").tolist()


@given(
    study=st.integers(0, 2**63 - 1),
    seed=st.integers(0, 2**32 - 1),
    stream=st.sampled_from(list(Stream)),
    first=st.integers(0, 2**31),
    count=st.integers(1, 13),
)
def test_draws_are_the_streams(study: int, seed: int, stream: Stream, first: int, count: int) -> None:
    """(level + 1/2)/2^23 are the uniforms of ``harness.data.rng``, bit for bit, at any key and update."""
    prepare()
    key = np.array([study & 0xFFFFFFFF, seed, study >> 32], np.uint64)
    drawn = levels_of(key, int(stream), range(first, first + 3), count)
    expected = uniforms(study, torch.tensor([seed]), stream, range(first, first + 3), count)[:, 0].reshape(-1)
    assert ((drawn + 0.5) / LEVELS).astype(np.float32).tobytes() == expected.numpy().tobytes()


@pytest.mark.parametrize("text", ["norm(loc=4, scale=1.25)", "t(df=3)", "expon(loc=0)"])
def test_a_table_holds_the_quantile_of_every_uniform(text: str) -> None:
    """Looked up or asked for one by one: the same bits, at both ends and at positions drawn between."""
    target = Target.parse(text)
    table = target_table(target)
    assert len(table) == LEVELS
    assert table_worth_having(target, draws=1) is table
    assert table_worth_having(Target.parse("laplace(loc=1)"), draws=LEVELS) is None
    positions = np.unique(np.concatenate([[0, 1, LEVELS - 1], np.random.default_rng(0).integers(0, LEVELS, 1000)]))
    single = target.quantile((positions + 0.5) / LEVELS).astype(np.float32)
    assert table[positions].tobytes() == single.tobytes()
    assert levels(0, 2).tolist() == [0.5 / LEVELS, 1.5 / LEVELS]


def test_threads_that_ask_at_once_get_one_table_of_noise() -> None:
    """A kernel keeps its address alone: a second copy would be freed while a thread still trains on it."""
    quantile_table._noise_table.cache_clear()  # as in a process that has asked for none
    start = threading.Barrier(3)

    def asked(place: int) -> NDArray[np.float32]:
        start.wait()
        return noise_table("normal")

    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(asked, range(3))
    assert all(other is first for other in others)


def test_the_table_of_normal_noise_is_that_of_its_law() -> None:
    """The same for the noise, and its two halves mirror each other."""
    table = noise_table("normal")
    assert table[:3].tobytes() == NOISES["normal"](levels(0, 3)).astype(np.float32).tobytes()
    np.testing.assert_array_equal(table[: LEVELS // 2], -table[: LEVELS // 2 - 1 : -1])
