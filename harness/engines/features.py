"""Which parts of a training step a member has: members that differ in one are not stacked together.

A part that one member has and its neighbour has not would change the shapes, and so the rounding, of the neighbour's
arithmetic: a result would depend on company.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.losses import LOSSES
from harness.penalties import PENALTIES, GradientPenalty, Site
from harness.population import Member


@dataclass(frozen=True)
class Features:
    """What a member's step does besides the plain game of two losses; ``penalties`` are gradient penalties by name."""

    labels: bool
    pairs: bool
    direct: bool
    replay: bool
    instance_noise: bool
    spectral_norm: bool
    consensus: bool
    penalties: tuple[str, ...]

    @classmethod
    def of(cls, member: Member) -> Features:
        """The features that the member's variant and settings ask for."""
        variant, settings = LOSSES[member.loss], member.settings
        return cls(
            labels=variant.draws_labels,
            pairs=variant.generator_reads_real,
            direct=variant.direct is not None,
            replay=settings.replay > 0,
            instance_noise=settings.instance_noise > 0,
            spectral_norm=settings.spectral_norm > 0,
            consensus=settings.consensus > 0,
            penalties=tuple(
                name
                for name, penalty in PENALTIES.items()
                if isinstance(penalty, GradientPenalty) and getattr(settings, name) > 0
            ),
        )

    @property
    def gradient_penalties(self) -> dict[str, GradientPenalty]:
        """The gradient penalties by name."""
        found = ((name, PENALTIES[name]) for name in self.penalties)
        return {name: penalty for name, penalty in found if isinstance(penalty, GradientPenalty)}

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where D's gradient is penalised, in the order of ``Site``."""
        asked = {site for penalty in self.gradient_penalties.values() for site in penalty.sites}
        return tuple(site for site in Site if site in asked)

    @property
    def weighs(self) -> bool:
        """Whether some weight decays with ``penalty_decay``."""
        return self.consensus or bool(self.penalties)
