"""What both players' losses read where the two laws agree: the numbers that a perfect run shows, and others too."""

from __future__ import annotations

from collections.abc import Mapping

from harness.losses.variant import Variant


def equilibrium_losses(variant: Variant, params: Mapping[str, float]) -> tuple[float, float] | None:
    """Loss of D and of G at D's optimal logit for equal laws, expected over random labels: 2 log 2 and log 2 for
    ``non_saturating``.

    None where that logit is not unique, or G has a loss that reads no logits.

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
