"""One GAN's step in JAX, and its initial weights. Everything takes the module ``jax``: importing this needs none."""

from __future__ import annotations

import itertools
from typing import Any

BATCH, RATE, BETA1, BETA2, EPSILON = 100, 2e-4, 0.9, 0.999, 1e-8

#: Widths of the seed's G and D; D reads values and squared deviations.
WIDTHS = ((1, 50, 50, 1), (2 * BATCH, 50, 50, 1))


def initial(jax: Any, key: Any, widths: tuple[int, ...]) -> list[Any]:
    """Weights and biases of one network, U(-1/sqrt(inputs), 1/sqrt(inputs)) as in torch."""
    found = []
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        for part, shape in enumerate(((inputs, outputs), (outputs,))):
            own, bound = jax.random.fold_in(key, 2 * layer + part), inputs**-0.5
            found.append(jax.random.uniform(own, shape, minval=-bound, maxval=bound))
    return found


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
