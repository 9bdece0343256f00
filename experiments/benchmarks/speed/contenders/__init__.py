"""Who is timed, by name: the literal loop, the peers, and every engine of ``harness.engines``.

A contender is imported by the process that runs it, and by no other.
"""

from __future__ import annotations

from collections.abc import Callable

from speed.contenders.contender import Contender

#: The loop that all ratios are to, and the peers that the figure and the table show beside the engines.
LITERAL, VMAP, JAX, JAX_DEVICES = "literal", "vmap", "jax", "jax-devices"


def _literal() -> Contender:
    from speed.contenders.literal import Literal

    return Literal()


def _vmap() -> Contender:
    from speed.contenders.vmap import Vmap

    return Vmap()


def _jax() -> Contender:
    from speed.contenders.jax_peer import JaxPeer

    return JaxPeer(sharded=False)


def _jax_devices() -> Contender:
    from speed.contenders.jax_peer import JaxPeer

    return JaxPeer(sharded=True)


#: What is no engine, by name.
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
    """The contender of that name, in this process.

    Raises:
        Absent: it cannot run here; the reason is a sentence.
    """
    if name in PEERS:
        return PEERS[name]()
    from speed.contenders.engines import OfEngine

    return OfEngine(name)
