"""JAX as its users would write it: one GAN's step, scan over steps, vmap over members, jit around both.

Matrix products are forced to float32 (on NVIDIA cards JAX's default is tf32). Timed steps draw inside the compiled code
with JAX's default generator. ``sharded`` splits the population over one XLA device a core, the way JAX offers to use
several cores for work like this; without it XLA uses them as it sees fit. Functions of
the step take the module ``jax``.
"""

from __future__ import annotations

import itertools
import os
import time
from typing import Any

import numpy as np

from harness.engines.parallel import cores
from speed.contenders import SET_VIEW, Absent, Description, read_inputs

BATCH, RATE, BETA1, BETA2, EPSILON = 100, 2e-4, 0.9, 0.999, 1e-8

#: Widths of the script's G and D; D reads values and squared deviations.
WIDTHS = ((1, 50, 50, 1), (2 * BATCH, 50, 50, 1))


def initial(jax: Any, key: Any, widths: tuple[int, ...]) -> list[Any]:
    """Weights and biases of one network, U(-1/sqrt(inputs), 1/sqrt(inputs)) as in torch."""
    parts = []
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        for part, shape in enumerate(((inputs, outputs), (outputs,))):
            part_key, bound = jax.random.fold_in(key, 2 * layer + part), inputs**-0.5
            parts.append(jax.random.uniform(part_key, shape, minval=-bound, maxval=bound))
    return parts


def step_of(jax: Any) -> Any:
    """The step of one GAN: (state, (real_B, z_d_B, z_g_B)) to (state, its three losses).

    The state is G and D, each as (weights, first moments, second moments), and the number of steps done.
    """
    jnp, nn = jax.numpy, jax.nn

    def generate(g: Any, z_B: Any) -> Any:
        h = nn.elu(z_B[:, None] @ g[0] + g[1])
        h = nn.sigmoid(h @ g[2] + g[3])
        return (h @ g[4] + g[5])[:, 0]

    def judge(d: Any, x_B: Any) -> Any:
        x_N = jnp.concatenate([x_B, jnp.square(x_B - jax.lax.stop_gradient(x_B.mean()))])
        h = nn.elu(x_N @ d[0] + d[1])
        h = nn.elu(h @ d[2] + d[3])
        return (h @ d[4] + d[5])[0]

    def discriminator_loss(d: Any, real_B: Any, fake_B: Any) -> Any:
        on_real, on_fake = nn.softplus(-judge(d, real_B)), nn.softplus(judge(d, fake_B))
        return on_real + on_fake, (on_real, on_fake)

    def generator_loss(g: Any, d: Any, z_B: Any) -> Any:
        return nn.softplus(-judge(d, generate(g, z_B)))

    def adam(player: Any, gradient: Any, u: Any) -> Any:
        theta, moment, square = player
        moment = [BETA1 * m + (1 - BETA1) * g for m, g in zip(moment, gradient, strict=True)]
        square = [BETA2 * v + (1 - BETA2) * g * g for v, g in zip(square, gradient, strict=True)]
        rate, scale = RATE / (1 - BETA1**u), 1 / (1 - BETA2**u)
        moved = [t - rate * m / (jnp.sqrt(v * scale) + EPSILON) for t, m, v in zip(theta, moment, square, strict=True)]
        return moved, moment, square

    def step(state: Any, drawn: Any) -> Any:
        g, d, done = state
        real_B, z_d_B, z_g_B = drawn
        fake_B = generate(g[0], z_d_B)
        d_gradient, (on_real, on_fake) = jax.grad(discriminator_loss, has_aux=True)(d[0], real_B, fake_B)
        d = adam(d, d_gradient, done + 1)
        loss_g, g_gradient = jax.value_and_grad(generator_loss)(g[0], d[0], z_g_B)
        g = adam(g, g_gradient, done + 1)
        return (g, d, done + 1), jnp.stack([on_real, on_fake, loss_g])

    return step


def drawn_at(jax: Any, key: Any, done: Any) -> Any:
    """The draws of a member's step from its key and the number of steps done: data N(4, 1.25^2), noise U(0, 1)."""
    a, b, c = jax.random.split(jax.random.fold_in(key, done.astype(int)), 3)
    real_B = 4 + 1.25 * jax.random.normal(a, (BATCH,))
    return real_B, jax.random.uniform(b, (BATCH,)), jax.random.uniform(c, (BATCH,))


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

    def losses(self, view: str, members: int, steps: int, inputs: str) -> list[list[float]]:
        jax, jnp = self.jax, self.jax.numpy
        g, d, drawn_TPB = read_inputs(inputs)
        drawn_PTB = [values.swapaxes(0, 1) for values in drawn_TPB]
        # A population that several devices share is a multiple of their number: members are repeated up to that.
        repeated = np.resize(np.arange(members), -(-members // len(self.devices)) * len(self.devices))
        g, d, drawn = ([jnp.asarray(part[repeated]) for part in parts] for parts in (g, d, drawn_PTB))
        step = step_of(jax)
        trained = jax.jit(jax.vmap(lambda state, drawn: jax.lax.scan(step, state, drawn)))
        _, losses_PT3 = trained(self.placed(self.start(g, d)), self.placed(tuple(drawn)))
        losses: list[list[float]] = losses_PT3[:members, -1].tolist()
        return losses

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
