"""Every loss variant as a formula. ``LOSSES`` holds them by name; ``BUILT_IN`` below is the explicit list.

Adding one takes a few lines anywhere, for instance in a script::

    from harness.losses import Variant, fake, real, register, softplus

    register(Variant(name="heated", family="mine", discriminator=softplus(-real) + softplus(fake),
                     generator=softplus(-fake) / 2))

Losses are elementwise functions of logits: the caller reduces. Penalties on gradients are not here.
``import harness.losses`` loads SymPy; torch is loaded when a torch function is first called.
"""

from __future__ import annotations

from typing import Any

from harness.losses import hinge, least_squares, seed_exact, vanilla, wasserstein
from harness.losses.formula import Variant
from harness.losses.metadata import OUTCOMES, Bernoulli, Citation, Labels, Parameter, Prediction, Slopes
from harness.losses.primitives import (
    fake,
    fake_mean,
    floor_at,
    floor_ratio,
    log1p,
    probability,
    real,
    real_mean,
    relu,
    sigmoid,
    softplus,
    step,
    y_fake,
    y_real,
)
from harness.losses.registry import Registry, UnknownVariantError, catalogue_of

BUILT_IN: tuple[Variant, ...] = (
    *vanilla.VARIANTS,
    *seed_exact.VARIANTS,
    *least_squares.VARIANTS,
    *hinge.VARIANTS,
    *wasserstein.VARIANTS,
)

LOSSES = Registry(BUILT_IN)
register = LOSSES.register
registered = LOSSES.registered
parse_variant = LOSSES.parse
variant_text = LOSSES.text


def catalogue() -> list[dict[str, Any]]:
    """Every registered variant as a plain dictionary that JSON can hold, for tables and documents."""
    return catalogue_of(LOSSES)


__all__ = [
    "BUILT_IN",
    "LOSSES",
    "OUTCOMES",
    "Bernoulli",
    "Citation",
    "Labels",
    "Parameter",
    "Prediction",
    "Registry",
    "Slopes",
    "UnknownVariantError",
    "Variant",
    "catalogue",
    "fake",
    "fake_mean",
    "floor_at",
    "floor_ratio",
    "log1p",
    "parse_variant",
    "probability",
    "real",
    "real_mean",
    "register",
    "registered",
    "relu",
    "sigmoid",
    "softplus",
    "step",
    "variant_text",
    "y_fake",
    "y_real",
]
