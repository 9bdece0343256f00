"""Which engine trains which part of an experiment, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.config import Experiment
from harness.engines.auto import EngineAssignment, Trainer, services
from harness.members import Member
from harness.sweep.plan import member, search_member


def assigned(experiment: Experiment, trainer: Trainer) -> list[EngineAssignment]:
    """The engines that serve an experiment, with the number of members that each trains if the search changes none.

    An engine that serves only what the search may ask for (an end of a range) counts no member yet.

    Raises:
        InputError: a member is refused.
    """
    return services(trainer, _examples(experiment))


def assignment_text(found: Sequence[EngineAssignment]) -> str:
    """``cpu/1: 428 members; batched/1/cpu: 4 members, because cpu/1: its direct loss is a torch function``."""
    return "; ".join(service.text("member") for service in found)


def _examples(experiment: Experiment) -> Iterator[tuple[Member, int]]:
    search = experiment.search
    for arm in experiment.arms:
        if search.trials:
            yield search_member(experiment, arm, {}, 0), search.trials * search.seeds
            spans = experiment.arm_space(arm).items()
            for setting in ({key: value} for key, span in spans for value in span.ends):
                yield search_member(experiment, arm, setting, 0), 0
        yield member(experiment, arm, {}, 0), experiment.confirm.seeds
