"""Specification of a kernel: everything of a group that changes its code, as one hashable record."""

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

#: A gradient of at most this many rows is never stored: a thread computes an entry where it is needed.
MAX_FACTORED_ROWS = 8

#: Decisions for which penalties are computed at once.
_MAX_PENALTY_ROWS = 64


def kernel_options(member: Member) -> StepOptions:
    """Options that members of one kernel share; labels are drawn for those that have any."""
    return replace(StepOptions.of(member), labels=False)


@dataclass(frozen=True)
class KernelSpec:
    """Networks, view, steps and options of members that one kernel trains.

    ``variants`` are those that occur, whose slopes are compiled in. ``has_average``: some member has a running average.
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
    options: StepOptions
    variants: tuple[Variant, ...]
    has_average: bool

    @classmethod
    def of(cls, group: Group, members: Sequence[Member]) -> KernelSpec:
        """Spec of some members of a group, alike in ``kernel_options``.

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
            options=kernel_options(members[0]),
            variants=tuple(LOSSES[name] for name in names),
            has_average=any(m.settings.ema > 0 for m in members),
        )

    # -- rows that go through a network together ------------------------------------------------------------------

    @property
    def rows_g(self) -> Rows:
        """Rows of G: a minibatch of noise."""
        return Rows(self.batch)

    @property
    def rows_d(self) -> Rows:
        """Rows of D in its own update: real decisions, then generated ones."""
        return Rows(2 * self.decisions)

    @property
    def rows_dg(self) -> Rows:
        """Rows of D in G's update: generated decisions, after the real ones where the loss reads them."""
        return Rows(self.decisions * (2 if self.options.pairs else 1))

    @property
    def rows_penalty(self) -> Rows:
        """Rows of D for which penalties are computed at once: some of the decisions of one site."""
        parts = -(-self.decisions // _MAX_PENALTY_ROWS)
        return Rows(-(-self.decisions // parts))

    # -- what the code depends on ---------------------------------------------------------------------------------

    @property
    def factored(self) -> bool:
        """True if D's gradient is the sum of few outer products and nothing else, and so never stored."""
        return self.rows_d.count <= MAX_FACTORED_ROWS and not self.options.penalties and not self.options.spectral_norm

    @property
    def sites(self) -> tuple[Site, ...]:
        return self.options.sites

    @property
    def labels(self) -> bool:
        return any(v.draws_labels for v in self.variants)

    @property
    def statistics(self) -> bool:
        """True if some variant reads a statistic of all logits."""
        return any(statistics_of(v) for v in self.variants)

    @property
    def through_statistics(self) -> bool:
        return any(runs_through_statistics(v) for v in self.variants)

    @property
    def both_at_once(self) -> bool:
        """True if both players' gradients are computed before either moves."""
        return self.order != "alternating"
