"""The law of the generator's label on the Dirac-GAN: its formulas, and the same numbers measured on the game.

D is trained towards a on real data and b < a on generated data, G towards c (labels of cross-entropy, or targets of
least squares on the logit: the law is the same). D answers (a + b)/2 where the two laws agree. The flow there,
linearised, is psi' = -(a - b)/2 theta, theta' = (c - (a + b)/2) psi: G rotates around the target for c above
(a + b)/2, leaves it for c below. With f' = 1/2 it is the game of Mescheder, Geiger, Nowozin 2018 (arXiv:1801.04406,
lemma 2.2) for c = a = 1, b = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import sympy
from scipy.integrate import solve_ivp

from analysis.dirac.game import STATE, DiracGame, DiracRules, game
from analysis.dirac.play import State, play
from harness.errors import InputError
from harness.losses import Variant, parse_variant

#: Distance from the target at which a rotation is measured. At label 1 the frequency there is short by distance^2/40 of
#: itself, as measured at 0.01, 0.03 and 0.1.
NEAR = 0.01
#: Within this of the target it has arrived.
ARRIVED = 0.1
#: Offsets are measured under this weight of R1.
R1_WEIGHT = 0.1
#: Where arrival and landing are measured from.
FAR: State = (4.0, 0.0, 0.0)


def threshold(a: float = 1.0, b: float = 0.0) -> float:
    """The generator's target (a + b)/2 below which the target is left and above which it is circled."""
    return (a + b) / 2


def angular_frequency(c: float, a: float = 1.0, b: float = 0.0) -> float:
    """sqrt((a - b)/2 (c - (a + b)/2)), in radians per unit of time, for small circles; 0 at and below the threshold."""
    return math.sqrt(max((a - b) / 2 * (c - threshold(a, b)), 0.0))


def escape_rate(c: float, a: float = 1.0, b: float = 0.0) -> float:
    """sqrt((a - b)/2 ((a + b)/2 - c)): theta grows like exp(rate * time) near the target; 0 at the threshold and above.

    For cross-entropy labels a = 1, b = 0, c = 0 it is 1/2.
    """
    return math.sqrt(max((a - b) / 2 * (threshold(a, b) - c), 0.0))


def parked_offset(c: float, weight: float, *, biased: bool = False) -> float:
    """The resting place of a label c in (0, 1/2) under R1 of that weight: sqrt(weight |logit c|/c), from cross-entropy.

    At rest D gives the label, psi theta + bias = logit c, and psi = -c theta/weight. With a bias, sigmoid(bias) =
    1 - c doubles the logit that psi theta must reach, and the square.
    """
    return math.sqrt((2 if biased else 1) * weight * abs(math.log(c / (1 - c))) / c)


def eigenvalues(played: DiracGame, bias: float = 0.0) -> np.ndarray:
    """The eigenvalues (3,) of the linearised flow at theta = psi = 0 and this bias, ascending.

    Ordered by real part, then imaginary part. Without a bias one of them is 0. The formulas must be smooth there.
    """
    forces = sympy.Matrix([-played.generator, -played.weight, -played.offset])
    at_rest = dict(zip(STATE, (0, 0, bias), strict=True))
    matrix = forces.jacobian(STATE).subs(at_rest).evalf()
    values: np.ndarray = np.sort_complex(np.linalg.eigvals(np.array(matrix.tolist(), dtype=np.float64)))
    return values


def equilibrium(variant: Variant, params: Mapping[str, float]) -> float:
    """D's logit where the laws agree, as the variant states it.

    Raises:
        InputError: it is not unique.
    """
    if variant.equilibrium_logit is None:
        raise InputError(f"{variant.name}: D's logit where the laws agree is not unique; linearise elsewhere")
    return float(variant.equilibrium_logit.subs({p.symbol: params[p.name] for p in variant.parameters}))


def measured_threshold(rotates: Callable[[float], bool], low: float, high: float) -> float:
    """The generator's target at which the linearised flow starts to rotate, by 24 halvings of [low, high]."""
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (low, middle) if rotates(middle) else (middle, high)
    return (low + high) / 2


def measured_frequency(played: DiracGame, time: float = 200.0) -> float:
    """Angular frequency of the flow itself (the limit of small steps), for a D whose bias is 0 at the equilibrium.

    From theta = ``NEAR``, for so many units of time: pi over the mean time between its passages over the target. NaN
    with fewer than three passages.
    """

    def over_target(_: float, state: np.ndarray) -> float:
        return float(state[0])

    start = (NEAR, 0.0, 0.0)
    run = solve_ivp(played.flow, (0.0, time), start, method="DOP853", rtol=1e-10, atol=1e-13, events=over_target)
    passed = np.concatenate(run.t_events or [np.empty(0)])
    return float(np.pi / np.diff(passed).mean()) if len(passed) > 2 else float("nan")


def arrival_and_landing(path: np.ndarray) -> tuple[int, int]:
    """Steps after which theta is first within ``ARRIVED`` of the target, and after which it stays there.

    The path must have been inside and outside.
    """
    inside = np.abs(path[:, 0]) < ARRIVED
    outside = np.nonzero(~inside)[0]
    return int(np.argmax(inside)), int(outside[-1]) + 1


def label_law_rows() -> list[tuple[str, str, str]]:
    """The law's numbers as rows of text: quantity, predicted value, measured value."""
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
    """True if the linearised flow of a variant's text has eigenvalues off the real axis."""
    variant, params = parse_variant(text)
    values = eigenvalues(game(variant, params), equilibrium(variant, params))
    return bool(np.abs(values.imag).max() > 0)


def label_threshold(a: float = 1.0, b: float = 0.0) -> float:
    """The least label t for which the linearised flow rotates, D's labels being a and b."""
    prefix = f"two_sided_smoothing|generator_label(a={a!r}, b={b!r}, t="
    return measured_threshold(lambda t: rotates(f"{prefix}{t!r})"), 0.0, 1.0)


def squares_threshold(a: float, b: float) -> float:
    """The least c for which least squares with D's targets a (fake) and b (real) rotates."""
    return measured_threshold(lambda c: rotates(f"least_squares(a={a!r}, b={b!r}, c={c!r})"), a - 1.0, b + 1.0)


def parked(t: float) -> float:
    """The place where label t parks after 20,000 alternating steps of 0.1 under R1, D(x) = psi x."""
    variant, params = parse_variant(f"generator_label(t={t!r})")
    rules = DiracRules(weights={"r1": R1_WEIGHT})
    return float(play(game(variant, params, rules, biased=False), rules)[-1, 0])


def label_escape() -> float:
    """The largest eigenvalue of the linearised flow with label 0."""
    variant, params = parse_variant("generator_label(t=0)")
    return float(eigenvalues(game(variant, params)).real.max())


def landing() -> list[tuple[str, int, int]]:
    """Label, steps until theta is first within 0.1 of the target, steps until it stays there; from theta = 4."""
    rows = []
    for t in (0.5, 0.75, 1.0):
        variant, params = parse_variant(f"generator_label(t={t!r})")
        rows.append((f"{t:g}", *arrival_and_landing(play(game(variant, params), start=FAR))))
    return rows
