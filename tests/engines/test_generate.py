"""Samples of generators: the networks' own arithmetic, and the same bits whoever is sampled beside them."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data.mlp import ACTIVATIONS, Mlp, generate, perceptron
from harness.engines.generate import SCORE_DRAWS, even_noise, ordered_noise, samples, score_noise

#: The seed's generator.
SEED = perceptron(1, 50, ("elu", "sigmoid"))


def thetas(network: Mlp, members: int, stretch: float = 2.0) -> NDArray[np.float32]:
    """Parameters of so many generators, as large as trained ones have."""
    return np.random.default_rng(members).normal(0, stretch, (members, network.size)).astype(np.float32)


def scale_of(network: Mlp, theta_W: NDArray[np.float32], noise_SZ: NDArray[np.float64]) -> float:
    """The largest sum that a sample can be made of: the same layers with every weight, input and value positive."""
    x = np.abs(noise_SZ)
    for i, layer in enumerate(network.layers):
        weight = np.abs(theta_W[layer.start : layer.bias].reshape(layer.inputs, layer.outputs).astype(np.float64))
        x = x @ weight + np.abs(theta_W[layer.bias : layer.stop])
        if i < len(network.activations):
            x = np.maximum(x, 1.0)
    return float(x.max())


@given(
    latent=st.integers(1, 9),
    hidden=st.integers(1, 40),
    activations=st.lists(st.sampled_from(sorted(ACTIVATIONS)), max_size=3),
    draws=st.integers(1, 500),
)
@settings(max_examples=80, deadline=None)
def test_samples_are_the_networks_outputs(latent: int, hidden: int, activations: list[str], draws: int) -> None:
    """Of any shape: within 3e-6 of what float64 makes of the same float32 parameters, as a share of what is summed."""
    network = perceptron(latent, hidden, activations)
    theta_PW = thetas(network, 2)
    noise_SZ = np.random.default_rng(draws).random((draws, latent))
    found_PS = samples(network, theta_PW, itertools.repeat(noise_SZ))
    exact_PS = generate(network, torch.from_numpy(theta_PW).double(), torch.from_numpy(noise_SZ)).numpy()
    assert found_PS.dtype == np.float32
    assert found_PS.shape == exact_PS.shape == (2, draws)
    for theta_W, found_S, exact_S in zip(theta_PW, found_PS, exact_PS, strict=True):
        assert np.abs(found_S - exact_S).max() <= 3e-6 * scale_of(network, theta_W, noise_SZ)


def test_generators_in_float64_stay_in_float64() -> None:
    """The reference engine's parameters are not rounded on their way to a score."""
    theta_PW = thetas(SEED, 3).astype(np.float64) + 1e-12
    noise_SZ = even_noise("uniform", 1)
    found_PS = samples(SEED, theta_PW, itertools.repeat(noise_SZ))
    assert found_PS.dtype == np.float64
    exact_PS = generate(SEED, torch.from_numpy(theta_PW), torch.from_numpy(noise_SZ)).numpy()
    np.testing.assert_allclose(found_PS, exact_PS, rtol=1e-12)


def test_a_sample_has_the_same_bits_in_any_company() -> None:
    """Alone, among forty, on any of four threads, of any part of the noise, and after torch flushed denormals."""
    theta_PW, noise_SZ = thetas(SEED, 40), even_noise("uniform", 1)
    together = samples(SEED, theta_PW, itertools.repeat(noise_SZ))
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda theta_W: samples(SEED, theta_W[None], [noise_SZ])[0], theta_PW))
    assert np.stack(alone).tobytes() == together.tobytes()
    for start, stop in ((0, 1), (3, 90), (77, 10_000)):
        part = samples(SEED, theta_PW[:1], [noise_SZ[start:stop]])
        assert part.tobytes() == together[:1, start:stop].tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_a_generator_that_is_no_number_harms_no_other(bad: float) -> None:
    """Parameters that are nan, infinite or huge give a sample that is not finite, and leave the next one's bits."""
    theta_PW, noise_SZ = thetas(SEED, 2), even_noise("uniform", 1)
    healthy = samples(SEED, theta_PW, itertools.repeat(noise_SZ))[1]
    theta_PW[0, SEED.layers[-1].start :] = bad
    found_PS = samples(SEED, theta_PW, itertools.repeat(noise_SZ))
    assert not np.isfinite(found_PS[0]).all()
    assert found_PS[1].tobytes() == healthy.tobytes()


@pytest.mark.parametrize("latent", [1, 3])
def test_ordered_noise_is_the_drawn_noise(latent: int) -> None:
    """The same 10,000 draws, in one dimension ascending; in more, where there is no order, as they were drawn."""
    drawn, ordered = (one(5, 7, "normal", latent) for one in (score_noise, ordered_noise))
    assert drawn.shape == ordered.shape == (SCORE_DRAWS, latent)
    assert np.array_equal(ordered, np.sort(drawn, axis=0) if latent == 1 else drawn)


PROGRAM = """
import numpy as np
from harness.engines.cpu.numeric.jit import KERNELS
from harness.data.mlp import perceptron
from harness.engines.generate import even_noise, samples
network = perceptron(1, 5, ("elu",))
samples(network, np.ones((1, network.size), np.float32), [even_noise("uniform", 1)])
print(sum(kernel.loaded for kernel in KERNELS), "of", len(KERNELS))
"""


def test_scoring_compiles_no_training_loop(tmp_path: Path) -> None:
    """A first score after another engine's training waits for the four kernels that make samples, not for all."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("4 of ")
