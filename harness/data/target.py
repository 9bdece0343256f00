"""Targets: continuous laws by name and parameters, of scipy.stats or of this package.

A target is sampled through its quantile function, so the same uniform draws give the same data on every engine.
"""

from __future__ import annotations

import difflib
import math
import numbers
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.data.mixture import mixture
from harness.errors import InputError

Float64 = NDArray[np.float64]

#: Quantile functions of standard laws, of u and the law's shapes. They are the formulas of scipy.stats, with the same
#: bits, but without its argument checks, which take 15 times as long as the Gaussian's arithmetic. The data of every
#: training step pass through here.
_STANDARD_QUANTILES: dict[str, Callable[..., Any]] = {
    "norm": special.ndtri,
    "uniform": lambda u: u,
    "expon": lambda u: -special.log1p(-u),
    "laplace": lambda u: np.where(u > 0.5, -np.log(2 * (1 - u)), np.log(2 * u)),
    "logistic": special.logit,
    "lognorm": lambda u, s: np.exp(s * special.ndtri(u)),
    "t": lambda u, df: special.stdtrit(df, u),
}

#: Distribution functions of standard laws on the whole line, likewise: the same bits in a quarter of the time.
_STANDARD_FUNCTIONS: dict[str, Callable[[Float64], Float64]] = {"norm": special.ndtr, "logistic": special.expit}

#: Laws that scipy.stats does not have: functions from parameters to an object with the methods of a frozen law of
#: scipy.stats that ``data.mixture.Mixture`` has.
_OWN_LAWS: dict[str, Callable[[Mapping[str, float]], Any]] = {"mixture": mixture}


def continuous_laws() -> tuple[str, ...]:
    """Names of every continuous law that scipy.stats offers, in alphabetical order."""
    from scipy import stats

    return tuple(sorted(n for n in dir(stats) if isinstance(getattr(stats, n), stats.rv_continuous)))


def starting_params(law: str) -> dict[str, float]:
    """Default parameters of a law: loc 0 and scale 1 for a law of scipy.stats, none for a mixture."""
    return {} if law in _OWN_LAWS else {"loc": 0.0, "scale": 1.0}


@dataclass(frozen=True)
class Target:
    """A continuous law F of the real line, e.g. ``Target("norm", {"loc": 4.0, "scale": 1.25})``.

    ``law`` is a name of scipy.stats, with ``params`` its shape parameters, ``loc`` and ``scale``; or "mixture", of
    Gaussian laws, with ``params`` weight1, loc1, scale1, weight2, ... (``harness.data.mixture``).

    Raises:
        InputError: the law is unknown, or its parameters are missing, unknown or outside their domain.
    """

    law: str = "norm"
    params: Mapping[str, float] = field(default_factory=lambda: {"loc": 4.0, "scale": 1.25})

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", {k: _number(k, v) for k, v in sorted(self.params.items())})
        _ = self.frozen

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def parse(cls, text: str) -> Target:
        """The target of a text such as ``norm(loc=4, scale=1.25)``; inverse to ``text``.

        Missing parameters are those of ``starting_params``.

        Raises:
            InputError: the text is not of this form, or names no valid law (see the class).
        """
        match = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", text)
        if match is None:
            raise InputError(f"target {text!r}: write a law and its parameters, such as norm(loc=4, scale=1.25)")
        params = starting_params(match[1])
        for item in filter(None, map(str.strip, (match[2] or "").split(","))):
            name, _, value = (part.strip() for part in item.partition("="))
            try:
                params[name] = float(value)
            except ValueError:
                raise InputError(f"target {text!r}: {item!r} is not name=number") from None
        return cls(match[1], params)

    @cached_property
    def text(self) -> str:
        """The law as one canonical line: ``norm(loc=4, scale=1.25)``."""
        return f"{self.law}({', '.join(f'{k}={v:.12g}' for k, v in self.params.items())})"

    @cached_property
    def frozen(self) -> Any:
        """The law as scipy.stats freezes one: an object with ``cdf``, ``logcdf``, ``logsf``, ``ppf``, ``pdf``, ..."""
        if law_of := _OWN_LAWS.get(str(self.law)):
            return law_of(self.params)
        from scipy import stats

        law = getattr(stats, str(self.law), None)
        if not isinstance(law, stats.rv_continuous):
            near = difflib.get_close_matches(str(self.law), [*continuous_laws(), *_OWN_LAWS], n=1)
            hint = f"; nearest: {near[0]!r}" if near else ""
            raise InputError(
                f"target.law: {self.law!r} is not a continuous law of scipy.stats, nor {', '.join(_OWN_LAWS)}{hint}"
            )
        shapes = tuple(s.strip() for s in law.shapes.split(",")) if law.shapes else ()
        allowed = (*shapes, "loc", "scale")
        unknown = sorted(set(self.params) - set(allowed))
        missing = sorted(set(shapes) - set(self.params))
        if unknown or missing:
            raise InputError(
                f"target: {self.law} takes {', '.join(allowed)}; unknown: {', '.join(unknown) or 'none'}, "
                f"missing: {', '.join(missing) or 'none'}"
            )
        frozen = law(**self.params)
        with np.errstate(all="ignore"):
            median = float(frozen.median())
        if not all(math.isfinite(v) for v in self.params.values()) or not math.isfinite(median):
            raise InputError(f"target: {self.text} is outside the law's domain (scale must be positive)")
        return frozen

    # Far from a law's centre some of scipy's formulas overflow, or round below 0 or above 1, on their way to the right
    # limit; hence the silenced floating-point errors and the clipping.

    def cdf(self, x: Float64) -> Float64:
        """F(x), elementwise, in [0, 1]; nan only where x is nan."""
        standard = _STANDARD_FUNCTIONS.get(self.law)
        if standard is not None:
            with np.errstate(all="ignore"):
                return np.asarray(standard((x - self.params.get("loc", 0.0)) / self.params.get("scale", 1.0)))
        with np.errstate(all="ignore"):
            values = np.clip(np.asarray(self.frozen.cdf(x), dtype=np.float64), 0.0, 1.0)
        lost = np.isnan(values)
        if lost.any():  # infinity over infinity in the formula (mielke beyond 1e30): the limit on that side
            side = np.where(x > self.frozen.median(), 1.0, 0.0)
            values = np.where(lost & ~np.isnan(x), side, values)
        return values

    def logcdf(self, x: Float64) -> Float64:
        """log F(x), accurate in the lower tail where F itself rounds to 0; -inf below the support."""
        with np.errstate(all="ignore"):
            return _logarithm(self.frozen.logcdf(x), x)

    def logsf(self, x: Float64) -> Float64:
        """log(1 - F(x)), accurate in the upper tail where F itself rounds to 1; -inf above the support."""
        with np.errstate(all="ignore"):
            return _logarithm(self.frozen.logsf(x), x)

    def quantile(self, u: Float64) -> Float64:
        """Q(u), the inverse of F, for u in (0, 1), elementwise; uniform u give draws from the law."""
        u = np.asarray(u, dtype=np.float64)  # scipy would answer float32 in float32
        standard = _STANDARD_QUANTILES.get(self.law)
        if standard is not None:
            shapes = {name: value for name, value in self.params.items() if name not in ("loc", "scale")}
            with np.errstate(all="ignore"):
                # The order of scipy.stats, times scale and then plus loc: the same bits.
                return np.asarray(standard(u, **shapes) * self.params.get("scale", 1.0) + self.params.get("loc", 0.0))
        with np.errstate(all="ignore"):
            return np.asarray(self.frozen.ppf(u), dtype=np.float64)

    def density(self, x: Float64) -> Float64:
        """f(x), elementwise."""
        with np.errstate(all="ignore"):
            return np.asarray(self.frozen.pdf(x), dtype=np.float64)


def _logarithm(values: Any, x: Float64) -> Float64:
    """Logarithms of probabilities: at most 0, and -inf where rounding made the probability negative."""
    logs = np.minimum(np.asarray(values, dtype=np.float64), 0.0)
    lost = np.isnan(logs)
    return np.where(lost & ~np.isnan(x), -np.inf, logs) if lost.any() else logs


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"target.{name}: got {value!r}; allowed: a number")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"target.{name}: got a number beyond 1.8e308; allowed: floating-point numbers") from None
