"""The variants that the page shows side by side, and the label of a variant on the dial from False to True."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch

from harness.losses import LOSSES, parse_variant

#: Left to right: the key of each in the language files, and its variant as an experiment file names it.
CAST: Mapping[str, str] = MappingProxyType(
    {
        "true": "non_saturating",
        "half": "generator_label(t=0.5)",
        "false": "flipped_labels",
        "minimax": "minimax",
        "swapped": "flipped_convention",
    }
)

#: Logits at which slopes are compared, and how far apart equal ones may lie in float64.
_LOGITS, _EQUAL = torch.linspace(-8, 8, 33, dtype=torch.float64), 1e-12


def label_of(loss: str) -> float | None:
    """The label t in [0, 1] that a variant trains the generator towards; None where it is not on the dial.

    By its formulas: D's loss is label True's, and the generator's slope is sigmoid(l) - t at every logit l.
    """
    name, params = _parsed(loss)
    if LOSSES[name].discriminator != LOSSES["non_saturating"].discriminator or LOSSES[name].generator_reads_real:
        return None
    t = _LOGITS.sigmoid() - LOSSES[name].generator_slope(None, _LOGITS, **params)
    label = float(t.mean())
    constant = float((t - label).abs().max()) < _EQUAL
    return round(label, 12) + 0.0 if constant and -_EQUAL < label < 1 + _EQUAL else None


def slopes_of(loss: str, logits: torch.Tensor) -> torch.Tensor:
    """The generator's slope dL/dl at these logits (L,), by the registry; nan where it reads real data as well."""
    name, params = _parsed(loss)
    if LOSSES[name].generator_reads_real:
        return torch.full_like(logits, torch.nan)
    return LOSSES[name].generator_slope(None, logits, **params)


def _parsed(loss: str) -> tuple[str, dict[str, float]]:
    variant, params = parse_variant(loss)
    return variant.name, dict(params)
