"""A variant as plain data: formulas, the generator's slope and its limits, saturation, losses at equilibrium.

SymPy proves the limits on the elementary form of the slope, with the parameters left as symbols. ``card.py`` describes
a variant at given parameter values, with the identities that other variants declare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import sympy
from sympy import Expr

from harness.losses.derivatives import Derivative, symbols_of
from harness.losses.limits import limit, with_steps
from harness.losses.metadata import UNPUBLISHED
from harness.losses.notation import (
    discriminator_latex,
    discriminator_text,
    generator_latex,
    generator_text,
    latex,
    text,
)
from harness.losses.primitives import LOGITS, elementary, fake, fake_mean, log_mean_exp, real_mean
from harness.losses.symmetry import rejecting_end, swap_symmetric
from harness.losses.variant import Variant

#: K times the derivative of ``log_mean_exp`` in a fake logit.
_WEIGHT = sympy.exp(fake - log_mean_exp) / 2


def reads_logits(variant: Variant) -> bool:
    """True when the generator learns from the discriminator."""
    return variant.slopes is not None or bool(symbols_of(variant.generator) & set(LOGITS))


def generator_slope(variant: Variant) -> Derivative:
    """dG/dfake as expressions: the direct derivative, and the one through the batch mean (mostly 0)."""
    return variant.generator_derivative


def generator_slope_text(variant: Variant) -> str:
    """dG/dfake as text; ``mean(...)`` is an average over the batch."""
    return _slope(variant.generator_derivative, text, "mean({})", "*")


def generator_slope_latex(variant: Variant) -> str:
    r"""dG/d\ell_f in LaTeX; an overline is an average over the batch."""
    return _slope(variant.generator_derivative, latex, r"\overline{{{}}}", r" \, ")


def _slope(slope: Derivative, to_text: Callable[[Expr], str], mean: str, times: str) -> str:
    """The whole derivative in one notation; ``mean`` is the format of an average over the batch."""
    parts = [to_text(slope.own)]
    if slope.through_mean != 0:
        parts.append(mean.format(to_text(slope.through_mean)))
    if slope.through_lme != 0:
        parts.append(f"{mean.format(to_text(slope.through_lme))}{times}{to_text(_WEIGHT)}")
    return " + ".join(parts)


def _reads_the_batch(slope: Derivative) -> bool:
    through = bool(slope.through_mean != 0 or slope.through_lme != 0)
    return through or bool(slope.own.has(real_mean, fake_mean, log_mean_exp))


def slope_at_infinity(variant: Variant, end: Expr) -> Expr | None:
    """The generator's slope as a fake logit goes to ``end``: ``-oo`` (D rejects the value) or ``oo`` (D accepts it).

    None if undecided, or if the slope reads batch statistics, which move together with the logit.
    """
    slope = variant.generator_derivative
    if _reads_the_batch(slope):
        return None
    return limit(slope.own, fake, end)


def slope_at_zero(variant: Variant) -> Expr | None:
    """The generator's slope at logit 0, where D is undecided; None if it reads batch statistics."""
    slope = variant.generator_derivative
    if _reads_the_batch(slope):
        return None
    return with_steps(sympy.simplify(sympy.nsimplify(elementary(slope.own.subs(fake, 0)), rational=True)))


def saturates(variant: Variant) -> str | None:
    """Saturation: yes if the generator's slope vanishes where D is sure that a value is generated, no, or undecided.

    If it depends on a parameter, the values at which it saturates: ``where t = 0``. None if the generator reads no
    logit, or if D pushes generated data to neither end.
    """
    end = rejecting_end(variant)
    if end is None or not reads_logits(variant):
        return None
    slope = slope_at_infinity(variant, end)
    if slope is None:
        return "undecided"
    parameters = [p for p in variant.parameters if p.symbol in slope.free_symbols]
    if len(slope.free_symbols) != 1 or not parameters:
        # Logits of real data may remain, as in relativistic losses; then only slope = 0 is decidable.
        return "yes" if slope == 0 else "undecided" if slope.free_symbols else "no"
    (parameter,) = parameters
    zeros = sympy.solveset(slope, parameter.symbol, sympy.S.Reals)
    if not isinstance(zeros, sympy.FiniteSet | sympy.sets.sets.EmptySet):
        return "undecided"
    inside = [zero for zero in zeros if parameter.contains(float(zero))]
    return "where " + " or ".join(f"{parameter.name} = {text(zero)}" for zero in inside) if inside else "no"


def _optional(expression: Expr | None) -> str | None:
    return None if expression is None else text(expression)


def outline(variant: Variant) -> dict[str, Any]:
    """The part of ``describe`` for tables: name, family, losses, and the generator's slope at both ends and at 0."""
    return {
        "name": variant.name,
        "family": variant.family,
        "generator": generator_text(variant),
        "discriminator": discriminator_text(variant),
        "reads_logits": reads_logits(variant),
        "slope_at_minus_infinity": _optional(slope_at_infinity(variant, -sympy.oo)),
        "slope_at_plus_infinity": _optional(slope_at_infinity(variant, sympy.oo)),
        "slope_at_zero": _optional(slope_at_zero(variant)),
        "citation": variant.citation.short(),
    }


def describe(variant: Variant) -> dict[str, Any]:
    """One variant as a plain dictionary for JSON; expressions are text, undecided ones None."""
    laws = {"real": variant.labels.real, "fake": variant.labels.fake} if variant.labels else {}
    citation, direct = variant.citation, variant.direct
    return outline(variant) | {
        "generator_latex": generator_latex(variant),
        "discriminator_latex": discriminator_latex(variant),
        "direct": direct and {"text": direct.text, "latex": direct.formula},
        "generator_slope": generator_slope_text(variant),
        "generator_slope_latex": generator_slope_latex(variant),
        "saturates": saturates(variant),
        "swap_symmetric": swap_symmetric(variant),
        "title": citation.title,
        "identifier": citation.identifier,
        "where": citation.where,
        "checked": citation.checked,
        "bibtex": None if citation == UNPUBLISHED else citation.bibtex(),
        "parameters": [
            {
                "name": p.name,
                "default": p.default,
                "low": p.low,
                "high": p.high,
                "interval": p.interval,
                "meaning": p.meaning,
            }
            for p in variant.parameters
        ],
        "labels": {kind: {"mean": text(law.mean), "draw": text(law.draw)} for kind, law in laws.items()},
        "prediction": asdict(variant.prediction),
        "dirac": asdict(variant.dirac),
        "equilibrium_logit": _optional(variant.equilibrium_logit),
        "equivalences": [asdict(e) | {"params": dict(e.params)} for e in variant.equivalences],
        "needs": dict(variant.needs),
        "confused_with": variant.confused_with,
    }


def equilibrium_losses(variant: Variant, params: Mapping[str, float]) -> tuple[float, float] | None:
    """The expected losses of D and G at D's optimal logit for equal laws: 2 log 2 and log 2 for ``non_saturating``.

    None if that logit is not unique, or if G minimises a loss of its values directly.

    Raises:
        InputError: a parameter is unknown or out of range.
    """
    import torch

    bound = variant.bind(params)
    if variant.equilibrium_logit is None or variant.direct is not None:
        return None
    symbols = {p.symbol: bound[p.name] for p in variant.parameters}
    logit = torch.tensor([float(variant.equilibrium_logit.subs(symbols))], dtype=torch.float64)
    return (
        float(variant.discriminator_loss(logit, logit, **bound)),
        float(variant.generator_loss(logit, logit, **bound)),
    )
