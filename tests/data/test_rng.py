"""The random numbers: known answers, uniformity, and independence of who else draws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.data.rng import Stream, philox, uniforms

F = 0xFFFFFFFF

# Known answers of philox4x32-10 published with Random123 (file kat_vectors): counter, key, result.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((F, F, F, F), (F, F), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def words(*values: int) -> list[torch.Tensor]:
    return [torch.tensor([value]) for value in values]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_philox_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, ...], result: tuple[int, ...]
) -> None:
    """Our Philox4x32-10 is the published one, word for word."""
    assert tuple(int(w) for w in philox(words(*counter), words(*key))) == result


@given(
    study=st.integers(0, 2**63 - 1),
    seeds=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5),
    start=st.integers(0, 2**31),
    count=st.integers(1, 9),
    stream=st.sampled_from(Stream),
)
def test_a_draw_depends_on_its_own_address_alone(
    study: int, seeds: list[int], start: int, count: int, stream: Stream
) -> None:
    """A member's draws are the same bits alone, beside others, in a longer block and among more draws."""
    together = uniforms(study, torch.tensor(seeds), stream, range(start, start + 3), count)
    alone = uniforms(study, torch.tensor(seeds[-1:]), stream, range(start + 1, start + 2), count + 4)
    assert torch.equal(together[1, -1], alone[0, 0, :count])


def test_streams_steps_seeds_and_studies_are_all_different_draws() -> None:
    """Changing any part of the address changes the draws; the high word of the study seed counts too."""
    base = (5, torch.tensor([7]), Stream.REAL, range(3, 4))
    changed = [
        (6, *base[1:]),
        (5 + 2**32, *base[1:]),
        (5, torch.tensor([8]), *base[2:]),
        (5, base[1], Stream.LATENT_D, base[3]),
        (*base[:3], range(4, 5)),
    ]
    draws = [tuple(uniforms(*address, 8).flatten().tolist()) for address in (base, *changed)]
    assert len(set(draws)) == len(draws)


def test_uniforms_are_uniform_and_stay_inside_the_open_interval() -> None:
    """A million draws pass a KS test for U(0,1) (p > 0.001, one fixed key) and never reach 0 or 1, in float32."""
    u = uniforms(1, torch.arange(100), Stream.SCORE, range(1), 10_000).double().flatten().numpy()
    assert u.min() > 0
    assert u.max() < 1
    assert stats.kstest(u, stats.uniform.cdf).pvalue > 0.001


def test_neighbouring_streams_are_uncorrelated() -> None:
    """Draws of neighbouring members, steps and streams correlate no more than chance allows (5 sigma)."""
    n = 100_000
    pairs = [
        (
            uniforms(0, torch.tensor([0]), Stream.REAL, range(1), n),
            uniforms(0, torch.tensor([1]), Stream.REAL, range(1), n),
        ),
        (
            uniforms(0, torch.tensor([0]), Stream.REAL, range(1), n),
            uniforms(0, torch.tensor([0]), Stream.REAL, range(1, 2), n),
        ),
        (
            uniforms(0, torch.tensor([0]), Stream.LATENT_D, range(1), n),
            uniforms(0, torch.tensor([0]), Stream.LATENT_G, range(1), n),
        ),
    ]
    for a, b in pairs:
        r = stats.pearsonr(a.flatten().double().numpy(), b.flatten().double().numpy()).statistic
        # A correlation of n independent pairs has standard deviation 1/sqrt(n).
        assert abs(r) < 5 / n**0.5
