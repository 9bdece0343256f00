"""The law of the generator's label on the Dirac-GAN, as formulas, and what measures them: eigenvalues, the flow.

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

from analysis.dirac.game import STATE, Game
from harness.errors import InputError
from harness.losses import Variant

#: Distance from the target at which a rotation is measured. At label 1 the frequency there is short by distance^2/40 of
#: itself, as measured at 0.01, 0.03 and 0.1.
NEAR = 0.01
#: Within this of the target it has arrived.
ARRIVED = 0.1


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
    """Where a label c in (0, 1/2) parks under R1 of that weight: sqrt(weight |logit c|/c), from cross-entropy.

    At rest D gives the label, psi theta + bias = logit c, and psi = -c theta/weight. With a bias, sigmoid(bias) =
    1 - c doubles the logit that psi theta must reach, and the square.
    """
    return math.sqrt((2 if biased else 1) * weight * abs(math.log(c / (1 - c))) / c)


def damped_pair(weight: float, slope: float = 0.5) -> tuple[complex, complex]:
    """-weight/2 +- sqrt(weight^2/4 - slope^2): the eigenvalues under R1, for f'(0) = slope (cross-entropy: 1/2).

    Source: Mescheder, Geiger, Nowozin 2018, arXiv:1801.04406, section 4.1.
    """
    root = np.emath.sqrt(weight**2 / 4 - slope**2)
    return complex(-weight / 2 + root), complex(-weight / 2 - root)


def eigenvalues(game: Game, equilibrium: float = 0.0) -> np.ndarray:
    """The eigenvalues (3,) of the linearised flow at theta = psi = 0 and bias = ``equilibrium``, ascending.

    Ordered by real part, then imaginary part. Without a bias one of them is 0. The formulas must be smooth there.
    """
    forces = sympy.Matrix([-game.generator, -game.weight, -game.offset])
    here = dict(zip(STATE, (0, 0, equilibrium), strict=True))
    matrix = forces.jacobian(STATE).subs(here).evalf()
    found: np.ndarray = np.sort_complex(np.linalg.eigvals(np.array(matrix.tolist(), dtype=np.float64)))
    return found


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


def measured_frequency(game: Game, time: float = 200.0) -> float:
    """Angular frequency of the flow itself (the limit of small steps), for a D whose bias is 0 at the equilibrium.

    From theta = ``NEAR``, for so many units of time: pi over the mean time between its passages over the target. NaN
    with fewer than three passages.
    """

    def over_target(_: float, state: np.ndarray) -> float:
        return float(state[0])

    start = (NEAR, 0.0, 0.0)
    run = solve_ivp(game.flow, (0.0, time), start, method="DOP853", rtol=1e-10, atol=1e-13, events=over_target)
    passed = np.concatenate(run.t_events or [np.empty(0)])
    return float(np.pi / np.diff(passed).mean()) if len(passed) > 2 else float("nan")


def arrival_and_landing(path: np.ndarray) -> tuple[int, int]:
    """Steps after which theta is first within ``ARRIVED`` of the target, and after which it stays there.

    The path must have been inside and outside.
    """
    inside = np.abs(path[:, 0]) < ARRIVED
    outside = np.nonzero(~inside)[0]
    return int(np.argmax(inside)), int(outside[-1]) + 1
