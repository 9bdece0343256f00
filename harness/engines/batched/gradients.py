"""Gradients of both players of a stack: losses through their slopes, penalties through D's slope in its input.

For a penalty phi(|g|) of g = dD/dx the derivative in D's parameters is that of g in the direction phi'(|g|)/|g| g, so
one backward pass through the logits and through g gives the whole gradient of D (docs/decisions/0003).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from harness.data.views import View
from harness.engines.base import target_quantiles
from harness.engines.batched.inputs import column, noisy, setting_columns
from harness.engines.batched.player import Player, Players
from harness.engines.losses import VariantBlocks
from harness.engines.step_options import StepOptions
from harness.losses.direct_loss import Direct, TargetQuantiles
from harness.losses.penalties import GradientPenalty, Site, around, segments
from harness.members import Group, Member

#: Numbers prepared for one update (inputs.py), by name.
Inputs = Callable[[str], Tensor]


@dataclass(frozen=True)
class Objectives:
    """Losses and penalties that the players of a stack minimise, with the weights of each member.

    ``directs`` are the direct losses of blocks of rows, ``quantiles`` what those may know of the target.
    """

    options: StepOptions
    view: View
    blocks: VariantBlocks
    penalties: Sequence[tuple[GradientPenalty, Tensor]]
    consensus_P1: Tensor
    directs: Sequence[tuple[slice, Direct]]
    quantiles: TargetQuantiles | None

    @classmethod
    def of(cls, group: Group, members: Sequence[Member], device: str) -> Objectives:
        """Objectives of members of one group and of equal options."""
        options, settings = StepOptions.of(members[0]), setting_columns(members)
        blocks, quantiles = VariantBlocks(members, device), None
        if options.direct:
            truth = target_quantiles(group)
            quantiles = TargetQuantiles(*(t.to(device, torch.float32) for t in (truth.quantiles_B, truth.table_N)))
        return cls(
            options=options,
            view=group.view,
            blocks=blocks,
            penalties=[(penalty, column(settings[penalty.name], device)) for penalty in options.penalties],
            consensus_P1=column(settings["consensus"], device),
            directs=[(block.rows, block.variant.direct) for block in blocks if block.variant.direct is not None],
            quantiles=quantiles,
        )


@dataclass(frozen=True)
class Judged:
    """Inputs and decisions of D in an update, for the generator's turn and for snapshots.

    ``real_PKN`` are its inputs of real data, ``fake_PB`` the generated values before replay and noise,
    ``logits_PK`` the decisions on real and on generated data, side by side. Where its gradient is penalised,
    ``norm_PK`` holds the norms of dD/dx, and ``share_P1`` what is left of the penalties' weights.
    """

    real_PB: Tensor
    real_PKN: Tensor
    fake_PB: Tensor
    logits_PK: Tensor
    label_draws_PK: Tensor | None
    norm_PK: Mapping[Site, Tensor] = field(default_factory=dict)
    share_P1: Tensor | float = 1.0


@dataclass(frozen=True)
class Generated:
    """Decisions of D on the values of G's update, and their direct losses, for snapshots.

    ``logits_real_PK`` are those on real data, where G's loss reads them.
    """

    logits_real_PK: Tensor | None
    logits_fake_PK: Tensor
    direct_P: Tensor | None


def discriminator_gradient(players: Players, inputs: Inputs, objectives: Objectives, history_HPB: Tensor) -> Judged:
    """Fill D's gradient for one update."""
    g, d = players
    options, view = objectives.options, objectives.view
    if d.normaliser is not None:
        d.normaliser.iterate(d.parts)
    real_PKN = inputs("real_features")
    fake_PB = g.forward(inputs("z_d"))
    seen_PB = _replayed(fake_PB, inputs, history_HPB) if options.replay else fake_PB
    fake_PKN = view.features(noisy(seen_PB, inputs("noise_d") if options.instance_noise else None))
    with torch.enable_grad():
        read_PKN = torch.cat([real_PKN, fake_PKN, *_sites(real_PKN, fake_PKN, inputs, options)], dim=1)
        if objectives.penalties:
            read_PKN.requires_grad_()
        logits_PK = d.forward(read_PKN)
    decisions = real_PKN.shape[1]
    judged = Judged(
        real_PB=inputs("real"),
        real_PKN=real_PKN,
        fake_PB=fake_PB,
        logits_PK=logits_PK.detach()[:, : 2 * decisions],
        label_draws_PK=inputs("labels") if options.labels else None,
    )
    real_PK, fake_PK = judged.logits_PK.chunk(2, dim=1)
    slopes_PK = objectives.blocks.discriminator_slopes(real_PK, fake_PK, judged.label_draws_PK) / decisions
    extra = consensus_gradient(d, players, inputs, judged, objectives) if options.consensus else None
    if not objectives.penalties:
        d.differentiate([logits_PK], [slopes_PK], extra)
        return judged
    share_P1 = inputs("penalty_share_d")
    with torch.enable_grad():
        (slope_PKN,) = torch.autograd.grad(logits_PK, read_PKN, torch.ones_like(logits_PK), create_graph=True)
    norm_PK = _norms(slope_PKN.detach(), decisions, options)
    pull_PKN = _pull(slope_PKN.detach(), norm_PK, objectives, share_P1)
    unused_PK = slopes_PK.new_zeros(len(slopes_PK), logits_PK.shape[1] - 2 * decisions)
    d.differentiate([logits_PK, slope_PKN], [torch.cat([slopes_PK, unused_PK], dim=1), pull_PKN], extra)
    return replace(judged, norm_PK=norm_PK, share_P1=share_P1)


def generator_gradient(players: Players, inputs: Inputs, judged: Judged, objectives: Objectives) -> Generated:
    """Fill G's gradient for one update, against the discriminator as it stands."""
    g, d = players
    options = objectives.options
    noise_PB = inputs("noise_g") if options.instance_noise else None
    with torch.enable_grad():
        fake_PB = g.forward(inputs("z_g"))
        read_PKN = objectives.view.features(noisy(fake_PB, noise_PB))
        logits_PK = d.forward(torch.cat([judged.real_PKN, read_PKN], dim=1) if options.pairs else read_PKN)
    known_PK = logits_PK.detach()
    real_PK, fake_PK = known_PK.chunk(2, dim=1) if options.pairs else (None, known_PK)
    slopes_PK = objectives.blocks.generator_slopes(real_PK, fake_PK) / fake_PK.shape[1]
    if options.pairs:
        slopes_PK = torch.cat([torch.zeros_like(slopes_PK), slopes_PK], dim=1)
    extra = consensus_gradient(g, players, inputs, judged, objectives) if options.consensus else None
    if objectives.quantiles is None:
        g.differentiate([logits_PK], [slopes_PK], extra)
        return Generated(real_PK, fake_PK, None)
    quantiles = objectives.quantiles
    direct = [loss.slopes(fake_PB[rows], judged.real_PB[rows], quantiles) for rows, loss in objectives.directs]
    losses, direct_slopes = zip(*direct, strict=True)
    g.differentiate([logits_PK, fake_PB], [slopes_PK, torch.cat(direct_slopes)], extra)
    return Generated(real_PK, fake_PK, torch.cat(losses))


def consensus_gradient(
    player: Player, players: Players, inputs: Inputs, judged: Judged, objectives: Objectives
) -> list[Tensor]:
    """Gradient of weight * |v|^2/2 in the parameters of ``player``, part by part.

    v = (dL_D/d theta_D, dL_G/d theta_G) is the gradient field of the game, on D's real data and on G's values from the
    noise of this update. The losses are the variants' alone: no penalty, no direct loss. Slopes stay differentiable
    functions of the logits here, so the second derivatives are autograd's.

    Source: Mescheder, Nowozin, Geiger 2017 (arXiv:1705.10461), eq. 7 and section 4.
    """
    g, d = players
    name = player.letter.lower()
    weight_P1 = objectives.consensus_P1 * inputs(f"penalty_share_{name}")
    noise_PB = inputs(f"noise_{name}") if objectives.options.instance_noise else None
    with torch.enable_grad():
        fake_PKN = objectives.view.features(noisy(g.forward(inputs(f"z_{name}")), noise_PB))
        logits_PK = d.forward(torch.cat([judged.real_PKN, fake_PKN], dim=1))
        real_PK, fake_PK = logits_PK.chunk(2, dim=1)
        decisions = fake_PK.shape[1]
        slopes_d_PK = objectives.blocks.discriminator_slopes(real_PK, fake_PK, judged.label_draws_PK) / decisions
        slopes_g_PK = objectives.blocks.generator_slopes(real_PK, fake_PK) / decisions
        field_d = torch.autograd.grad(logits_PK, d.parts, slopes_d_PK, create_graph=True)
        field_g = torch.autograd.grad(fake_PK, g.parts, slopes_g_PK, create_graph=True)
        # What is constant, as a bias behind constant slopes, has nothing to differentiate.
        field = [part for part in (*field_d, *field_g) if part.requires_grad]
        weighted = [weight_P1.unsqueeze(2) * part.detach() for part in field]
    gradients = torch.autograd.grad(field, player.parts, weighted, allow_unused=True)
    return [torch.zeros_like(part) if g is None else g for g, part in zip(gradients, player.parts, strict=True)]


def _replayed(fake_PB: Tensor, inputs: Inputs, history_HPB: Tensor) -> Tensor:
    """Generated values, some of them replaced by old ones of the replay buffer, where the new ones are kept."""
    old_PB = history_HPB.gather(0, inputs("replay_slot").unsqueeze(0)).squeeze(0)
    mixed_PB = torch.where(inputs("replay_old"), old_PB, fake_PB)
    history_HPB.index_copy_(0, inputs("replay_keep"), fake_PB.unsqueeze(0))
    return mixed_PB


def _sites(real_PKN: Tensor, fake_PKN: Tensor, inputs: Inputs, options: StepOptions) -> list[Tensor]:
    """Points where D's slope alone is judged, besides real and generated data."""
    points: list[Tensor] = []
    if Site.SEGMENT in options.sites:
        points.append(segments(real_PKN, fake_PKN, inputs("segment")))
    if Site.AROUND in options.sites:
        points.append(around(real_PKN, inputs("around")))
    return points


def _norms(slope_PKN: Tensor, decisions: int, options: StepOptions) -> dict[Site, Tensor]:
    """Norms (P, K) of D's slopes in what it read, by site."""
    sites = (Site.REAL, Site.FAKE, *(s for s in (Site.SEGMENT, Site.AROUND) if s in options.sites))
    norm_PK = torch.linalg.vector_norm(slope_PKN, dim=2)
    return dict(zip(sites, norm_PK.split(decisions, dim=1), strict=True))


def _pull(slope_PKN: Tensor, norm_PK: Mapping[Site, Tensor], objectives: Objectives, share_P1: Tensor) -> Tensor:
    """Direction in which the penalties want the derivative of D's slopes: sum of weight * phi'(|g|)/|g| g."""
    pulls = {site: torch.zeros_like(norm) for site, norm in norm_PK.items()}
    for penalty, weight_P1 in objectives.penalties:
        for site in penalty.sites:
            decisions = norm_PK[site].shape[1]
            pulls[site] = pulls[site] + weight_P1 * share_P1 / decisions * penalty.coefficient(norm_PK[site])
    return torch.cat(list(pulls.values()), dim=1).unsqueeze(2) * slope_PKN
