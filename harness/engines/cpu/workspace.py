"""The memory that one thread trains in: all that a step writes and the next does not need."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.engines.cpu.layout import Float32, aligned, batch_major, feature_major
from harness.engines.cpu.numeric.mlp import Activations
from harness.engines.cpu.numeric.record import fill
from harness.engines.cpu.numeric.simd import LANES, padded, row_length
from harness.engines.cpu.penalties import SITES
from harness.engines.cpu.state import Layouts, Shapes
from harness.engines.step_options import StepOptions


class Buffers(NamedTuple):
    """Activations by the names of the record: of G, of D in either update, of D where penalties look, along v there."""

    g_activations: Activations
    d_activations: Activations
    dg_activations: Activations
    site_activations: Activations
    tangents: Activations

    @classmethod
    def new(cls, layouts: Layouts, shapes: Shapes, options: StepOptions) -> Buffers:
        """Allocate them; those of penalties only where there are any."""
        of_d = feature_major if shapes.feature_major else batch_major
        empty = Activations(aligned(1), np.zeros(len(layouts.d.layers), np.int64), 0)
        penalized = bool(options.penalties)
        return cls(
            feature_major(layouts.g, 2 * shapes.batch),
            of_d(layouts.d, 2 * shapes.decisions),
            of_d(layouts.d, shapes.decisions),
            feature_major(layouts.d, shapes.decisions) if penalized else empty,
            feature_major(layouts.d, shapes.decisions, ones=False) if penalized else empty,
        )


class Scratch(NamedTuple):
    """Arrays by the names of the record, which describes them (numeric/record.py)."""

    delta_a: Float32
    delta_b: Float32
    transposed: Float32
    second_delta_a: Float32
    second_delta_b: Float32
    tangent_sums: Float32
    scaled_theta: Float32
    sigmas: NDArray[np.float64]
    random_levels: NDArray[np.int32]
    random_values: Float32
    real: Float32
    fake: Float32
    generated: Float32
    viewed: Float32
    ranks: NDArray[np.int64]
    ranks_scratch: NDArray[np.int64]
    input_slopes: Float32
    output_slopes: Float32
    unit_slopes: Float32
    first_delta: Float32
    logits: Float32
    logits_g: Float32
    labels: Float32
    label_draws: Float32
    slope_norms: Float32

    @classmethod
    def new(cls, layouts: Layouts, shapes: Shapes, options: StepOptions, buffers: Buffers) -> Scratch:
        """Allocate arrays for members of these shapes and options."""
        batch, decisions, inputs, d = shapes.batch, shapes.decisions, shapes.inputs, layouts.d
        # A delta is (widest, columns) or, batch-major, as large as the first layer's inputs.
        delta = max(layouts.widest * padded(2 * max(batch, decisions)), 2 * decisions * row_length(inputs) + LANES)
        second_delta = delta if options.penalties else 1
        draws = 4 + max(batch * shapes.latent, 2 * batch, decisions * max(inputs, 2))
        unit_slopes = aligned(decisions)
        unit_slopes[:decisions] = 1
        theta = d.packed(np.zeros(d.network.size, np.float32)) if options.spectral_norm else aligned(1)
        return cls(
            delta_a=aligned(delta),
            delta_b=aligned(delta),
            transposed=aligned(delta),
            second_delta_a=aligned(second_delta),
            second_delta_b=aligned(second_delta),
            tangent_sums=aligned(len(buffers.tangents.values)),
            scaled_theta=theta,
            sigmas=np.zeros(len(d.layers)),
            random_levels=np.zeros(draws, np.int32),
            random_values=aligned(draws),
            real=aligned(batch),
            fake=aligned(batch),
            generated=aligned(2 * batch),
            viewed=aligned(batch),
            ranks=np.zeros(batch, np.int64),
            ranks_scratch=np.zeros(batch, np.int64),
            input_slopes=aligned(inputs * padded(decisions) + padded(inputs + LANES)),
            output_slopes=aligned(2 * max(decisions, batch)),
            unit_slopes=unit_slopes,
            first_delta=aligned(1 if shapes.feature_major else 2 * decisions * (layouts.widest + LANES)),
            logits=aligned(2 * decisions),
            logits_g=aligned(2 * decisions + LANES),
            labels=aligned(2 * decisions),
            label_draws=aligned(2 * decisions),
            slope_norms=aligned(len(SITES) * decisions),
        )


class Workspace(NamedTuple):
    """All that a thread needs to train members of some shapes and options."""

    layouts: Layouts
    buffers: Buffers
    scratch: Scratch
    gradients: tuple[Float32, Float32]
    saved: tuple[Float32, Float32]

    @classmethod
    def new(cls, layouts: Layouts, shapes: Shapes, options: StepOptions) -> Workspace:
        """Allocate it."""
        buffers = Buffers.new(layouts, shapes, options)
        scratch = Scratch.new(layouts, shapes, options, buffers)
        gradients, saved = ((aligned(layouts.g.size), aligned(layouts.d.size)) for _ in range(2))
        return cls(layouts, buffers, scratch, gradients, saved)

    def bind(self, record: Any) -> None:
        """Enter the arrays into the record of a loop."""
        for name, activations in self.buffers._asdict().items():
            fill(record[name], activations._asdict())
        fill(record, self.scratch._asdict() | {"output_slopes_size": len(self.scratch.output_slopes)})
        for player, layout, gradient, saved in zip("gd", self.layouts, self.gradients, self.saved, strict=True):
            fill(record[player], {"layers": layout.layers, "depth": len(layout.layers), "size": layout.size})
            fill(record[player], {"gradient": gradient, "saved": saved})
