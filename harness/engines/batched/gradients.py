"""The gradients of both players of a stack: losses through their slopes, penalties through D's slope in its input.

For a penalty phi(|g|) of g = dD/dx the derivative in D's parameters is that of g in the direction phi'(|g|)/|g| g, so
one backward pass through the logits and through g gives the whole gradient of D (docs/decisions/0003).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.engines.base import target_quantiles
from harness.engines.batched.consensus import consensus_gradient
from harness.engines.batched.inputs import noisy
from harness.losses.direct_loss import TargetQuantiles
from harness.losses.penalties import GradientPenalty, Site, around, segments

if TYPE_CHECKING:
    from harness.engines.batched.step import Stack


class DiscriminatorGradient:
    """Works out D's gradient, and keeps what D read and said for the generator's turn and for snapshots."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.features = stack, stack.features
        self.penalties: list[tuple[GradientPenalty, Tensor]] = [
            (penalty, stack.as_column(stack.column[penalty.name])) for penalty in self.features.penalties
        ]
        self.consensus_P1 = stack.as_column(stack.column["consensus"])
        self.norm_PK: dict[Site, Tensor] = {}

    def work_out(self, j: int) -> None:
        """Fill D's gradient for its j-th update of the current step."""
        stack, take, per_step = self.stack, self.stack.feed.take, self.stack.d.per_step
        if stack.d.normaliser is not None:
            stack.d.normaliser.iterate(stack.d.parts)
        self.real_PB, self.real_PKN = take("real", per_step, j), take("real_features", per_step, j)
        z_PBZ = take("z_d", per_step, j)
        self.fake_PB = stack.g.forward(z_PBZ)
        noise_PB = take("noise_fake", per_step, j) if self.features.instance_noise else None
        fake_PKN = stack.group.view.features(noisy(self._replayed(j), noise_PB))
        self.label_draws_PK = take("labels", per_step, j) if self.features.labels else None
        sites = self._sites(fake_PKN, j)
        with torch.enable_grad():
            read_PKN = torch.cat([self.real_PKN, fake_PKN, *sites], dim=1)
            if self.penalties:
                read_PKN.requires_grad_()
            logits_PK = stack.d.forward(read_PKN)
        decisions = self.real_PKN.shape[1]
        self.logits_PK = logits_PK.detach()[:, : 2 * decisions]
        real_PK, judged_PK = self.logits_PK.chunk(2, dim=1)
        slopes_PK = stack.runs.discriminator_slopes(real_PK, judged_PK, self.label_draws_PK) / decisions
        more = None
        if self.features.consensus:
            weight_P1 = self.consensus_P1 * take("penalty_share_d", per_step, j)
            more = consensus_gradient(stack, stack.d, self, z_PBZ, noise_PB, weight_P1)
        if self.penalties:
            share_P1 = take("penalty_share_d", per_step, j)
            unused_PK = slopes_PK.new_zeros(len(slopes_PK), logits_PK.shape[1] - 2 * decisions)
            slope_PKN, pull_PKN = self._pull(logits_PK, read_PKN, decisions, share_P1)
            outputs, slopes = [logits_PK, slope_PKN], [torch.cat([slopes_PK, unused_PK], dim=1), pull_PKN]
            stack.d.differentiate(outputs, slopes, more)
        else:
            stack.d.differentiate([logits_PK], [slopes_PK], more)

    def _replayed(self, j: int) -> Tensor:
        """The generated values that D reads: some of them old, where members replay; the new ones are remembered."""
        if not self.features.replay:
            return self.fake_PB
        take, per_step, history_HPB = self.stack.feed.take, self.stack.d.per_step, self.stack.history_HPB
        old_PB = history_HPB.gather(0, take("replay_slot", per_step, j).unsqueeze(0)).squeeze(0)
        mixed_PB = torch.where(take("replay_old", per_step, j), old_PB, self.fake_PB)
        history_HPB.index_copy_(0, take("replay_keep", per_step, j), self.fake_PB.unsqueeze(0))
        return mixed_PB

    def _sites(self, fake_PKN: Tensor, j: int) -> list[Tensor]:
        """Where D is judged by its slope alone, besides on real and generated data."""
        take, per_step, found = self.stack.feed.take, self.stack.d.per_step, []
        if Site.SEGMENT in self.features.sites:
            found.append(segments(self.real_PKN, fake_PKN, take("segment", per_step, j)))
        if Site.AROUND in self.features.sites:
            found.append(around(self.real_PKN, take("around", per_step, j)))
        return found

    def _pull(self, logits_PK: Tensor, read_PKN: Tensor, decisions: int, share_P1: Tensor) -> tuple[Tensor, Tensor]:
        """D's slope in what it read, and the direction in which the penalties want its derivative."""
        with torch.enable_grad():
            ones_PK = torch.ones_like(logits_PK)
            (slope_PKN,) = torch.autograd.grad(logits_PK, read_PKN, ones_PK, create_graph=True)
        known_PKN = slope_PKN.detach()
        norm_PK = torch.linalg.vector_norm(known_PKN, dim=2)
        read = (Site.REAL, Site.FAKE, *(s for s in (Site.SEGMENT, Site.AROUND) if s in self.features.sites))
        self.norm_PK = dict(zip(read, norm_PK.split(decisions, dim=1), strict=True))
        pulls = {site: torch.zeros_like(norm) for site, norm in self.norm_PK.items()}
        for penalty, weight_P1 in self.penalties:
            for site in penalty.sites:
                pulls[site] = pulls[site] + weight_P1 * share_P1 / decisions * penalty.pull(self.norm_PK[site])
        self.share_P1 = share_P1
        return slope_PKN, torch.cat([pulls[site] for site in read], dim=1).unsqueeze(2) * known_PKN


class GeneratorGradient:
    """Works out G's gradient against the discriminator as it stands."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.features = stack, stack.features
        self.consensus_P1 = stack.as_column(stack.column["consensus"])
        self.logits_real_PK: Tensor | None = None
        self.direct_P: Tensor | None = None
        runs = stack.runs if self.features.direct else ()
        self.directs = [(run.rows, run.variant.direct) for run in runs if run.variant.direct is not None]
        if self.features.direct:
            truth = target_quantiles(stack.group)
            self.truth = TargetQuantiles(
                *(t.to(stack.device, torch.float32) for t in (truth.quantiles_B, truth.table_N))
            )

    def work_out(self, j: int) -> None:
        """Fill G's gradient for its j-th update of the current step."""
        stack, take, per_step = self.stack, self.stack.feed.take, self.stack.g.per_step
        real_PKN = stack.d_gradient.real_PKN
        z_PBZ = take("z_g", per_step, j)
        noise_PB = take("noise_g", per_step, j) if self.features.instance_noise else None
        with torch.enable_grad():
            fake_PB = stack.g.forward(z_PBZ)
            read_PKN = stack.group.view.features(noisy(fake_PB, noise_PB))
            logits_PK = stack.d.forward(torch.cat([real_PKN, read_PKN], dim=1) if self.features.pairs else read_PKN)
        known_PK = logits_PK.detach()
        self.logits_real_PK, self.logits_fake_PK = known_PK.chunk(2, dim=1) if self.features.pairs else (None, known_PK)
        slopes_PK = stack.runs.generator_slopes(self.logits_real_PK, self.logits_fake_PK) / self.logits_fake_PK.shape[1]
        if self.features.pairs:
            slopes_PK = torch.cat([torch.zeros_like(slopes_PK), slopes_PK], dim=1)
        more = None
        if self.features.consensus:
            weight_P1 = self.consensus_P1 * take("penalty_share_g", per_step, j)
            more = consensus_gradient(stack, stack.g, stack.d_gradient, z_PBZ, noise_PB, weight_P1)
        if self.features.direct:
            stack.g.differentiate([logits_PK, fake_PB], [slopes_PK, self._direct(fake_PB)], more)
        else:
            stack.g.differentiate([logits_PK], [slopes_PK], more)

    def _direct(self, fake_PB: Tensor) -> Tensor:
        """The slopes of the losses that read generated values themselves; keeps the losses."""
        real_PB = self.stack.d_gradient.real_PB
        found = [direct.slopes(fake_PB[rows], real_PB[rows], self.truth) for rows, direct in self.directs]
        losses, slopes = zip(*found, strict=True)
        self.direct_P = torch.cat(losses)
        return torch.cat(slopes)
