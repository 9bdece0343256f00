"""Options of a member's training step: members that differ in one are not stacked together.

An option that one member has and its neighbour has not would change the shapes, and so the rounding, of the neighbour's
arithmetic: a result would depend on the members beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.data.views import parse_view
from harness.losses import LOSSES
from harness.losses.penalties import GradientPenalty, Site, gradient_penalties, sites_of
from harness.members import Member


@dataclass(frozen=True)
class StepOptions:
    """Parts of a step besides the plain game of two losses; ``penalties`` are those on D's gradient."""

    labels: bool
    pairs: bool
    direct: bool
    replay: bool
    instance_noise: bool
    spectral_norm: bool
    consensus: bool
    penalties: tuple[GradientPenalty, ...]

    @classmethod
    def of(cls, member: Member) -> StepOptions:
        """Options that the member's variant and settings ask for."""
        variant, settings = LOSSES[member.loss], member.settings
        return cls(
            labels=variant.draws_labels,
            pairs=variant.generator_reads_real,
            direct=variant.direct is not None,
            replay=settings.replay > 0,
            instance_noise=settings.instance_noise > 0,
            spectral_norm=settings.spectral_norm > 0,
            consensus=settings.consensus > 0,
            penalties=gradient_penalties(settings.columns()),
        )

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Sites where D's gradient is penalised, in the order of ``Site``."""
        return sites_of(self.penalties)

    @property
    def weighs(self) -> bool:
        """True if some weight decays with ``penalty_decay``."""
        return self.consensus or bool(self.penalties)


def without_torch(member: Member) -> str | None:
    """Reason why only torch trains the member, for engines with kernels of their own; None if there is none."""
    options = StepOptions.of(member)
    if options.direct:
        return "its direct loss is a torch function"
    if options.consensus:
        return "consensus takes second derivatives of both networks, which the kernel has not"
    if parse_view(member.view).form is None:
        return f"the view {member.view} has no form that the kernel knows"
    return None
