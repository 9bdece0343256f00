"""How long a sweep would take here, from a short probe."""

from __future__ import annotations

import time

from harness.engines.base import Engine
from harness.plan import gan_steps, member, planned
from harness.population import Member
from harness.spec import Experiment
from harness.training import train

#: Steps of the two probes; their difference is the cost of steps alone.
PROBE_STEPS = (16, 80)

#: Members of a probe an arm at most: two stacks of the batched engine for all arms together.
PROBE_MEMBERS = 32


def estimated_seconds(experiment: Experiment, engine: Engine) -> float:
    """Seconds the whole sweep would take with the engine, extrapolated from two short trainings of all arms."""
    share = max(1, min(experiment.population, PROBE_MEMBERS) // len(experiment.arms))
    probe = [member(experiment, arm, {}, seed) for arm in experiment.arms for seed in range(share)]
    _timed(probe, engine, PROBE_STEPS[0])  # first use pays for loading
    short, long = (_timed(probe, engine, steps) for steps in PROBE_STEPS)
    per_step = max(long - short, 0.0) / (PROBE_STEPS[1] - PROBE_STEPS[0]) / len(probe)
    fixed = max(short / len(probe) - PROBE_STEPS[0] * per_step, 0.0)
    members = sum(size for this in planned(experiment) for _, size in this.populations)
    # A snapshot scores one sample of a member; the final score takes two and more statistics: about three of them.
    snapshots = len(experiment.train.snapshots)
    return gan_steps(experiment) * per_step + members * fixed * (3 + snapshots) / 4


def _timed(members: list[Member], engine: Engine, steps: int) -> float:
    short = [_shortened(m, steps) for m in members]
    start = time.perf_counter()
    train(short, engine, lambda done: None)
    return time.perf_counter() - start


def _shortened(whole: Member, steps: int) -> Member:
    from dataclasses import replace

    return replace(whole, shape=whole.shape.model_copy(update={"steps": steps, "snapshots": (steps,)}))
