"""The generator's noise: which law it has, and the fixed points that a trained generator is measured on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

Float64 = NDArray[np.float64]

#: The quantile function of each law of noise, by name: what uniform draws are sent through.
NOISES: Mapping[str, Callable[[Float64], Float64]] = MappingProxyType(
    {"uniform": np.asarray, "normal": lambda u: np.asarray(special.ndtri(u))}
)


def midpoints(n: int) -> Float64:
    """The levels (i - 1/2)/n, i = 1..n, ascending, float64, shape (n,).

    Sent through a law's quantile function they have KS distance 1/(2n) and W1 0 (by ``scoring``'s formula): the least
    that n points can have. They are not independent, so no p-value can be had from them.

    Raises:
        ValueError: n < 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    return (np.arange(n) + 0.5) / n


def evenly_spread(law: str, n: int, latent: int = 1) -> Float64:
    """``n`` points (n, latent) that stand for the noise without being drawn: what distances are measured on.

    In one dimension the ``midpoints``, which a perfect generator turns into a sample of KS distance 1/(2n). In more,
    the first n points of the scrambled Sobol sequence of seed 0: evenly spread, the same in every run, but a perfect
    generator scores more than 1/(2n).

    Raises:
        ValueError: n < 1.
    """
    u_SZ = midpoints(n)[:, None]
    if latent > 1:
        # A power of two of points keeps the sequence balanced. A point can be 0, which has no normal quantile.
        points = qmc.Sobol(latent, rng=0).random_base2((n - 1).bit_length())[:n]
        u_SZ = np.clip(points, 2.0**-53, 1 - 2.0**-53)
    return NOISES[law](u_SZ)
