"""Constraints on D and on the game that are not functions of a logit, and so not part of a loss formula.

``PENALTIES`` is the explicit list, in the order of the fields of Settings that switch them on (0: none). Each record
says what its number means; programs differ by factors of 2, so compare ``convention`` before copying a weight.

========================  ===========================  ====================================================
field                     what is added or bounded     where
========================  ===========================  ====================================================
instance_noise            x + sigma N(0, 1)            all that D reads (engines)
weight_clip               abs(theta_d) <= c            after each update of D (``clip_weights``)
spectral_norm             sigma(W) = bound             each layer of D (``SpectralNorm``)
r1, r2                    norm^2/2                     real; fake
zero_gp                   norm^2                       between real and fake (``segments``)
gp, one_sided_gp          (norm-1)^2, above 1 alone    between real and fake (``segments``)
dragan                    (norm-1)^2                   near real (``around``)
wgan_div                  norm^6/2                     real and fake
consensus                 abs(v)^2/2                   both players' gradients (engines)
========================  ===========================  ====================================================

``norm`` is the Euclidean norm of dD/dx for one decision over the numbers that it reads; penalties are means over
decisions, summed over sites. An engine adds them to D's gradient without differentiating a norm: with g = dD/dx built
by autograd, ``autograd.grad(g, parts, penalty.coefficient(norm) * g)`` is the gradient of the summed phi.

``penalty.py`` has the records, ``gradient.py`` the penalties on gradients and instance noise, ``weights.py`` the bounds
on weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from harness.losses.penalties.gradient import CONSENSUS, GRADIENT_PENALTIES, INSTANCE_NOISE, around, segments
from harness.losses.penalties.penalty import GradientPenalty, Penalty, Site
from harness.losses.penalties.weights import SPECTRAL_NORM, WEIGHT_CLIP, SpectralNorm, clip_weights

#: By the name of the field of Settings.
PENALTIES: Mapping[str, Penalty] = MappingProxyType(
    {p.name: p for p in (INSTANCE_NOISE, WEIGHT_CLIP, SPECTRAL_NORM, *GRADIENT_PENALTIES, CONSENSUS)}
)


def gradient_penalties(weights: Mapping[str, float]) -> tuple[GradientPenalty, ...]:
    """The gradient penalties with a weight above 0; ``weights`` holds any settings by their names."""
    return tuple(penalty for penalty in GRADIENT_PENALTIES if weights[penalty.name] > 0)


def sites_of(penalties: Iterable[GradientPenalty]) -> tuple[Site, ...]:
    """The sites of the penalties, in the order of ``Site``."""
    sites = {site for penalty in penalties for site in penalty.sites}
    return tuple(site for site in Site if site in sites)


__all__ = [
    "PENALTIES",
    "GradientPenalty",
    "Penalty",
    "Site",
    "SpectralNorm",
    "around",
    "clip_weights",
    "gradient_penalties",
    "segments",
    "sites_of",
]
