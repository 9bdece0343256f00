"""Answers before a sweep starts: which engine trains which members, and how long it would take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.config import Experiment
from harness.engines.auto import EngineAssignment, Trainer, assign_engines
from harness.members import Member
from harness.sweep.plan import gan_steps, member, planned, search_member
from harness.sweep.training import train

#: Steps of the two probes; their difference is the cost of steps alone.
PROBE_STEPS = (16, 80)

#: A probe of this length keeps all cores busy: more members would not cost less each.
PROBE_SECONDS = 1.0


def experiment_engines(experiment: Experiment, trainer: Trainer) -> list[EngineAssignment]:
    """The engines of an experiment, with the number of members that each trains if the search changes no engine.

    An engine that is needed only for an end of a search range counts no member yet.

    Raises:
        InputError: a member is refused.
    """
    return assign_engines(trainer, _examples(experiment))


def assignment_text(assignments: Sequence[EngineAssignment]) -> str:
    """``cpu/1: 428 members; batched/1/cpu: 4 members, because cpu/1: its direct loss is a torch function``."""
    return "; ".join(assignment.text("member") for assignment in assignments)


def _examples(experiment: Experiment) -> Iterator[tuple[Member, int]]:
    search = experiment.search
    for arm in experiment.arms:
        if search.trials:
            yield search_member(experiment, arm, {}, 0), search.trials * search.seeds
            spans = experiment.arm_space(arm).items()
            for setting in ({key: value} for key, span in spans for value in span.ends):
                yield search_member(experiment, arm, setting, 0), 0
        yield member(experiment, arm, {}, 0), experiment.confirm.seeds


def estimated_seconds(experiment: Experiment, trainer: Trainer) -> float:
    """Seconds the whole sweep would take with the engine or engines, extrapolated from short trainings of all arms.

    Members trained together share the machine's cores, so the probe grows up to the largest population while it is
    short. The estimate ignores a search over shapes (batch, hidden) and other work of the machine.
    """
    _timed(_probe(experiment, 1), trainer, PROBE_STEPS[0])  # first use pays for loading
    sizes = [size for round_ in planned(experiment) for _, size in round_.populations]
    share = 1
    while True:
        probe = _probe(experiment, share)
        short, long = (_timed(probe, trainer, steps) for steps in PROBE_STEPS)
        if short + long > PROBE_SECONDS or len(probe) + len(experiment.arms) > max(sizes):
            break
        share = min(4 * share, max(sizes) // len(experiment.arms))
    per_step = max(long - short, 0.0) / (PROBE_STEPS[1] - PROBE_STEPS[0]) / len(probe)
    fixed = max(short / len(probe) - PROBE_STEPS[0] * per_step, 0.0)
    # A snapshot scores one sample of a member; the final score, of two samples and more statistics, costs about three.
    snapshots = len(experiment.train.snapshots)
    return gan_steps(experiment) * per_step + sum(sizes) * fixed * (3 + snapshots) / 4


def _probe(experiment: Experiment, share: int) -> list[Member]:
    return [member(experiment, arm, {}, seed) for arm in experiment.arms for seed in range(share)]


def _timed(members: list[Member], trainer: Trainer, steps: int) -> float:
    short = [_shortened(m, steps) for m in members]
    start = time.perf_counter()
    train(short, trainer, lambda done: None)
    return time.perf_counter() - start


def _shortened(member: Member, steps: int) -> Member:
    return replace(member, shape=member.shape.model_copy(update={"steps": steps, "snapshots": (steps,)}))
