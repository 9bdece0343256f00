"""Losses of many members at once: consecutive members of one variant are a block, with their parameters as columns."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from harness.losses import LOSSES, Variant
from harness.members import Member

Labels = tuple[Tensor, Tensor]


class VariantBlock:
    """Consecutive rows of one variant, with its parameters as columns (rows, 1)."""

    def __init__(self, rows: slice, members: Sequence[Member], device: str) -> None:
        self.rows = rows
        self.variant: Variant = LOSSES[members[0].loss]
        values = [dict(m.loss_params) for m in members]
        self.params = {
            name: torch.tensor([[v[name]] for v in values], dtype=torch.float32, device=device) for name in values[0]
        }

    def labels(self, u_PK: Tensor | None) -> Labels | None:
        """Random labels of D for real and generated decisions, where the variant has any."""
        if u_PK is None or not self.variant.draws_labels:
            return None
        u_real, u_fake = u_PK[self.rows].chunk(2, dim=1)
        return self.variant.draw_labels(u_real, u_fake, **self.params)


class VariantBlocks:
    """All rows of a stack as blocks; slopes come back for the whole stack."""

    def __init__(self, members: Sequence[Member], device: str) -> None:
        self.blocks: list[VariantBlock] = []
        start = 0
        for _, group in itertools.groupby(members, key=lambda m: m.loss):
            block = list(group)
            self.blocks.append(VariantBlock(slice(start, start + len(block)), block, device))
            start += len(block)

    def __iter__(self) -> Iterator[VariantBlock]:
        return iter(self.blocks)

    def discriminator_slopes(self, real_PK: Tensor, fake_PK: Tensor, u_PK: Tensor | None) -> Tensor:
        """Slopes of D's loss at its real and its fake logits, side by side (P, 2K); ``u_PK`` draws the labels."""
        slopes = [
            torch.cat(
                block.variant.discriminator_slopes(
                    real_PK[block.rows], fake_PK[block.rows], labels=block.labels(u_PK), **block.params
                ),
                dim=1,
            )
            for block in self.blocks
        ]
        return slopes[0] if len(slopes) == 1 else torch.cat(slopes)

    def generator_slopes(self, real_PK: Tensor | None, fake_PK: Tensor) -> Tensor:
        """Slopes of G's loss at the fake logits, (P, K)."""
        slopes = [
            block.variant.generator_slope(
                None if real_PK is None else real_PK[block.rows], fake_PK[block.rows], **block.params
            )
            for block in self.blocks
        ]
        return slopes[0] if len(slopes) == 1 else torch.cat(slopes)
