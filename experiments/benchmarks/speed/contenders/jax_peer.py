"""JAX as its users would write it: one GAN's step, scan over steps, vmap over members, jit around both.

Matrix products are forced to float32 (on NVIDIA cards JAX's default is tf32). Timed steps draw inside the compiled code
with JAX's default generator. ``sharded`` splits the population over one XLA device a core, the way JAX offers to use
several cores for work like this; without it XLA uses them as it sees fit.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from harness.engines.parallel import cores
from speed.contenders.contender import SET_VIEW, Absent, Description
from speed.contenders.given import read_given
from speed.contenders.jax_step import WIDTHS, drawn_at, initial, step_of


def _imported(devices: int) -> Any:
    """jax, with so many CPU devices."""
    if devices > 1:
        flag = f"--xla_force_host_platform_device_count={devices}"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    try:
        import jax
    except ImportError as error:
        raise Absent(f"JAX cannot be imported here ({error}); it is in the dependency group bench") from error
    jax.config.update("jax_default_matmul_precision", "float32")
    return jax


class JaxPeer:
    """jit(vmap(scan(step)))."""

    def __init__(self, sharded: bool) -> None:
        jax = _imported(cores() if sharded else 1)
        self.jax, self.devices = jax, jax.devices() if sharded else jax.devices()[:1]
        if sharded and len(self.devices) == 1:
            raise Absent("JAX sees one device, which is the contender jax")
        over = f", sharded over {len(self.devices)} devices" if sharded else ""
        self.description = Description(
            device="cpu" if self.devices[0].platform == "cpu" else "cuda",
            identity="jax-devices" if sharded else "jax",
            note=f"jit(vmap(scan)), float32 products{over}",
            randomness="jax.random (threefry), inside the compiled step",
            views=(SET_VIEW,),
            multiple=len(self.devices),
        )

    def start(self, g: Any, d: Any) -> Any:
        """The state of members with these weights: both players with their moments, and the number of steps done."""
        zeros_like = self.jax.numpy.zeros_like
        players = [(theta, [zeros_like(t) for t in theta], [zeros_like(t) for t in theta]) for theta in (g, d)]
        return (*players, self.jax.numpy.zeros(len(g[0])))

    def placed(self, tree: Any) -> Any:
        """The tree with its first axis split over the devices."""
        if len(self.devices) == 1:
            return tree
        from jax.sharding import Mesh, NamedSharding, PartitionSpec

        return self.jax.device_put(tree, NamedSharding(Mesh(self.devices, "members"), PartitionSpec("members")))

    def losses(self, view: str, members: int, steps: int, given: str) -> list[list[float]]:
        jax, jnp = self.jax, self.jax.numpy
        g, d, drawn_TPB = read_given(given)
        drawn_PTB = [values.swapaxes(0, 1) for values in drawn_TPB]
        # A population that several devices share is a multiple of their number: members are repeated up to that.
        repeated = np.resize(np.arange(members), -(-members // len(self.devices)) * len(self.devices))
        g, d, drawn = ([jnp.asarray(part[repeated]) for part in parts] for parts in (g, d, drawn_PTB))
        step = step_of(jax)
        trained = jax.jit(jax.vmap(lambda state, drawn: jax.lax.scan(step, state, drawn)))
        _, losses_PT3 = trained(self.placed(self.start(g, d)), self.placed(tuple(drawn)))
        found: list[list[float]] = losses_PT3[:members, -1].tolist()
        return found

    def prepare(self, population: int, view: str) -> _Running:
        return _Running(self, population)


class _Running:
    """Compiled calls of ``chunk`` steps each: few enough that a large population's call is no minute."""

    setup = 0.0

    def __init__(self, peer: JaxPeer, population: int) -> None:
        jax = self.jax = peer.jax
        self.chunk = min(256, max(4, 16384 // population))
        step = step_of(jax)

        def many(state: Any, key: Any) -> Any:
            def one(state: Any, _: None) -> Any:
                return step(state, drawn_at(jax, key, state[2]))

            state, losses_T3 = jax.lax.scan(one, state, None, length=self.chunk)
            return state, losses_T3[-1]

        self.call = jax.jit(jax.vmap(many), donate_argnums=0)
        self.keys = peer.placed(jax.random.split(jax.random.key(0), population))
        weights = (jax.vmap(lambda key, w=widths: initial(jax, key, w))(self.keys) for widths in WIDTHS)
        self.state = peer.placed(peer.start(*weights))
        self.run(1)

    def run(self, steps: int) -> float:
        """In whole calls: the time is what ``steps`` steps would have taken."""
        calls = -(-steps // self.chunk)
        start = time.perf_counter()
        for _ in range(calls):
            self.state, _ = self.call(self.state, self.keys)
        self.jax.block_until_ready(self.state)
        return (time.perf_counter() - start) * steps / (calls * self.chunk)
