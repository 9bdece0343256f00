"""What a sweep trains, as data: which members stand in which round, and how rounds are cut into populations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.config import Arm, Experiment
from harness.config.search import halved_steps
from harness.members import Member

#: First seed of the confirm stage: no search can reach it (search.seeds is at most 10,000).
CONFIRM_SEEDS_FROM = 1_000_000


@dataclass(frozen=True)
class Location:
    """Where a member stands in its sweep: the columns that ``training`` does not know."""

    stage: str
    round: int
    arm: str
    trial: int


@dataclass(frozen=True)
class Round:
    """A round before its settings are known: every population it will have, by index and number of members."""

    stage: str
    number: int
    trials: int
    first_trial: int
    populations: tuple[tuple[int, int], ...]


def planned(experiment: Experiment, extensions: Sequence[int] = ()) -> list[Round]:
    """Every round of a sweep in the order in which they are worked off, search first.

    Population indices run through the experiment's own rounds, its confirm stage included. ``extensions`` are total
    numbers of trials, ascending, to which the budget was raised later: their rounds come before the confirm stage,
    with the indices behind it, so that nothing that was committed before is another's.
    """
    arms, search = len(experiment.arms), experiment.search
    found: list[Round] = []
    trial = index = 0

    def add(stage: str, number: int, count: int, seeds: int) -> None:
        nonlocal trial, index
        members = arms * count * seeds
        # Halving ranks all trials of a round, so that the round is one population however many members train at once.
        size = members if stage == "search" and search.halving else experiment.population
        sizes = [min(size, members - i) for i in range(0, members, size)]
        found.append(Round(stage, number, count, trial, tuple(enumerate(sizes, start=index))))
        trial, index = trial + count * (stage == "search"), index + len(sizes)

    for count in rounds(search.trials, experiment.batch):
        add("search", len(found), count, search.seeds)
    add("confirm", len(found), 1, experiment.confirm.seeds)
    confirm = found[-1]
    for count in extended_rounds(search.trials, extensions, experiment.batch):
        add("search", len(found), count, search.seeds)
    return [*(this for this in found if this is not confirm), confirm]


def rounds(trials: int, batch: int) -> list[int]:
    """How many trials of each arm every round has: the baseline alone, then batches; none where nothing is tried."""
    return [1, *batches(trials - 1, batch)] if trials else []


def extended_rounds(trials: int, extensions: Sequence[int], batch: int) -> list[int]:
    """How many trials of each arm every further round has when a budget is raised once and again."""
    ends = [trials, *extensions]
    return [count for start, end in pairwise(ends) for count in batches(end - start, batch)]


def batches(trials: int, batch: int) -> list[int]:
    """So many trials in full batches, and what is left."""
    full, rest = divmod(trials, batch)
    return [*[batch] * full, *([rest] if rest else [])]


def gan_steps(experiment: Experiment, extensions: Sequence[int] = (), *, halved: bool = True) -> int:
    """GAN-steps of the whole sweep; with ``halved`` false, what it would take if every trial trained to its end."""
    return sum(round_steps(experiment, this, halved) for this in planned(experiment, extensions))


def round_steps(experiment: Experiment, this: Round, halved: bool = True) -> int:
    """GAN-steps of one round; members that diverge count as if they went on."""
    search, steps = experiment.search, experiment.train.steps
    if halved and this.stage == "search" and search.halving:
        return len(experiment.arms) * search.seeds * halved_steps(this.trials, steps, search.halving, search.rungs)
    return sum(size for _, size in this.populations) * steps


def search_places(experiment: Experiment, this: Round) -> list[tuple[Location, int]]:
    """The place and seed of every member of a search round, trial by trial so that a population holds every arm."""
    arms, seeds = [arm.text for arm in experiment.arms], range(experiment.search.seeds)
    trials = range(this.first_trial, this.first_trial + this.trials)
    places = [Location("search", this.number, arm, trial) for trial in trials for arm in arms]
    return [(place, seed) for place in places for seed in seeds]


def search_members(
    experiment: Experiment, this: Round, settings: Mapping[Arm, Sequence[Mapping[str, float]]]
) -> list[tuple[Location, Member]]:
    """The members of a search round at their places; those of one trial differ in their seed alone."""
    first = {
        (arm.text, this.first_trial + i): search_member(experiment, arm, settings[arm][i], 0)
        for i in range(this.trials)
        for arm in experiment.arms
    }
    return [(p, replace(first[p.arm, p.trial], seed=seed)) for p, seed in search_places(experiment, this)]


def confirm_members(
    experiment: Experiment, this: Round, winners: Mapping[Arm, tuple[int, Mapping[str, float]]]
) -> list[tuple[Location, Member]]:
    """The members of the confirm stage: each arm's winning trial on seeds that no search saw, the same for all arms."""
    seeds = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + experiment.confirm.seeds)
    return [
        (Location("confirm", this.number, arm.text, winners[arm][0]), member(experiment, arm, winners[arm][1], seed))
        for arm in experiment.arms
        for seed in seeds
    ]


def member(experiment: Experiment, arm: Arm, setting: Mapping[str, float], seed: int) -> Member:
    """One member of an arm: what the arm starts from, with the searched values of ``setting`` in place."""
    params = {name: setting.get(name, value) for name, value in arm.params.items()}
    return Member(
        loss=arm.loss,
        loss_params=tuple(sorted(params.items())),
        view=arm.view,
        target=experiment.target,
        study_seed=experiment.seed,
        seed=seed,
        shape=experiment.arm_shape(arm).with_values(setting),
        settings=experiment.arm_settings(arm).with_values(setting),
    )


def search_member(experiment: Experiment, arm: Arm, setting: Mapping[str, float], seed: int) -> Member:
    """``member`` as the search trains it: measured at the rungs of halving, too."""
    found = member(experiment, arm, setting, seed)
    marks = tuple(sorted({*found.shape.snapshots, *experiment.arm_rungs(arm)}))
    return replace(found, shape=found.shape.model_copy(update={"snapshots": marks}))
