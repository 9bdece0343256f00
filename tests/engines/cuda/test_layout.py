"""The arithmetic of shared memory: what fits which card, and how threads divide products."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from support.members import member

from harness.engines.base import REPLAY_BUFFER
from harness.engines.cuda import CudaEngine, HostBuild
from harness.engines.cuda.kernel_spec import KernelSpec
from harness.engines.cuda.layout import Layout, candidates, fitting, layout_of, may_overlay
from harness.engines.cuda.source.kernel import record_floats, record_layout
from harness.engines.cuda.tiling import SCRATCH_FLOATS, THREADS, Rows, gradient_tiling, product_tiling
from harness.members import groups

#: Bytes of shared memory that one block may have: 227 KiB (compute capability 9.0), 163 KiB (8.0), 99 KiB (8.6, 8.9).
HOPPER, AMPERE, CONSUMER = 227 * 1024, 163 * 1024, 99 * 1024


def spec(**changes: Any) -> KernelSpec:
    """The spec of one member."""
    (group,) = groups([member(**changes)])
    return KernelSpec.of(group, group.members)


def fitted(memory: int, **changes: Any) -> Layout:
    """The layout of one member on a device of that memory."""
    layout = fitting(spec(**changes), memory)
    assert layout is not None
    return layout


def test_the_seed_fits_a_hopper_block_exactly_once() -> None:
    """Resident, with G's gradient overlaid: 232,032 of 232,448 bytes, so one block a multiprocessor and no second.

    Parameters and Adam's two moments alone are 3 (2,701 + 12,651) floats = 184,224 bytes; G's activations, 2 layers of
    50 units for 100 values, 40,000 more.
    """
    layout = fitted(HOPPER)
    assert (layout.name, layout.overlaid) == ("resident", True)
    assert layout.shared_bytes == 232_032
    assert HOPPER == 232_448
    assert 3 * 4 * (2_701 + 12_651) + 40_000 < layout.shared_bytes <= HOPPER < 2 * layout.shared_bytes


def test_both_at_once_needs_every_byte() -> None:
    """simultaneous and extragradient keep D's factors while G's gradient is layout: 232,448 bytes, all there are."""
    for order in ("simultaneous", "extragradient"):
        assert fitted(HOPPER, order=order).shared_bytes == HOPPER


def test_cards_with_less_keep_moments_and_then_d_outside() -> None:
    """The seed: 163 KiB hold all but the moments, 99 KiB all but moments and D's parameters."""
    assert fitted(AMPERE).name == "streaming"
    assert fitted(AMPERE).shared_bytes == 119_792
    assert fitted(CONSUMER).name == "narrow"
    assert fitted(CONSUMER).shared_bytes == 69_184 < 101_376 == CONSUMER


@pytest.mark.parametrize("memory", [HOPPER, AMPERE, CONSUMER])
@pytest.mark.parametrize("view", ["raw", "variances", "diffs", "moments", "sorted", "pack(m=2)"])
def test_every_set_view_of_the_seed_fits_every_card(view: str, memory: int) -> None:
    """No view of the whole minibatch, nor packs of two, is refused on any of these cards."""
    assert fitting(spec(view=view), memory) is not None


def test_wide_networks_keep_all_weights_outside() -> None:
    """300 units on three values: G's parameters alone are 91,201 floats, more than any block has."""
    layout = fitted(HOPPER, batch=3, hidden=300)
    assert layout.name == "bare"
    assert spec(batch=3, hidden=300).generator.size * 4 > HOPPER


def test_what_fits_nowhere_is_refused_with_both_numbers() -> None:
    """A thousand values of 200 units: the least that any layout needs, and what the device grants."""
    engine = CudaEngine(HostBuild(CONSUMER, level=0))
    least = min(layout.shared_bytes for layout in candidates(spec(batch=1000, hidden=200)))
    reason = engine.unsupported_reason(member(batch=1000, hidden=200))
    assert reason == f"it needs {least:,} bytes of shared memory a block, and the device grants 101,376"
    assert least > HOPPER


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"view": "sample", "gp": 1.0, "spectral_norm": 1.0},
        {"batch": 7, "hidden": 3, "replay": 0.5, "ema": 0.5},
        {"order": "extragradient", "optimizer": "optimistic_adam", "loss": "rpgan"},
        {"activations_g": [], "activations_d": [], "view": "moments"},
    ],
)
def test_arrays_lie_apart_and_aligned(changes: dict[str, Any]) -> None:
    """In every layout no two arrays overlap, each begins at a multiple of 16 bytes, and the sums are the sizes."""
    for layout in candidates(spec(**changes)):
        for where, size in (("shared", layout.shared), ("state", layout.state)):
            spans = sorted(
                (at, at + placed.array.floats)
                for placed in layout.arrays.values()
                if (at := getattr(placed, where)) is not None
            )
            assert all(start % 4 == 0 for start, _ in spans)
            assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(spans))
            assert 0 <= size - spans[-1][1] < 4


def test_lasting_arrays_have_a_home_in_every_layout() -> None:
    """All that the next launch needs lies in the member's row in every layout, so segments may change layouts."""
    wanted = spec(order="extragradient", replay=0.5, ema=0.5)
    for layout in candidates(wanted):
        lasting = {name for name, placed in layout.arrays.items() if placed.array.lasting}
        assert all(layout.arrays[name].state is not None for name in lasting)
        assert {
            "theta_g",
            "theta_d",
            "moment_g",
            "square_d",
            "powers",
            "average",
            "replay_buffer",
            "saved_d",
        } <= lasting
    assert layout_of(wanted, "resident", False).arrays["replay_buffer"].array.floats == REPLAY_BUFFER * 100


def test_overlaying_spares_the_generators_gradient() -> None:
    """The overlaid layout is smaller by G's gradient but for its last layer, where a network has a hidden layer."""
    wanted = spec()
    apart, overlaid = (layout_of(wanted, "resident", flag) for flag in (False, True))
    assert may_overlay(wanted)
    # 2,650 floats, of which 51 - the last layer's - keep a place, rounded up to 52 as the whole 2,701 are to 2,704.
    assert apart.shared_bytes - overlaid.shared_bytes == 4 * (2_704 - 52)
    assert not may_overlay(spec(activations_g=[]))


def test_a_record_holds_what_a_snapshot_reads() -> None:
    """Values, logits of both turns, label draws, norms, the penalties' share and the norms at four sites."""
    wanted = spec(view="sample", batch=10)
    assert record_floats(wanted) == 10 + 10 + 20 + 20 + 20 + 2 + 1 + 40
    ends = [at + floats for at, floats in record_layout(wanted).values()]
    assert [at for at, _ in record_layout(wanted).values()] == [0, *ends[:-1]]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 18, 20, 52, 100, 200])
def test_rows_fill_packs_and_units_other_banks(count: int) -> None:
    """Rows come in ones, twos or fours; of eight neighbouring units the packs of four lie in all 32 banks."""
    rows = Rows(count)
    assert rows.pack in (1, 2, 4)
    assert count <= rows.padded < count + rows.pack
    assert rows.padded <= rows.stride <= rows.padded + 4
    if rows.pack == 4:
        banks = {(unit * rows.stride + i) % 32 for unit in range(8) for i in range(4)}
        assert len(banks) == 32


def test_the_seeds_products_keep_every_thread_busy() -> None:
    """The generator's product, 100 rows by 50 columns: 4 rows and 5 columns a thread, 250 of 256 threads, no split.

    A discriminator's sums of 200 numbers for 2 rows are split in five, so that again 250 threads work.
    """
    tiling = product_tiling(Rows(100), 50, 50)
    assert (tiling.packs, tiling.columns, tiling.split) == (1, 5, 1)
    assert THREADS - 25 * 10 == 6
    assert product_tiling(Rows(2), 200, 50).split == 5
    inputs, outputs = gradient_tiling(Rows(100), 50, 50)
    assert inputs * outputs == 10


@pytest.mark.parametrize("rows", [Rows(1), Rows(2), Rows(20), Rows(200)])
@pytest.mark.parametrize(("inner", "columns"), [(1, 50), (200, 50), (50, 1), (50, 200), (1, 1), (8, 300)])
def test_split_sums_fit_their_scratch(rows: Rows, inner: int, columns: int) -> None:
    """Parts of sums are few enough for the room that there is, and never more than there are terms."""
    tiling = product_tiling(rows, inner, columns)
    assert 1 <= tiling.split <= inner
    assert tiling.split == 1 or tiling.split * columns * rows.padded <= SCRATCH_FLOATS
