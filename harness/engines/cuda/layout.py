"""Places of a member's arrays: in its block's shared memory, in its row of global memory, or in both.

A member's state has a home in global memory, a row of ``Layout.state`` floats. While a launch runs, what a layout
keeps in shared memory is copied there at the beginning and back at the end; the rest is read and written in place,
through L2. The arithmetic is the same in every layout, and so are the bits.

========== =================================== =========================================================
layout     in global memory besides the homes  the script's GAN fits, of a block's shared memory,
========== =================================== =========================================================
resident   -                                   232,448 bytes (Hopper, Blackwell): one a multiprocessor
streaming  the optimisers' moments             166,912 bytes (A100)
narrow     D's parameters and gradient too     101,376 bytes (consumer cards)
bare       G's parameters and gradient too     that and less; for networks whose weights are too large
========== =================================== =========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.data.views import Form
from harness.engines.base import REPLAY_BUFFER
from harness.engines.cuda.kernel_spec import KernelSpec
from harness.engines.cuda.tiling import THREADS, product_tiling

#: Floats of the numbers that every thread reads (``enum Number`` of state.cuh), and of the sums of both players' norms.
NUMBERS, NORM_SUMS = 16, 32

#: Arrays that an optimiser keeps besides the first moment.
_MOMENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "adam": ("moment", "square"),
        "optimistic_adam": ("moment", "square", "previous"),
        "sgd": ("moment",),
        "rmsprop": ("moment", "square"),
    }
)


@dataclass(frozen=True)
class Array:
    """One array of a member: its floats, whether it outlives a launch, and what it belongs to.

    ``part`` names arrays that a layout moves to global memory together: "moments", "discriminator", "generator"; "" is
    for what stays in shared memory, "distant" for what is never in it.
    """

    name: str
    floats: int
    lasting: bool = False
    part: str = ""


@dataclass(frozen=True)
class PlacedArray:
    """Position of an array, in floats from the beginning of shared memory and of the state; None: it is not there."""

    array: Array
    shared: int | None
    state: int | None

    @property
    def home(self) -> int:
        """Position in the state of an array that has one.

        Raises:
            ValueError: it lies in shared memory alone.
        """
        if self.state is None:
            raise ValueError(f"{self.array.name} does not outlive a launch")
        return self.state


@dataclass(frozen=True)
class Layout:
    """Positions of all arrays of a kernel. ``overlaid``: G's gradient takes the place of its last activations."""

    name: str
    overlaid: bool
    arrays: Mapping[str, PlacedArray]
    shared: int
    state: int

    @property
    def shared_bytes(self) -> int:
        return 4 * self.shared


def arrays_of(spec: KernelSpec, overlaid: bool) -> Iterator[Array]:
    """Every array of a kernel, in the order in which they lie in memory."""
    yield from _lasting(spec)
    yield from _of_generator(spec, overlaid)
    yield from _of_discriminator(spec)
    yield Array("numbers", NUMBERS)
    yield Array("view_sums", 80 if spec.form is Form.MOMENTS else 16)
    yield Array("norm_sums", NORM_SUMS)
    yield Array("scratch", scratch_floats(spec))


def _lasting(spec: KernelSpec) -> Iterator[Array]:
    d, g = spec.discriminator.size, spec.generator.size
    yield Array("theta_g", g, lasting=True, part="generator")
    yield Array("theta_d", d, lasting=True, part="discriminator")
    yield Array("powers", 8, lasting=True)  # of beta1 and beta2, of D and of G, in float64
    for kind in _MOMENTS[spec.optimizer]:
        yield Array(f"{kind}_g", g, lasting=True, part="moments")
        yield Array(f"{kind}_d", d, lasting=True, part="moments")
    if spec.has_average:
        yield Array("average", g, lasting=True, part="distant")
    if spec.order == "extragradient":
        yield Array("saved_g", g, lasting=True, part="distant")
        yield Array("saved_d", d, lasting=True, part="distant")
    if spec.options.replay:
        yield Array("replay_buffer", REPLAY_BUFFER * spec.batch, lasting=True, part="distant")
    if spec.options.spectral_norm:
        for i, layer in enumerate(spec.discriminator.layers):
            yield Array(f"left_{i}", layer.inputs, lasting=True)
            yield Array(f"right_{i}", layer.outputs, lasting=True)


def _of_generator(spec: KernelSpec, overlaid: bool) -> Iterator[Array]:
    rows, hidden = spec.rows_g, spec.generator.widths[1:-1]
    last = spec.generator.layers[-1]
    yield Array("z", spec.latent * rows.stride)
    yield Array("generated", rows.stride)
    yield Array("real", rows.stride)  # real values; in G's update the slopes in its values
    for i, units in enumerate(hidden):
        room = units * rows.stride
        is_last = i == len(hidden) - 1
        yield Array(f"h_{i}", max(room, last.start) if overlaid and is_last else room)
    if overlaid:
        yield Array("gradient_g_last", last.stop - last.start)
    else:
        yield Array("gradient_g", last.stop, part="generator")


def _of_discriminator(spec: KernelSpec) -> Iterator[Array]:
    hidden, inputs = spec.discriminator.widths[1:-1], spec.inputs
    for player, rows in (("d", spec.rows_d), ("g", spec.rows_dg)):
        yield Array(f"features_{player}", inputs * rows.stride)
        yield Array(f"logits_{player}", rows.stride)
        yield Array(f"slopes_{player}", rows.stride)
        if spec.through_statistics:
            yield Array(f"terms_{player}", 2 * rows.stride)
    stored = 0 if spec.factored else max((spec.rows_d.stride, spec.rows_dg.stride))
    for i, units in enumerate(hidden):
        # A stored gradient is complete before G's update, which then uses the same memory.
        yield Array(f"a_d{i}", units * (stored or spec.rows_d.stride))
        if spec.factored:
            yield Array(f"delta_d{i}", units * spec.rows_d.stride)
            if spec.both_at_once:  # else D has moved by then, and G's update takes the memory of delta_d
                yield Array(f"a_g{i}", units * spec.rows_dg.stride)
    if not spec.factored:
        yield Array("gradient_d", spec.discriminator.size, part="discriminator")
    if spec.options.penalties:
        rows = spec.rows_penalty
        yield Array("point", inputs * rows.stride)
        yield Array("slope", inputs * rows.stride)
        yield Array("norms", rows.stride)
        for i, units in enumerate(hidden):
            for kind in ("site_h", "site_delta", "site_tangent", "site_curved"):
                yield Array(f"{kind}{i}", units * rows.stride)
    if spec.options.spectral_norm:
        yield Array("factors", len(spec.discriminator.layers))
        yield Array("spectral_sums", 16)


def scratch_floats(spec: KernelSpec) -> int:
    """Floats of scratch: as many as any phase has partial sums."""
    needed = [THREADS]
    for network, rows in (
        (spec.generator, spec.rows_g),
        *((spec.discriminator, rows) for rows in (spec.rows_d, spec.rows_dg, spec.rows_penalty)),
    ):
        for layer in network.layers:
            for inner, columns in ((layer.inputs, layer.outputs), (layer.outputs, layer.inputs)):
                split = product_tiling(rows, inner, columns).split
                needed.append(split * columns * rows.padded if split > 1 else 0)
    return max(needed)


#: Parts that each layout keeps in global memory alone, in the order of preference.
LAYOUTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "resident": frozenset({"distant"}),
        "streaming": frozenset({"distant", "moments"}),
        "narrow": frozenset({"distant", "moments", "discriminator"}),
        "bare": frozenset({"distant", "moments", "discriminator", "generator"}),
    }
)


def layout_of(spec: KernelSpec, name: str, overlaid: bool) -> Layout:
    """Place every array in the named layout; arrays begin at multiples of 16 bytes."""
    shared = state = 0
    arrays = {}
    for array in arrays_of(spec, overlaid):
        floats = -(-array.floats // 4) * 4
        near = array.part not in LAYOUTS[name]
        far = array.lasting or not near
        arrays[array.name] = PlacedArray(array, shared if near else None, state if far else None)
        shared, state = shared + floats * near, state + floats * far
    return Layout(name, overlaid, MappingProxyType(arrays), shared, state)


def may_overlay(spec: KernelSpec) -> bool:
    """True if the gradient of one of G's layers fits into registers while it waits for the last activations' memory."""
    return len(spec.generator.layers) >= 2 and max(spec.generator.widths) <= 128


def candidates(spec: KernelSpec) -> Iterator[Layout]:
    """Every layout of a kernel, the fastest first."""
    for name in LAYOUTS:
        for overlaid in (False, True) if may_overlay(spec) else (False,):
            yield layout_of(spec, name, overlaid)


def fitting(spec: KernelSpec, memory: int) -> Layout | None:
    """Fastest layout whose block needs at most ``memory`` bytes of shared memory; None if none does."""
    return next((layout for layout in candidates(spec) if layout.shared_bytes <= memory), None)
