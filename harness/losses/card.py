"""The card of one variant: its description at given values of its parameters, with the identities that concern it.

Identities that other variants declare are listed as well, so an identity is found from either side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import sympy
from sympy import Expr

from harness.losses.describe import describe
from harness.losses.metadata import NO_DIRAC, LabelDistribution, Labels, Slopes
from harness.losses.registry import Registry
from harness.losses.variant import Variant

_RELATIONS = {"same": "trains as", "negated": "with every logit negated, trains as"}


def card(variant: Variant, registry: Registry, values: Mapping[str, float] | None = None) -> dict[str, Any]:
    """One variant as a plain dictionary (``describe.describe``), with identities from both sides.

    With ``values`` (all its parameters) formulas and proofs are for those values: the card has no parameters left, and
    predictions are withheld away from the defaults, for which they were made. Each of ``equivalences``
    has "other", "params" (of this variant, for which it holds), "relation", "settings" and "why".

    Raises:
        InputError: an identity names an unknown variant, or a parameter that it does not have.
    """
    shown = variant if values is None else bound(variant, values, registry.text(variant.name, values))
    facts = describe(shown)
    facts["equivalences"] = [
        # At given values no parameters are left for which it could hold.
        {
            "other": other,
            "params": {} if values else params,
            "relation": e.relation,
            "settings": e.settings,
            "why": e.why,
        }
        for other, params, e in _identities(variant, registry)
        if values is None or variant.bind(params) == dict(values)
    ]
    return facts


def identity_text(identity: Mapping[str, Any]) -> str:
    """One of a card's ``equivalences`` as text: ``at t = 1: trains as non_saturating (why)``."""
    values = ", ".join(f"{name} = {value:g}" for name, value in identity["params"].items())
    at = f"at {values}: " if values else ""
    settings = "" if identity["settings"] else ", once both are trained with the same settings"
    why = identity["why"].removesuffix(".")
    return f"{at}{_RELATIONS[identity['relation']]} {identity['other']}{settings} ({why})"


def setting_text(key: str, value: float | str) -> str:
    """A needed training setting as an assignment: ``d_steps = 5``, ``order = simultaneous``."""
    return f"{key} = {value}" if isinstance(value, str) else f"{key} = {value:g}"


def bound(variant: Variant, values: Mapping[str, float], name: str) -> Variant:
    """The variant called ``name`` that this one is at ``values``, without parameters of its own.

    A value enters as the exact fraction of its decimal digits. Away from the defaults, for which predictions were made,
    the predicted outcomes are "unknown".
    """
    exact = {p.symbol: sympy.nsimplify(values[p.name], rational=True) for p in variant.parameters}

    def at(expression: Expr) -> Expr:
        return sympy.sympify(expression).subs(exact)

    def law_at(law: LabelDistribution) -> Any:
        record: Any = law
        return type(record)(*(at(getattr(record, f.name)) for f in dataclasses.fields(record)))

    at_defaults = dict(values) == variant.bind({})
    labels, slopes = variant.labels, variant.slopes
    return dataclasses.replace(
        variant,
        name=name,
        discriminator=at(variant.discriminator),
        generator=at(variant.generator),
        parameters=(),
        equilibrium_logit=None if variant.equilibrium_logit is None else at(variant.equilibrium_logit),
        labels=labels and Labels(law_at(labels.real), law_at(labels.fake)),
        slopes=slopes and Slopes(at(slopes.real), at(slopes.fake), at(slopes.generator)),
        prediction=variant.prediction if at_defaults else dataclasses.replace(variant.prediction, outcome="unknown"),
        dirac=variant.dirac if at_defaults else NO_DIRAC,
        equivalences=(),
    )


def _identities(variant: Variant, registry: Registry) -> Iterator[tuple[str, dict[str, float], Any]]:
    """Identities as (other's text, this variant's parameters, declaration): first its own, then those of others."""
    for identity in variant.equivalences:
        yield identity.other, dict(identity.params), identity
    for declaring in registry.values():
        for identity in declaring.equivalences:
            named, params = registry.parse(identity.other)
            if named.name == variant.name and declaring.name != variant.name:
                yield registry.text(declaring.name, dict(identity.params)), params, identity
