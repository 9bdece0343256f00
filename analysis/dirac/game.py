"""The Dirac-GAN (Mescheder, Geiger, Nowozin 2018, arXiv:1801.04406, section 2): the smallest game that a GAN can be.

All real data are 0, all generated data are theta, and D(x) = psi x + bias. Each player's gradient is an expression of
(theta, psi, bias), put together from the slopes that the registry derives for a loss variant (K = 1 decision) and from
``PENALTIES``, whose norm is |psi| at every site. No loss is written here; ``play`` takes the steps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import sympy
from scipy.special import roots_hermitenorm
from sympy import Expr, Symbol

from harness.config import Train
from harness.losses import Variant, fake, fake_mean, real, real_mean, sigmoid, softplus
from harness.losses.derivatives import Derivative, expectation
from harness.losses.penalties import PENALTIES, GradientPenalty
from harness.losses.penalties.penalty import norm
from harness.losses.primitives import elementary, log_mean_exp

#: The state: where the generated data lie, D's weight, D's bias.
STATE: tuple[Symbol, Symbol, Symbol] = sympy.symbols("theta psi bias", real=True)
theta, psi, bias = STATE

#: Length of a step, in units of time.
STEP = 0.1
#: Nodes of the Gauss-Hermite rule over instance noise.
NODES = 7


@dataclass(frozen=True)
class DiracRules:
    """The settings of [train] that mean something with three parameters.

    ``weights`` are those of the gradient penalties and of consensus, by their names in ``PENALTIES``; ``clip`` bounds
    |psi| and |bias| (0: none); ``noise`` is the standard deviation of instance noise. Updates are plain gradient
    steps, with ``momentum`` or ``optimistic`` (theta -= 2 d_n - d_(n-1), Daskalakis et al. 2018, arXiv:1711.00141).
    """

    order: str = "alternating"
    d_steps: int = 1
    g_steps: int = 1
    momentum: float = 0.0
    optimistic: bool = False
    clip: float = 0.0
    noise: float = 0.0
    weights: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @property
    def substeps(self) -> int:
        """Parts into which a step of 0.1 is cut, so that D's gradient step does not overshoot in its penalties.

        A step h on a curvature c multiplies the distance to the minimum by 1 - h c. The curvature of a penalty is
        taken just above norm 1.
        """
        gradient = {name: PENALTIES[name] for name in self.weights}
        curvature = sum(
            self.weights[name] * len(p.sites) * float(elementary(p.phi.diff(norm, 2)).subs(norm, 1 + 1e-9))
            for name, p in gradient.items()
            if isinstance(p, GradientPenalty)
        )
        return max(1, math.ceil(STEP * curvature - 1e-6))


#: Reasons why a variant that requires a setting has no Dirac-GAN.
ABSENT = {
    "spectral_norm": "psi over its own spectral norm is its sign, which has no gradient",
}


def rules_of(needs: Mapping[str, Any]) -> DiracRules:
    """The rules of a variant's required settings. Sizes, rates and Adam's decays have no counterpart here.

    RMSprop and Adam count as plain gradient steps, optimistic Adam as optimistic ones.
    """
    weights = {
        name: float(needs[name])
        for name, penalty in PENALTIES.items()
        if needs.get(name) and (isinstance(penalty, GradientPenalty) or name == "consensus")
    }
    optimizer = needs.get("optimizer")
    return DiracRules(
        order=needs.get("order", "alternating"),
        d_steps=int(needs.get("d_steps", 1)),
        g_steps=int(needs.get("g_steps", 1)),
        momentum=float(needs.get("beta1", Train().beta1)) if optimizer == "sgd" else 0.0,
        optimistic=optimizer == "optimistic_adam",
        clip=float(needs.get("weight_clip", 0.0)),
        noise=float(needs.get("instance_noise", 0.0)),
        weights=MappingProxyType(weights),
    )


def obstacle(variant: Variant) -> str:
    """The reason why the variant is not played on Dirac; empty if it is."""
    if variant.direct is not None:
        return "no discriminator"
    return next((reason for need, reason in ABSENT.items() if variant.needs.get(need)), "")


@dataclass(frozen=True)
class DiracGame:
    """A variant on Dirac: the gradient that each parameter descends, as expressions of ``STATE``."""

    generator: Expr
    weight: Expr
    offset: Expr

    @cached_property
    def descend_generator(self) -> Callable[[float, float, float], tuple[float, ...]]:
        """(theta, psi, bias) -> the gradient in theta."""
        return _compiled(self.generator)

    @cached_property
    def descend_discriminator(self) -> Callable[[float, float, float], tuple[float, ...]]:
        """(theta, psi, bias) -> the gradients in psi and bias."""
        return _compiled(self.weight, self.offset)

    @cached_property
    def flow(self) -> Callable[[float, Any], tuple[float, ...]]:
        """(time, state) -> d state/d time, the limit of small steps, as ``scipy.integrate.solve_ivp`` takes it."""
        both = _compiled(-self.generator, -self.weight, -self.offset)
        return lambda time, state: both(*state)


def game(
    variant: Variant, params: Mapping[str, float], rules: DiracRules | None = None, *, biased: bool = True
) -> DiracGame:
    """The game of a variant with parameters under the rules' penalties and noise.

    ``biased = False`` leaves D(x) = psi x, the discriminator of Mescheder et al. 2018.
    """
    rules = rules or DiracRules()
    slopes = slopes_at_one(variant, params)
    offset = bias if biased else sympy.S.Zero
    nodes = _normal_nodes(rules.noise)
    forces = [sympy.S.Zero] * 3
    # The expectation over instance noise of both kinds, independent of each other.
    for (x, w_real), (noise, w_fake) in itertools.product(nodes, nodes):
        logits = {real: psi * x + offset, fake: psi * (theta + noise) + offset}
        at_real, at_fake, at_generated = (w_real * w_fake * slope.xreplace(logits) for slope in slopes)
        terms = (at_generated * psi, at_real * x + at_fake * (theta + noise), at_real + at_fake if biased else 0)
        forces = [force + term for force, term in zip(forces, terms, strict=True)]
    generator, weight, shift = forces
    joint = sum(force**2 for force in forces) / 2
    pull = rules.weights.get("consensus", 0.0)
    if pull:
        generator, weight = generator + pull * joint.diff(theta), weight + pull * joint.diff(psi)
        shift = shift + pull * joint.diff(bias)
    for name, strength in rules.weights.items():
        penalty = PENALTIES[name]
        if isinstance(penalty, GradientPenalty):
            slope = penalty.phi.diff(norm).xreplace({norm: sympy.Abs(psi)})
            # |psi| sign(psi) = psi, which has a derivative at 0 where the two factors have none.
            pull_back = sympy.expand(slope * sympy.sign(psi)).subs(sympy.Abs(psi) * sympy.sign(psi), psi)
            weight = weight + strength * len(penalty.sites) * pull_back
    return DiracGame(generator, weight, shift)


def slopes_at_one(variant: Variant, params: Mapping[str, float]) -> tuple[Expr, Expr, Expr]:
    """The slopes of D's loss in ``real`` and ``fake`` and of G's loss in ``fake`` for K = 1, labels in expectation.

    With one decision a batch mean is its logit, and log_mean_exp = log((exp(real) + exp(fake))/2).
    """
    total = {real_mean: real, fake_mean: fake, log_mean_exp: real + softplus(fake - real) - sympy.log(2)}
    values = {p.symbol: sympy.Float(params[p.name]) for p in variant.parameters}

    def at_one(derivative: Derivative, logit: Symbol, other: Symbol) -> Expr:
        # d log_mean_exp/d logit is exp(logit)/(exp(logit) + exp(other)).
        slope = derivative.own + derivative.through_mean + derivative.through_lme * sigmoid(logit - other)
        if variant.labels is not None:
            slope = expectation(slope, variant.labels)
        return slope.xreplace(total).xreplace(values)

    return (
        at_one(variant.real_derivative, real, fake),
        at_one(variant.fake_derivative, fake, real),
        at_one(variant.generator_derivative, fake, real),
    )


def _normal_nodes(sd: float) -> list[tuple[float, float]]:
    """Points and weights of N(0, sd^2); the point 0 alone where there is no noise."""
    if not sd:
        return [(0.0, 1.0)]
    points, weights = roots_hermitenorm(NODES)
    return [(sd * float(x), float(w)) for x, w in zip(points, weights / weights.sum(), strict=True)]


_signum = sympy.Function("signum")


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.0 else math.inf


#: Plain numbers are 30 times as fast here as tensors of one element.
_SCALAR = {
    "exp": _exp,
    "Heaviside": lambda x, _: 1.0 if x > 0 else 0.0,
    "signum": lambda x: (x > 0) - (x < 0),
}


def _compiled(*expressions: Expr) -> Callable[[float, float, float], tuple[float, ...]]:
    # SymPy prints sign(x) as copysign(1, x), which is 1 at 0; a penalty needs 0 there.
    plain = [elementary(sympy.sympify(e)).replace(sympy.sign, _signum) for e in expressions]
    return sympy.lambdify(STATE, tuple(plain), modules=[_SCALAR, "math"], cse=True)  # type: ignore[no-any-return]
