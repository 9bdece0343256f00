"""Mixtures of Gaussian laws, with a quantile function fast enough for the data of every training step.

A ``Mixture`` has the methods of a frozen law of scipy.stats that a target uses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.errors import InputError

Float64 = NDArray[np.float64]

_ROOT = math.sqrt(2 * math.pi)

#: Parameters of a component; in names they are numbered from 1.
COMPONENT_PARAMS = ("weight", "loc", "scale")

#: Largest difference from 1 of the sum of weights; the weights are divided by their sum.
WEIGHT_TOLERANCE = 1e-5

MOST_COMPONENTS = 100

#: Cells of the table of quantiles, evenly spaced in y = Phi^-1(u) from -REACH to REACH (u from 5e-17 on).
_CELLS, _REACH = 4096, 8.3

#: A Newton step, in units of the least scale, after which no other is needed: the next would be of the order of its
#: square times f'/f, which is below 40 of these units.
_CONVERGED = 1e-9

#: Most steps of a search within a bracket. Every third halves it: from 2e6, the widest that an experiment allows, to
#: below 1e-23.
_MAX_STEPS = 300


@dataclass(frozen=True)
class Mixture:
    """F(x) = sum of w_i Phi((x - loc_i)/scale_i), with weights that sum to 1 and positive scales.

    All functions are elementwise in float64; a result does not depend on the other values.
    """

    weights: tuple[float, ...]
    locs: tuple[float, ...]
    scales: tuple[float, ...]

    @property
    def _components(self) -> tuple[tuple[float, float, float], ...]:
        return tuple(zip(self.weights, self.locs, self.scales, strict=True))

    def cdf(self, x: Float64) -> Float64:
        """F(x)."""
        return self._mass(np.asarray(x, dtype=np.float64), 1.0)

    def logcdf(self, x: Float64) -> Float64:
        """log F(x), accurate also where F rounds to 0."""
        return self._log_mass(x, 1.0)

    def logsf(self, x: Float64) -> Float64:
        """log(1 - F(x)), accurate also where F rounds to 1."""
        return self._log_mass(x, -1.0)

    def pdf(self, x: Float64) -> Float64:
        """f(x), the derivative of F."""
        x = np.asarray(x, dtype=np.float64)
        total = np.zeros_like(x)
        for weight, loc, scale in self._components:
            z = (x - loc) / scale
            total += weight / (scale * _ROOT) * np.exp(-0.5 * z * z)
        return total

    def mean(self) -> float:
        """The sum of w_i loc_i."""
        return float(np.dot(self.weights, self.locs))

    def var(self) -> float:
        """The sum of w_i (scale_i^2 + (loc_i - mean)^2)."""
        return float(np.dot(self.weights, np.square(self.scales) + np.square(np.subtract(self.locs, self.mean()))))

    def std(self) -> float:
        """The root of the variance."""
        return float(np.sqrt(self.var()))

    def median(self) -> float:
        """Q(1/2)."""
        return float(self.ppf(np.array([0.5]))[0])

    def support(self) -> tuple[float, float]:
        """The whole line."""
        return (-np.inf, np.inf)

    def ppf(self, u: Float64) -> Float64:
        """Q(u), the inverse of F; -inf at 0, inf at 1, nan outside [0, 1].

        A table that is cubic in y = Phi^-1(u) gives a first guess. A Newton step improves it, on F, or on 1 - F above
        the median, where F has lost its digits. If one step does not converge, as between components far apart, more
        follow within a bracket. For u of 1e-300 and more the relative error of F(Q(u)), or of 1 - F(Q(u)), is below
        1e-12.
        """
        u = np.asarray(u, dtype=np.float64)
        flat = np.ascontiguousarray(u).reshape(-1)
        inside = (flat > 0) & (flat < 1)
        x = np.select([flat == 0, flat == 1], [-np.inf, np.inf], np.nan)
        with np.errstate(all="ignore"):
            x[inside] = self._inverse(flat[inside])
        return x.reshape(u.shape)

    def _mass(self, x: Float64, side: float | Float64) -> Float64:
        """F(x) where ``side`` is 1, 1 - F(x) where it is -1."""
        total = np.zeros_like(x)
        for weight, loc, scale in self._components:
            total += weight * special.ndtr(side * (x - loc) / scale)
        return total

    def _log_mass(self, x: Float64, side: float) -> Float64:
        x = np.asarray(x, dtype=np.float64)
        parts = [np.log(weight) + special.log_ndtr(side * (x - loc) / scale) for weight, loc, scale in self._components]
        return np.asarray(np.logaddexp.reduce(parts, axis=0))

    def _inverse(self, u: Float64) -> Float64:
        y = special.ndtri(u)
        # Both tails alike: p is the mass on the near side of x; 1 - u is exact from 1/2 on.
        side = np.where(u <= 0.5, 1.0, -1.0)
        p = np.where(u <= 0.5, u, 1 - u)
        guess = self._guess(y)
        step = self._newton(guess, side, p)
        x = guess - step
        rest = np.flatnonzero(~self._converged(step))
        if len(rest):
            x[rest] = self._bracketed(x[rest], y[rest], side[rest], p[rest])
        return x

    def _newton(self, x: Float64, side: Float64, p: Float64) -> Float64:
        """The excess of x over the point with mass p on its side, to first order."""
        mass, density = np.zeros_like(x), np.zeros_like(x)
        for weight, loc, scale in self._components:
            z = (x - loc) / scale
            mass += weight * special.ndtr(side * z)
            density += weight / (scale * _ROOT) * np.exp(-0.5 * z * z)
        return np.asarray(side * (mass - p) / density)

    def _converged(self, step: Float64) -> NDArray[np.bool_]:
        return np.asarray(np.abs(step) <= _CONVERGED * min(self.scales))

    def _guess(self, y: Float64) -> Float64:
        position = (y + _REACH) * (_CELLS / (2 * _REACH))
        cell = np.clip(position, 0, _CELLS - 1).astype(np.intp)
        t = position - cell
        a, b, c, d = self._table[cell].T
        return np.asarray(((d * t + c) * t + b) * t + a)

    @cached_property
    def _table(self) -> Float64:
        """For each cell the cubic in t, from 0 to 1 within it, through Q(Phi(y)) and its slopes at both ends (Hermite).

        Where the slope overflows, the guess is 0 and the search within a bracket finds the quantile.
        """
        y = np.linspace(-_REACH, _REACH, _CELLS + 1)
        x = self._bracketed(y, y, np.where(y <= 0, 1.0, -1.0), special.ndtr(-np.abs(y)))
        slope = 2 * _REACH / _CELLS * np.exp(-0.5 * y * y) / _ROOT / self.pdf(x)
        rise, first, last = np.diff(x), slope[:-1], slope[1:]
        table = np.stack([x[:-1], first, 3 * rise - 2 * first - last, first + last - 2 * rise], axis=1)
        return np.where(np.isfinite(table), table, 0.0)

    def _bracketed(self, start: Float64, y: Float64, side: Float64, p: Float64) -> Float64:
        """Q by Newton steps from ``start`` within a bracket that every step narrows and every third step halves.

        The bracket is from the least to the greatest of the components' quantiles at u, which y = Phi^-1(u) gives.
        """
        ends = np.array([loc + scale * y for _, loc, scale in self._components])
        low, high = ends.min(axis=0), ends.max(axis=0)
        x = np.where((low < start) & (start < high), start, low + (high - low) / 2)
        result = x.copy()
        pending: NDArray[np.intp] = np.arange(len(x))
        for i in range(1, _MAX_STEPS + 1):
            step = self._newton(x, side, p)
            result[pending] = x - step
            unconverged = ~self._converged(step)
            if not unconverged.any():
                return result
            pending = pending[unconverged]
            x, step, side, p, low, high = (a[unconverged] for a in (x, step, side, p, low, high))
            # Where the density rounds to 0 the step is infinite or nan.
            low, high = np.where(step > 0, low, x), np.where(step > 0, x, high)
            middle, ahead = low + (high - low) / 2, x - step
            x = np.where((low < ahead) & (ahead < high), ahead, middle) if i % 3 else middle
        result[pending] = x
        return result


def mixture(params: Mapping[str, float]) -> Mixture:
    """The mixture with parameters weight1, loc1, scale1, weight2, ..., up to 100 components.

    Raises:
        InputError: a component is incomplete, a name unknown, a weight or scale not positive, or the weights do not
            sum to 1 within 1e-5.
    """
    numbers = {int(match[1]) for name in params if (match := re.fullmatch(r"weight([1-9][0-9]{0,2})", name))}
    count = min(max(numbers, default=1), MOST_COMPONENTS)
    names = [f"{part}{i}" for i in range(1, count + 1) for part in COMPONENT_PARAMS]
    unknown, missing = sorted(params.keys() - set(names)), [name for name in names if name not in params]
    if unknown or missing:
        raise InputError(
            "target: mixture takes weight1, loc1, scale1, weight2, loc2, scale2 and so on, up to "
            f"{MOST_COMPONENTS}; unknown: {', '.join(unknown) or 'none'}, missing: {', '.join(missing) or 'none'}"
        )
    weights, locs, scales = (tuple(params[f"{part}{i}"] for i in range(1, count + 1)) for part in COMPONENT_PARAMS)
    if not (np.isfinite(locs).all() and np.isfinite(scales).all() and min(scales) > 0):
        raise InputError("target: mixture has a loc or scale outside its domain (scales must be positive)")
    total = sum(weights)
    if not (min(weights) > 0 and abs(total - 1) <= WEIGHT_TOLERANCE):
        raise InputError(
            f"target: mixture has weights {', '.join(f'{w:.12g}' for w in weights)}, which sum to {total:.12g}; "
            "allowed: positive weights with sum 1"
        )
    return _cached(tuple(w / total for w in weights), locs, scales)


@lru_cache(maxsize=16)
def _cached(weights: tuple[float, ...], locs: tuple[float, ...], scales: tuple[float, ...]) -> Mixture:
    # One object for equal laws, so that their table is computed once.
    return Mixture(weights, locs, scales)
