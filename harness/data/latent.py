"""The generator's latent noise: its laws, and the fixed points on which a trained generator is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

Float64 = NDArray[np.float64]

#: The quantile function of each law of noise, by name; it maps uniform draws to noise.
NOISES: Mapping[str, Callable[[Float64], Float64]] = MappingProxyType(
    {"uniform": np.asarray, "normal": lambda u: np.asarray(special.ndtri(u))}
)


def midpoints(n: int) -> Float64:
    """The levels (i - 1/2)/n, i = 1..n, ascending, float64, shape (n,).

    A law's quantile function maps them to a sample of KS distance 1/(2n) and W1 0 (as in ``metrics.distances``), the
    least that n points can have. They are not independent, so they give no p-value.

    Raises:
        ValueError: n < 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    return (np.arange(n) + 0.5) / n


def evenly_spread(law: str, n: int, latent: int = 1) -> Float64:
    """``n`` fixed points (n, latent) that represent the noise, for measuring distances without sampling error.

    In one dimension they are the ``midpoints``, from which a perfect generator makes a sample of KS distance 1/(2n). In
    more dimensions they are the first n points of the scrambled Sobol sequence of seed 0: evenly spread and the same in
    every run, but a perfect generator scores more than 1/(2n).

    Raises:
        ValueError: n < 1.
    """
    u_SZ = midpoints(n)[:, None]
    if latent > 1:
        # 2^k points keep the sequence balanced. A coordinate can be 0, which has no normal quantile.
        points = qmc.Sobol(latent, rng=0).random_base2((n - 1).bit_length())[:n]
        u_SZ = np.clip(points, 2.0**-53, 1 - 2.0**-53)
    return NOISES[law](u_SZ)
