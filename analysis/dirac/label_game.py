"""The numbers of the generator-label law (``rotation.py``) as the Dirac-GAN of the registry's losses gives them."""

from __future__ import annotations

import numpy as np

from analysis.dirac.game import Rules, game
from analysis.dirac.label_rotation import (
    angular_frequency,
    arrival_and_landing,
    eigenvalues,
    equilibrium,
    escape_rate,
    measured_frequency,
    measured_threshold,
    parked_offset,
    threshold,
)
from analysis.dirac.play import State, play
from harness.losses import parse_variant

#: Offsets are measured under this weight of R1.
R1_WEIGHT = 0.1
#: Where arrival and landing are measured from.
FAR: State = (4.0, 0.0, 0.0)


def label_law() -> list[tuple[str, str, str]]:
    """The law's numbers: what is measured, predicted, measured."""
    pairs = [(f"frequency, t = {t:g}", angular_frequency(t), label_frequency(t)) for t in (0.6, 0.75, 1.0)]
    pairs += [("threshold of t", threshold(), label_threshold())]
    pairs += [("threshold of t, D's labels 0.9 and 0.3", threshold(0.9, 0.3), label_threshold(0.9, 0.3))]
    pairs += [("threshold of c, least squares (-1, 1, c)", threshold(1, -1), squares_threshold(-1, 1))]
    pairs += [("threshold of c, least squares (0, 1, c)", threshold(1, 0), squares_threshold(0, 1))]
    pairs += [
        (f"offset under R1 {R1_WEIGHT:g}, t = {t:g}", parked_offset(t, R1_WEIGHT), parked(t)) for t in (0.1, 0.25, 0.4)
    ]
    pairs += [("rate of escape, t = 0", escape_rate(0.0), label_escape())]
    return [(name, f"{predicted:.5f}", f"{measured + 0.0:.5f}") for name, predicted, measured in pairs]


def label_frequency(t: float) -> float:
    """The frequency of the cross-entropy flow with label t, from theta = 0.01."""
    variant, params = parse_variant(f"generator_label(t={t!r})")
    return measured_frequency(game(variant, params))


def rotates(text: str) -> bool:
    """Whether the linearised flow of a variant's text has eigenvalues off the real axis."""
    variant, params = parse_variant(text)
    found = eigenvalues(game(variant, params), equilibrium(variant, params))
    return bool(np.abs(found.imag).max() > 0)


def label_threshold(a: float = 1.0, b: float = 0.0) -> float:
    """The least label t for which the linearised flow rotates, D's labels being a and b."""
    judged = f"two_sided_smoothing|generator_label(a={a!r}, b={b!r}, t="
    return measured_threshold(lambda t: rotates(f"{judged}{t!r})"), 0.0, 1.0)


def squares_threshold(a: float, b: float) -> float:
    """The least c for which least squares with D's targets a (fake) and b (real) rotates."""
    return measured_threshold(lambda c: rotates(f"least_squares(a={a!r}, b={b!r}, c={c!r})"), a - 1.0, b + 1.0)


def parked(t: float) -> float:
    """Where label t parks after 20,000 alternating steps of 0.1 under R1, D(x) = psi x."""
    variant, params = parse_variant(f"generator_label(t={t!r})")
    rules = Rules(weights={"r1": R1_WEIGHT})
    return float(play(game(variant, params, rules, biased=False), rules)[-1, 0])


def label_escape() -> float:
    """The largest eigenvalue of the linearised flow with label 0."""
    variant, params = parse_variant("generator_label(t=0)")
    return float(eigenvalues(game(variant, params)).real.max())


def landing() -> list[tuple[str, int, int]]:
    """Label, steps until theta is first within 0.1 of the target, steps until it stays there; from theta = 4."""
    found = []
    for t in (0.5, 0.75, 1.0):
        variant, params = parse_variant(f"generator_label(t={t!r})")
        found.append((f"{t:g}", *arrival_and_landing(play(game(variant, params), start=FAR))))
    return found
