"""What trained generators make of their noise, with the arithmetic of the training loop; no engine is needed for it.

A column of noise goes through the layers alone (products.py), so no bit of a sample depends on how many there are, nor
on what else the thread has done.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.data.mlp import Mlp
from harness.engines.cpu.entry import prepare
from harness.engines.cpu.layout import Float32, Plan, aligned, tape_of_rows
from harness.engines.cpu.numeric.activations import activate
from harness.engines.cpu.numeric.jit import F4, I8, I8_2, NONE, i8, kernel
from harness.engines.cpu.numeric.matmul import product
from harness.engines.cpu.numeric.mlp import INPUTS, forward
from harness.engines.cpu.numeric.simd import LANES, load, padded, store

#: Columns that go through the layers together: two tiles of five vectors; 50 hidden units of them fit the first cache.
_COLUMNS = 10 * LANES


@kernel(NONE, I8_2, F4, F4, i8, F4, I8, i8, F4)
def _outputs(net, theta, noise, count, tape, places, stride, out):
    """Outputs for ``count`` columns of noise, whole vectors of them; a row of noise for each input."""
    for start in range(0, count, stride):
        columns = min(stride, count - start)
        for i in range(net[0, INPUTS]):
            for c in range(0, columns, LANES):
                store(tape, places[0] + i * stride + c, load(noise, i * count + start + c))
        forward(net, theta, tape, places, stride, columns // LANES, out[start:])


#: All that ``_outputs`` is made of, in the order of declaration.
_KERNELS = tuple(one.kernel for one in (product, activate, forward, _outputs))


class Columns:
    """Noise (S, Z) as generators are fed it: float32, a row for each of its Z numbers, in whole vectors."""

    def __init__(self, noise_SZ: NDArray[np.floating]) -> None:
        self.samples, latent = noise_SZ.shape
        self.padded = int(padded(self.samples))
        self.values = aligned(latent * self.padded)
        self.values.reshape(latent, self.padded)[:, : self.samples] = noise_SZ.T


class CompiledGenerator:
    """Generators of one shape in float32. What it computes in is of one thread."""

    def __init__(self, network: Mlp) -> None:
        prepare(_KERNELS, "scoring: compiling what makes samples for this processor, about 4 seconds")
        self._plan = Plan.of(network)
        self._tape = tape_of_rows(self._plan, _COLUMNS)

    def samples(self, theta_W: NDArray[np.floating], noise: Columns) -> Float32:
        """What the generator with these flat parameters makes of noise, (S,)."""
        out, tape = aligned(noise.padded), self._tape
        _outputs.kernel.dispatcher(
            self._plan.net, self._plan.packed(theta_W), noise.values, noise.padded, tape.values, tape.places,
            tape.stride, out,
        )  # fmt: skip
        return out[: noise.samples]
