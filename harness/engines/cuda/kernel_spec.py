"""What a kernel is compiled for: everything of a group that changes its code, as one hashable record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.data.mlp import Mlp
from harness.data.views import Form
from harness.engines.cuda.tiling import Rows
from harness.engines.step_options import StepOptions
from harness.losses import LOSSES, Variant
from harness.losses.backends.c_source import runs_through_statistics, statistics_of
from harness.losses.penalties import Site
from harness.members import Group, Member

#: A gradient of at most this many rows is never stored: a thread works an entry out where it is needed.
MOST_OUTER_ROWS = 8

#: Decisions that a penalty is worked out for at once.
_MOST_PENALISED = 64


def kind_of(member: Member) -> StepOptions:
    """What members must share to be trained by one kernel; labels are drawn for those that have any."""
    return replace(StepOptions.of(member), labels=False)


@dataclass(frozen=True)
class Plan:
    """The networks, the view, the steps and the features of members that one kernel trains.

    ``variants`` are those that occur, whose slopes are compiled in. ``averages``: some member has a running average.
    """

    batch: int
    latent: int
    generator: Mlp
    discriminator: Mlp
    form: Form
    decisions: int
    inputs: int
    optimizer: str
    order: str
    features: StepOptions
    variants: tuple[Variant, ...]
    averages: bool

    @classmethod
    def of(cls, group: Group, members: Sequence[Member]) -> Plan:
        """The plan of some members of a group, alike in ``kind_of``; their view has a form.

        Raises:
            ValueError: the view has no form.
        """
        shape, view = group.shape, group.view
        if view.form is None:
            raise ValueError(f"view {view.name} has no form")
        names = sorted({m.loss for m in members})
        return cls(
            batch=shape.batch,
            latent=shape.latent,
            generator=group.generator,
            discriminator=group.discriminator,
            form=view.form,
            decisions=view.decisions(shape.batch),
            inputs=view.inputs(shape.batch),
            optimizer=shape.optimizer,
            order=shape.order,
            features=kind_of(members[0]),
            variants=tuple(LOSSES[name] for name in names),
            averages=any(m.settings.ema > 0 for m in members),
        )

    # -- rows that go through a network together ------------------------------------------------------------------

    @property
    def values(self) -> Rows:
        """The rows of G: a minibatch of noise."""
        return Rows(self.batch)

    @property
    def judged(self) -> Rows:
        """The rows of D in its own update: real decisions, then generated ones."""
        return Rows(2 * self.decisions)

    @property
    def made(self) -> Rows:
        """The rows of D in G's update: generated decisions, after the real ones where the loss reads them."""
        return Rows(self.decisions * (2 if self.features.pairs else 1))

    @property
    def penalised(self) -> Rows:
        """The rows of D that a penalty looks at together: some of the decisions of one site."""
        portions = -(-self.decisions // _MOST_PENALISED)
        return Rows(-(-self.decisions // portions))

    # -- what the code depends on ---------------------------------------------------------------------------------

    @property
    def outer(self) -> bool:
        """Whether D's gradient is the sum of few outer products and nothing else, and so never stored."""
        return self.judged.count <= MOST_OUTER_ROWS and not self.features.penalties and not self.features.spectral_norm

    @property
    def sites(self) -> tuple[Site, ...]:
        return self.features.sites

    @property
    def labels(self) -> bool:
        return any(v.draws_labels for v in self.variants)

    @property
    def statistics(self) -> bool:
        """Whether some variant reads a statistic of all logits."""
        return any(statistics_of(v) for v in self.variants)

    @property
    def through_statistics(self) -> bool:
        return any(runs_through_statistics(v) for v in self.variants)

    @property
    def both_at_once(self) -> bool:
        """Whether both players' gradients are known before either moves."""
        return self.order != "alternating"
