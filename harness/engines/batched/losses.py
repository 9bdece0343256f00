"""Rows of one variant within a stack: the registry's functions applied to each run of rows with its own parameters."""

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
        """The random labels of D for real and generated decisions, where the variant has any."""
        if u_PK is None or not self.variant.draws_labels:
            return None
        u_real, u_fake = u_PK[self.rows].chunk(2, dim=1)
        return self.variant.draw_labels(u_real, u_fake, **self.params)


class Runs:
    """All rows of a stack as runs; slopes come back for the whole stack."""

    def __init__(self, members: Sequence[Member], device: str) -> None:
        self.runs: list[VariantBlock] = []
        start = 0
        for _, some in itertools.groupby(members, key=lambda m: m.loss):
            run = list(some)
            self.runs.append(VariantBlock(slice(start, start + len(run)), run, device))
            start += len(run)

    def __iter__(self) -> Iterator[VariantBlock]:
        return iter(self.runs)

    def discriminator_slopes(self, real_PK: Tensor, fake_PK: Tensor, u_PK: Tensor | None) -> Tensor:
        """Slopes of D's loss at its real and its fake logits, side by side (P, 2K); ``u_PK`` draws the labels."""
        found = [
            torch.cat(
                run.variant.discriminator_slopes(
                    real_PK[run.rows], fake_PK[run.rows], labels=run.labels(u_PK), **run.params
                ),
                dim=1,
            )
            for run in self.runs
        ]
        return found[0] if len(found) == 1 else torch.cat(found)

    def generator_slopes(self, real_PK: Tensor | None, fake_PK: Tensor) -> Tensor:
        """Slopes of G's loss at the fake logits, (P, K)."""
        found = [
            run.variant.generator_slope(None if real_PK is None else real_PK[run.rows], fake_PK[run.rows], **run.params)
            for run in self.runs
        ]
        return found[0] if len(found) == 1 else torch.cat(found)
