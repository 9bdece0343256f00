"""Symmetries of D's loss between the two kinds of data: where it pushes them, and whether it treats them alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import mpmath
import sympy
from sympy import Expr, Symbol

from harness.losses.backends.torch_function import precise
from harness.losses.derivatives import symbols_of
from harness.losses.primitives import (
    LOGITS,
    elementary,
    fake,
    fake_mean,
    log_mean_exp,
    probability,
    real,
    real_mean,
    sigmoid,
    softplus,
)
from harness.losses.variant import Variant

Verdict = Literal["yes", "no", "undecided"]

#: Minibatches (real logits, fake logits) of K = 2 on which a claimed symmetry is tested. With K = 1 a batch mean is the
#: logit itself, and some losses would look symmetric that are not. The last batch reaches past kinks that all others
#: leave on one side.
BATCHES = (
    ((1.25, -0.5), (-2.0, 0.375)),
    ((-0.75, 3.0), (0.125, -1.5)),
    ((0.25, 0.625), (1.75, 2.5)),
    ((7.5, -6.0), (-9.25, 8.125)),
)
#: Fractions of the parameters' intervals at which it is tested, besides the defaults: all parameters at one fraction,
#: and neighbours at two, because a loss may be symmetric only where two parameters agree; 0.05 puts a margin within the
#: logits tested.
WITHIN = (("0.3",), ("0.7",), ("0.05", "0.7"))
DIGITS, TOLERANCE = 50, 1e-30


def rejecting_end(variant: Variant) -> Expr | None:
    """The end of the logits' axis to which D pushes generated data: ``-oo`` where high means "real", else ``oo``.

    Determined by the smaller of D's losses at (real, fake) = (3, -3) and (-3, 3), with default parameters. None if the
    two are equal.
    """
    defaults = {p.name: str(p.default) for p in variant.parameters}
    ordered, swapped = (_total(variant, ((logit,), (-logit,)), defaults) for logit in (mpmath.mpf(3), mpmath.mpf(-3)))
    if ordered == swapped:
        return None
    return -sympy.oo if ordered < swapped else sympy.oo


def swap_symmetric(variant: Variant) -> Verdict | None:
    """Symmetry D(real, fake) = D(-fake, -real): equal losses on both kinds of data, with the sign of logits changed.

    "yes" is proved by algebra for every value of the parameters, over the reals and in expectation over the labels;
    "no" by a minibatch and parameters at which the two sides differ. None if D's loss reads no logit.
    """
    loss = _over_the_reals(variant.expected_discriminator)
    if not symbols_of(loss) & set(LOGITS):
        return None
    for values in _parameter_values(variant):
        for reals, fakes in BATCHES:
            loss_value = _total(variant, (reals, fakes), values)
            swapped = _total(variant, (tuple(-f for f in fakes), tuple(-r for r in reals)), values)
            if abs(loss_value - swapped) > TOLERANCE * (1 + abs(loss_value)):
                return "no"
    if loss.has(log_mean_exp):
        # The swap turns it into another statistic, for which formulas have no symbol.
        return "undecided"
    swap = {real: -fake, fake: -real, real_mean: -fake_mean, fake_mean: -real_mean}
    difference = loss - loss.xreplace(swap)
    return "yes" if _vanishes(difference) else "undecided"


def _vanishes(difference: Expr) -> bool:
    if difference == 0 or sympy.expand(_one_sided(difference)) == 0:
        return True
    return bool(sympy.simplify(elementary(difference)) == 0)


def _one_sided(expression: Expr) -> Expr:
    """The expression with softplus and sigmoid of one sign only: softplus(-x) = softplus(x) - x, s(-x) = 1 - s(x)."""

    def of_softplus(x: Expr) -> Expr:
        return softplus(-x) + x if x.could_extract_minus_sign() else softplus(x)

    def of_sigmoid(x: Expr) -> Expr:
        return 1 - sigmoid(-x) if x.could_extract_minus_sign() else sigmoid(x)

    return expression.replace(softplus, of_softplus).replace(sigmoid, of_sigmoid)


def _over_the_reals(expression: Expr) -> Expr:
    return expression.replace(probability, sigmoid)


def _parameter_values(variant: Variant) -> Iterator[dict[str, str]]:
    # Decimal text, which mpmath reads exactly: in binary, 1 - 0.9 is not 0.1.
    yield {p.name: str(p.default) for p in variant.parameters}
    for shares in WITHIN if variant.parameters else ():
        with mpmath.workdps(DIGITS):
            yield {
                p.name: mpmath.nstr(p.low + (mpmath.mpf(p.high) - p.low) * mpmath.mpf(share), DIGITS)
                for p, share in zip(variant.parameters, itertools.cycle(shares), strict=False)
            }


def _total(variant: Variant, batch: tuple[tuple[Any, ...], tuple[Any, ...]], parameters: Mapping[str, str]) -> Any:
    """D's loss summed over a minibatch of K pairs of logits, in expectation over the labels."""
    reals, fakes = batch
    loss, size = _over_the_reals(variant.expected_discriminator), len(reals)
    with mpmath.workdps(DIGITS):
        lme = mpmath.log(mpmath.fsum(mpmath.exp(x) for x in (*reals, *fakes)) / (2 * size))
        shared: dict[Symbol, Any] = {
            real_mean: mpmath.fsum(reals) / size,
            fake_mean: mpmath.fsum(fakes) / size,
            log_mean_exp: lme,
        }
        shared |= {p.symbol: parameters[p.name] for p in variant.parameters}
        pairs = zip(reals, fakes, strict=True)
        return mpmath.fsum(precise(loss, values={real: r, fake: f, **shared}, digits=DIGITS)[0] for r, f in pairs)
