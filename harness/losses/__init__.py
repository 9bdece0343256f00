"""Every loss variant as a formula. ``LOSSES`` holds them by name; ``BUILT_IN`` below is the explicit list.

Adding one takes a few lines anywhere, for instance in a script::

    from harness.losses import Variant, fake, real, register, softplus

    register(Variant(name="heated", family="mine", discriminator=softplus(-real) + softplus(fake),
                     generator=softplus(-fake) / 2))

Losses are elementwise functions of logits: the caller reduces. Penalties on gradients are in ``losses/penalties/``; a
preset (``families/presets.py``) names those that a method needs. ``hinge|minimax`` is the discriminator of one variant
with the generator of another. ``import harness.losses`` loads SymPy; torch is loaded when a torch function is first
called.
"""

from __future__ import annotations

from typing import Any

from harness.losses.direct_loss import Direct
from harness.losses.families import (
    alpha,
    boundary_seeking,
    direct,
    f_divergence,
    flipped,
    geman_mcclure,
    hinge,
    least_squares,
    lk,
    presets,
    relativistic,
    script_exact,
    smoothing,
    softmax,
    vanilla,
    wasserstein,
)
from harness.losses.metadata import (
    OUTCOMES,
    Bernoulli,
    Citation,
    Dirac,
    Equivalence,
    Labels,
    Parameter,
    Prediction,
    Slopes,
    Uniform,
)
from harness.losses.primitives import (
    abs_power,
    deformed,
    fake,
    fake_mean,
    floor_at,
    floor_ratio,
    log1p,
    log_mean_exp,
    probability,
    real,
    real_mean,
    relu,
    sigmoid,
    signed_power,
    softplus,
    step,
    y_fake,
    y_real,
)
from harness.losses.registry import Registry, UnknownVariantError, catalogue_of
from harness.losses.variant import Variant

BUILT_IN: tuple[Variant, ...] = (
    *vanilla.VARIANTS,
    *flipped.VARIANTS,
    *smoothing.VARIANTS,
    *script_exact.VARIANTS,
    *least_squares.VARIANTS,
    *geman_mcclure.VARIANTS,
    *hinge.VARIANTS,
    *boundary_seeking.VARIANTS,
    *f_divergence.VARIANTS,
    *alpha.VARIANTS,
    *lk.VARIANTS,
    *wasserstein.VARIANTS,
    *relativistic.VARIANTS,
    *softmax.VARIANTS,
    *presets.VARIANTS,
    *direct.VARIANTS,
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
    "Dirac",
    "Direct",
    "Equivalence",
    "Labels",
    "Parameter",
    "Prediction",
    "Registry",
    "Slopes",
    "Uniform",
    "UnknownVariantError",
    "Variant",
    "abs_power",
    "catalogue",
    "deformed",
    "fake",
    "fake_mean",
    "floor_at",
    "floor_ratio",
    "log1p",
    "log_mean_exp",
    "parse_variant",
    "probability",
    "real",
    "real_mean",
    "register",
    "registered",
    "relu",
    "sigmoid",
    "signed_power",
    "softplus",
    "step",
    "variant_text",
    "y_fake",
    "y_real",
]
