"""Noise floors: the distances that a perfect generator scores.

A finite sample of the target itself has a distance from the target. These are the sizes of such distances for
independent draws. The distances themselves are in ``distances.py``.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from harness.data.target import Target

#: Up to this n the mean of D_n is integrated from its exact law; above, the series has a relative error below 5e-5.
EXACT_MEAN_UP_TO = 1000

#: Largest relative error of the integral behind the W1 floor.
W1_TOLERANCE = 1e-6


def w1_floor(n: int, target: Target) -> float | None:
    """Expected W1 between the target F and n independent draws from it, in units of x, for large n.

    The process sqrt(n) (F_n - F) tends to a Gaussian one of variance F (1 - F), whose mean absolute value is
    sqrt(2/pi) sqrt(F (1 - F)); so, integrated over x (del Barrio, Gine and Matran 1999),

        E W1 = sqrt(2/(pi n)) * integral of sqrt(F(x) (1 - F(x))) dx        (1.288 scale/sqrt(n) for norm).

    At finite n it is a little above the mean of the samples' w1: at n = 1000 by below 1% for norm and expon, by 7% for
    t(df=5). None if the integral is infinite or not found to 1e-6; W1 then falls slower than 1/sqrt(n).

    Raises:
        ValueError: n < 1.
    """
    _check(n)
    integral = _bridge_integral(target)
    return None if integral is None else math.sqrt(2 / (math.pi * n)) * integral


def floors(n: int, target: Target | None = None) -> dict[str, float | None]:
    """The floors at sample size n: the scores of a generator that has learned the target exactly.

    Keys: ``ks_mean``, ``ks_median``, ``ks_p95``, ``ks_p99`` of the KS distance of n independent draws, the same for
    every target; ``ks_stratified`` = 1/(2n) on ``latent.midpoints``; with a target also ``w1_mean`` (``w1_floor``).

    Raises:
        ValueError: n < 1.
    """
    _check(n)
    mean, median, p95, p99 = _ks_floor(n)
    values: dict[str, float | None] = {"ks_mean": mean, "ks_median": median, "ks_p95": p95, "ks_p99": p99}
    values["ks_stratified"] = 1 / (2 * n)
    if target is not None:
        values["w1_mean"] = w1_floor(n, target)
    return values


@lru_cache(maxsize=64)
def _ks_floor(n: int) -> tuple[float, float, float, float]:
    """Mean, median, 95% and 99% quantile of D_n, by its exact law scipy.stats.kstwo.

    The mean for n > 1000 is sqrt(pi/2) ln 2 / sqrt(n) - 1/(6n): that of the limit (Kolmogorov 1933) with the first
    correction of Pelz and Good (1976), by which sqrt(n) D_n + 1/(6 sqrt(n)) has the limit's law to order 1/n.
    scipy's own mean takes seconds at n = 100,000 and is wrong at n = 30,000,000.
    """
    from scipy.stats import kstwo

    median, p95, p99 = (float(kstwo.ppf(level, n)) for level in (0.5, 0.95, 0.99))
    if n <= EXACT_MEAN_UP_TO:
        return float(kstwo.mean(n)), median, p95, p99
    return math.sqrt(math.pi / 2 / n) * math.log(2) - 1 / (6 * n), median, p95, p99


@lru_cache(maxsize=64)
def _bridge_integral(target: Target) -> float | None:
    """The integral of sqrt(F (1 - F)) over the line, or None."""
    from scipy.integrate import quad

    with np.errstate(all="ignore"):
        variance = float(target.frozen.var())
    # A finite integral needs a finite variance; quadrature alone may miss a slow divergence such as t(df=2).
    if not math.isfinite(variance):
        return None
    first, middle, third = (float(q) for q in target.quantile(np.array([0.25, 0.5, 0.75])))
    # In units of the interquartile range the integrand is concentrated near 0, where quad evaluates first.
    scale = third - first
    lower, upper = target.frozen.support()

    def root(t: float) -> float:
        x = np.array([middle + scale * t])
        return float(np.exp((target.logcdf(x) + target.logsf(x)) / 2)[0])

    total = 0.0
    for ends in (((lower - middle) / scale, 0.0), (0.0, (upper - middle) / scale)):
        value, error, *_ = quad(root, *ends, limit=200, full_output=1)
        if not error <= W1_TOLERANCE * max(value, 1.0):
            return None
        total += value
    return scale * total


def _check(n: int) -> None:
    if n < 1:
        raise ValueError(f"a floor needs a sample size of at least 1, not {n}")
