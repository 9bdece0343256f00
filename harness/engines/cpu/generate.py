"""Samples from trained generators, with the arithmetic of the training loop and without an engine.

Each column of noise goes through the layers by itself (numeric/matmul.py), so no bit of a sample depends on how many
there are, nor on what else the thread has done.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.data.mlp import Mlp
from harness.engines.cpu.layout import Float32, MlpLayout, aligned, feature_major
from harness.engines.cpu.numeric.activations import activate
from harness.engines.cpu.numeric.feature_major import forward
from harness.engines.cpu.numeric.jit import F4, NONE, i8, kernel, prepare
from harness.engines.cpu.numeric.matmul import product
from harness.engines.cpu.numeric.mlp import ACTIVATIONS, INPUTS, WEIGHTS, Weights
from harness.engines.cpu.numeric.simd import LANES, load, padded, store

#: Columns that go through the layers together: two tiles of five vectors; 50 hidden units of them fit the first cache.
_COLUMNS = 10 * LANES


@kernel(NONE, WEIGHTS, ACTIVATIONS, F4, i8, F4)
def _outputs(weights, activations, noise, count, out):
    """Outputs (count,) of noise (inputs, count), ``count`` a whole number of vectors."""
    values, offsets, stride = activations
    for start in range(0, count, stride):
        columns = min(stride, count - start)
        for i in range(weights.layers[0, INPUTS]):
            for c in range(0, columns, LANES):
                store(values, offsets[0] + i * stride + c, load(noise, i * count + start + c))
        forward(weights, activations, columns // LANES, out[start:])


#: The kernels of ``_outputs``, in order of declaration.
_KERNELS = tuple(function.kernel for function in (product, activate, forward, _outputs))


class Columns:
    """Noise (S, Z) as generators take it: float32, a row for each of its Z numbers, in whole vectors."""

    def __init__(self, noise_SZ: NDArray[np.floating]) -> None:
        self.samples, latent = noise_SZ.shape
        self.padded = int(padded(self.samples))
        self.values = aligned(latent * self.padded)
        self.values.reshape(latent, self.padded)[:, : self.samples] = noise_SZ.T


class CompiledGenerator:
    """Generators of one shape in float32. An instance serves one thread at a time."""

    def __init__(self, network: Mlp) -> None:
        prepare(_KERNELS, "scoring: compiling what makes samples for this processor, about 4 seconds")
        self._layout = MlpLayout.of(network)
        self._activations = feature_major(self._layout, _COLUMNS)

    def samples(self, theta_W: NDArray[np.floating], noise: Columns) -> Float32:
        """Samples (S,) of the generator with these flat parameters."""
        out, weights = aligned(noise.padded), Weights(self._layout.layers, self._layout.packed(theta_W))
        _outputs.kernel.dispatcher(weights, self._activations, noise.values, noise.padded, out)
        return out[: noise.samples]
