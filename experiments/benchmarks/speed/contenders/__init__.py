"""Contenders by name: the script's literal loop, the peers, and every engine of ``harness.engines``.

A contender is imported by the process that runs it, and by no other. It shows its losses, and it times steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: Names of the loop that all ratios are to, and of the peers that figure and tables show beside the engines.
LITERAL, VMAP, JAX, JAX_DEVICES = "literal", "vmap", "jax", "jax-devices"

#: The script's view, and the one that decides on each value by itself.
SET_VIEW, SAMPLE_VIEW = "variances", "sample"

Arrays = list[NDArray[np.float32]]


class Absent(Exception):  # noqa: N818 - no error: the table says it
    """A contender that cannot run here, with the reason."""


@dataclass(frozen=True)
class Description:
    """Facts of a contender.

    ``identity`` is equal for two names of one thing. ``multiple``: populations must be a multiple of it; 0 is for
    contenders that train one GAN at a time. ``randomness`` says whose numbers a timed step draws.
    """

    device: str
    identity: str
    note: str
    randomness: str
    views: tuple[str, ...]
    multiple: int = 1


class Timed(Protocol):
    """A population made ready: weights made, code compiled, nothing left to do but steps."""

    #: Least seconds, so far, that a run takes besides its steps: to be taken off what ``run`` returns.
    setup: float

    def run(self, steps: int) -> float:
        """Seconds that ``steps`` more steps of the whole population took, with what was besides them."""


class Contender(Protocol):
    """Made in the process that runs it; ``Absent`` where it cannot be."""

    description: Description

    def losses(self, view: str, members: int, steps: int, inputs: str) -> list[list[float]]:
        """The three losses of the last step for members of seeds 0, 1, ...

        Weights and draws are those of ``harness.data.rng``, which the file ``inputs`` holds too (``read_inputs``).
        """

    def prepare(self, population: int, view: str) -> Timed:
        """A population made ready to be timed."""


def _literal() -> Contender:
    from speed.contenders.torch_peers import Literal

    return Literal()


def _vmap() -> Contender:
    from speed.contenders.torch_peers import Vmap

    return Vmap()


def _jax() -> Contender:
    from speed.contenders.jax_peer import JaxPeer

    return JaxPeer(sharded=False)


def _jax_devices() -> Contender:
    from speed.contenders.jax_peer import JaxPeer

    return JaxPeer(sharded=True)


#: Contenders that are no engine, by name.
PEERS: dict[str, Callable[[], Contender]] = {
    LITERAL: _literal,
    VMAP: _vmap,
    JAX: _jax,
    JAX_DEVICES: _jax_devices,
}


def names() -> tuple[str, ...]:
    """Every contender: the literal loop, the peers, and the engines, which stand fastest first in their own list."""
    from harness.engines import ENGINES

    return (*PEERS, *reversed(list(ENGINES)))


def make(name: str) -> Contender:
    """Make the contender of that name, in this process.

    Raises:
        Absent: it cannot run here; the reason is a sentence.
    """
    if name in PEERS:
        return PEERS[name]()
    from speed.contenders.engines import EngineContender

    return EngineContender(name)


def read_inputs(path: str) -> tuple[Arrays, Arrays, Arrays]:
    """Read the inputs of the check without the library that made them (``workload.write_inputs``).

    Returns G's weights (P, inputs, outputs) and biases (P, outputs) layer by layer, D's, and the draws (T, P, B): real
    values, noise of D's update, noise of G's.
    """
    with np.load(path) as arrays:
        players = [[arrays[f"{letter}{i}"] for i in range(6)] for letter in "gd"]
        return players[0], players[1], [arrays[name] for name in ("real", "z_d", "z_g")]
