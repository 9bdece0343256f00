"""Where a member's numbers lie: in its block's shared memory, in its row of global memory, or in both, as data.

A member's state has a home in global memory, a row of ``Layout.state`` floats. While a launch runs, what a layout
keeps in shared memory is copied there at the beginning and back at the end; the rest is read and written in place,
through L2. The arithmetic is the same in every layout, and so are the bits.

========== =================================== =========================================================
layout     in global memory besides the homes  the seed's GAN fits, of a block's shared memory,
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
from harness.engines.cuda.kernel_spec import Plan
from harness.engines.cuda.tiling import THREADS, product_tiling

#: Floats of the numbers that every thread reads (``enum Number`` of game.cuh), and of the sums of both players. norms.
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

    ``part`` names what a layout may move to global memory together: "moments", "judge", "maker", or "" for what stays
    in shared memory; "distant" arrays are never in it.
    """

    name: str
    floats: int
    lasting: bool = False
    part: str = ""


@dataclass(frozen=True)
class Placed:
    """Where an array lies, in floats from the beginning of shared memory and of the state; None: it is not there."""

    array: Array
    shared: int | None
    state: int | None

    @property
    def home(self) -> int:
        """The place in the state of an array that has one.

        Raises:
            ValueError: it lies in shared memory alone.
        """
        if self.state is None:
            raise ValueError(f"{self.array.name} is forgotten after a launch")
        return self.state


@dataclass(frozen=True)
class Layout:
    """All arrays of a plan, placed. ``overlaid``: G's gradient takes the place of its last layer's activations."""

    name: str
    overlaid: bool
    places: Mapping[str, Placed]
    shared: int
    state: int

    @property
    def shared_bytes(self) -> int:
        return 4 * self.shared


def arrays_of(plan: Plan, overlaid: bool) -> Iterator[Array]:
    """Every array of a plan, in the order in which they lie in memory."""
    yield from _lasting(plan)
    yield from _of_generator(plan, overlaid)
    yield from _of_discriminator(plan)
    yield Array("numbers", NUMBERS)
    yield Array("view_sums", 80 if plan.form is Form.MOMENTS else 16)
    yield Array("norm_sums", NORM_SUMS)
    yield Array("scratch", scratch_floats(plan))


def _lasting(plan: Plan) -> Iterator[Array]:
    d, g = plan.discriminator.size, plan.generator.size
    yield Array("theta_g", g, lasting=True, part="maker")
    yield Array("theta_d", d, lasting=True, part="judge")
    yield Array("powers", 8, lasting=True)  # of beta1 and beta2, of D and of G, in float64
    for kind in _MOMENTS[plan.optimizer]:
        yield Array(f"{kind}_g", g, lasting=True, part="moments")
        yield Array(f"{kind}_d", d, lasting=True, part="moments")
    if plan.averages:
        yield Array("average", g, lasting=True, part="distant")
    if plan.order == "extragradient":
        yield Array("saved_g", g, lasting=True, part="distant")
        yield Array("saved_d", d, lasting=True, part="distant")
    if plan.features.replay:
        yield Array("history", REPLAY_BUFFER * plan.batch, lasting=True, part="distant")
    if plan.features.spectral_norm:
        for i, layer in enumerate(plan.discriminator.layers):
            yield Array(f"left_{i}", layer.inputs, lasting=True)
            yield Array(f"right_{i}", layer.outputs, lasting=True)


def _of_generator(plan: Plan, overlaid: bool) -> Iterator[Array]:
    rows, hidden = plan.values, plan.generator.widths[1:-1]
    last = plan.generator.layers[-1]
    yield Array("z", plan.latent * rows.stride)
    yield Array("made", rows.stride)
    yield Array("given", rows.stride)  # real values, and in G's turn the slopes at what it made
    for i, units in enumerate(hidden):
        room = units * rows.stride
        is_last = i == len(hidden) - 1
        yield Array(f"h_{i}", max(room, last.start) if overlaid and is_last else room)
    if overlaid:
        yield Array("gradient_g_last", last.stop - last.start)
    else:
        yield Array("gradient_g", last.stop, part="maker")


def _of_discriminator(plan: Plan) -> Iterator[Array]:
    hidden, inputs = plan.discriminator.widths[1:-1], plan.inputs
    for player, rows in (("d", plan.judged), ("g", plan.made)):
        yield Array(f"features_{player}", inputs * rows.stride)
        yield Array(f"logits_{player}", rows.stride)
        yield Array(f"slopes_{player}", rows.stride)
        if plan.through_statistics:
            yield Array(f"terms_{player}", 2 * rows.stride)
    stored = 0 if plan.outer else max((plan.judged.stride, plan.made.stride))
    for i, units in enumerate(hidden):
        # A stored gradient is complete before G's turn, which then uses the same room.
        yield Array(f"a_d{i}", units * (stored or plan.judged.stride))
        if plan.outer:
            yield Array(f"delta_d{i}", units * plan.judged.stride)
            if plan.both_at_once:  # else D has moved by then, and G's turn has the room of delta_d
                yield Array(f"a_g{i}", units * plan.made.stride)
    if not plan.outer:
        yield Array("gradient_d", plan.discriminator.size, part="judge")
    if plan.features.penalties:
        rows = plan.penalised
        yield Array("point", inputs * rows.stride)
        yield Array("slope", inputs * rows.stride)
        yield Array("norms", rows.stride)
        for i, units in enumerate(hidden):
            for kind in ("p_a", "p_b", "p_t", "p_c"):
                yield Array(f"{kind}{i}", units * rows.stride)
    if plan.features.spectral_norm:
        yield Array("factors", len(plan.discriminator.layers))
        yield Array("spectral_sums", 16)


def scratch_floats(plan: Plan) -> int:
    """Room for the partial sums of any phase."""
    needed = [THREADS]
    for network, rows in (
        (plan.generator, plan.values),
        *((plan.discriminator, rows) for rows in (plan.judged, plan.made, plan.penalised)),
    ):
        for layer in network.layers:
            for inner, columns in ((layer.inputs, layer.outputs), (layer.outputs, layer.inputs)):
                split = product_tiling(rows, inner, columns).split
                needed.append(split * columns * rows.padded if split > 1 else 0)
    return max(needed)


#: What each layout keeps in global memory alone, in the order of preference.
LAYOUTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "resident": frozenset({"distant"}),
        "streaming": frozenset({"distant", "moments"}),
        "narrow": frozenset({"distant", "moments", "judge"}),
        "bare": frozenset({"distant", "moments", "judge", "maker"}),
    }
)


def layout_of(plan: Plan, name: str, overlaid: bool) -> Layout:
    """The named layout of a plan; arrays begin at multiples of 16 bytes."""
    shared = state = 0
    places = {}
    for array in arrays_of(plan, overlaid):
        room = -(-array.floats // 4) * 4
        near = array.part not in LAYOUTS[name]
        far = array.lasting or not near
        places[array.name] = Placed(array, shared if near else None, state if far else None)
        shared, state = shared + room * near, state + room * far
    return Layout(name, overlaid, MappingProxyType(places), shared, state)


def may_overlay(plan: Plan) -> bool:
    """Whether G's gradient can wait in registers for the room of the last activations: one weight's is kept so."""
    return len(plan.generator.layers) >= 2 and max(plan.generator.widths) <= 128


def candidates(plan: Plan) -> Iterator[Layout]:
    """Every layout of a plan, the fastest first."""
    for name in LAYOUTS:
        for overlaid in (False, True) if may_overlay(plan) else (False,):
            yield layout_of(plan, name, overlaid)


def fitting(plan: Plan, memory: int) -> Layout | None:
    """The fastest layout whose block needs at most ``memory`` bytes of shared memory, None if none does."""
    return next((layout for layout in candidates(plan) if layout.shared_bytes <= memory), None)
