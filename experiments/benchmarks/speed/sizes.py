"""Sizes of a run: everything, or as much as fits into a minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def powers_up_to(last: int, factor: int = 2) -> tuple[int, ...]:
    """1, factor, factor^2, ... up to ``last``."""
    powers = [1]
    while powers[-1] * factor <= last:
        powers.append(powers[-1] * factor)
    return tuple(powers)


@dataclass(frozen=True)
class Sizes:
    """Populations by device, numbers of rounds, and seconds a round and contender.

    ``populations`` stand in the table; ``scaling`` and ``scaling_peers`` in the figure besides (a peer compiles
    anew, or is slow, at each). ``one_core`` names contenders that also train a GAN alone on one core; ``sample`` is the
    population in which the per-sample view is compared with the set view; ``longer`` the multiples of a round's steps
    that the study of steps takes; ``memory`` the two populations whose difference gives a member's memory (first calls
    are timed beside them). 0, empty ones and None are left out.
    """

    populations: Mapping[str, tuple[int, ...]]
    rounds: int
    seconds: float
    one_core: tuple[str, ...]
    scaling: Mapping[str, tuple[int, ...]]
    scaling_peers: Mapping[str, tuple[int, ...]]
    scaling_rounds: int
    scaling_seconds: float
    sample: Mapping[str, int]
    longer: tuple[int, ...]
    memory: tuple[int, int] | None


#: 4224 is 32 members for each of the 132 multiprocessors of a Hopper card.
FULL = Sizes(
    populations={"cpu": (1, 64, 256), "cuda": (1, 1024, 4224)},
    rounds=5,
    seconds=0.35,
    one_core=("jax", "batched", "cpu"),
    scaling={"cpu": powers_up_to(4096, 4), "cuda": powers_up_to(65536)},
    scaling_peers={"cpu": powers_up_to(4096, 4), "cuda": powers_up_to(65536, 4)},
    scaling_rounds=2,
    scaling_seconds=0.2,
    sample={"cpu": 64, "cuda": 4224},
    longer=(1, 2, 4, 8),
    memory=(256, 1024),
)

QUICK = Sizes(
    populations={"cpu": (64,), "cuda": (1, 4224)},
    rounds=3,
    seconds=0.1,
    one_core=("cpu",),
    scaling={"cpu": (1, 8), "cuda": (64,)},
    scaling_peers={"cpu": (), "cuda": ()},
    scaling_rounds=1,
    scaling_seconds=0.05,
    sample={"cpu": 64, "cuda": 0},
    longer=(),
    memory=None,
)
