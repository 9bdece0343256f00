"""The plan of a sweep as data: rounds, their populations, and the members of each."""

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
    """The location of a member in its sweep: the columns of its row that do not depend on training."""

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
    """Every round of a sweep in the order in which they are trained, search first.

    Population indices run through the experiment's own rounds, its confirm stage included. ``extensions`` are the
    total numbers of trials, ascending, to which the budget was raised later: their rounds come before the confirm
    stage, with indices after it, so that committed populations keep their indices.
    """
    arms, search = len(experiment.arms), experiment.search
    planned_rounds: list[Round] = []
    trial = index = 0

    def add(stage: str, number: int, count: int, seeds: int) -> None:
        nonlocal trial, index
        members = arms * count * seeds
        # Halving ranks all trials of a round, so that the round is one population however many members train at once.
        size = members if stage == "search" and search.halving else experiment.population
        sizes = [min(size, members - i) for i in range(0, members, size)]
        planned_rounds.append(Round(stage, number, count, trial, tuple(enumerate(sizes, start=index))))
        trial, index = trial + count * (stage == "search"), index + len(sizes)

    for count in rounds(search.trials, experiment.batch):
        add("search", len(planned_rounds), count, search.seeds)
    add("confirm", len(planned_rounds), 1, experiment.confirm.seeds)
    confirm = planned_rounds[-1]
    for count in extended_rounds(search.trials, extensions, experiment.batch):
        add("search", len(planned_rounds), count, search.seeds)
    return [*(round_ for round_ in planned_rounds if round_ is not confirm), confirm]


def rounds(trials: int, batch: int) -> list[int]:
    """Number of trials of each arm in every round: the baseline alone, then batches; none where nothing is searched."""
    return [1, *batches(trials - 1, batch)] if trials else []


def extended_rounds(trials: int, extensions: Sequence[int], batch: int) -> list[int]:
    """Number of trials of each arm in every further round, after the budget was raised to each of ``extensions``."""
    ends = [trials, *extensions]
    return [count for start, end in pairwise(ends) for count in batches(end - start, batch)]


def batches(trials: int, batch: int) -> list[int]:
    """Trials in full batches, and the rest."""
    full, rest = divmod(trials, batch)
    return [*[batch] * full, *([rest] if rest else [])]


def gan_steps(experiment: Experiment, extensions: Sequence[int] = (), *, halved: bool = True) -> int:
    """GAN-steps of the whole sweep; with ``halved`` false, what it would take if every trial trained to its end."""
    return sum(round_steps(experiment, round_, halved) for round_ in planned(experiment, extensions))


def round_steps(experiment: Experiment, round_: Round, halved: bool = True) -> int:
    """GAN-steps of one round; members that diverge count as if they went on."""
    search, steps = experiment.search, experiment.train.steps
    if halved and round_.stage == "search" and search.halving:
        return len(experiment.arms) * search.seeds * halved_steps(round_.trials, steps, search.halving, search.rungs)
    return sum(size for _, size in round_.populations) * steps


def search_locations(experiment: Experiment, round_: Round) -> list[tuple[Location, int]]:
    """Location and seed of every member of a search round, trial by trial so that a population holds every arm."""
    arms, seeds = [arm.text for arm in experiment.arms], range(experiment.search.seeds)
    trials = range(round_.first_trial, round_.first_trial + round_.trials)
    locations = [Location("search", round_.number, arm, trial) for trial in trials for arm in arms]
    return [(location, seed) for location in locations for seed in seeds]


def search_members(
    experiment: Experiment, round_: Round, settings: Mapping[Arm, Sequence[Mapping[str, float]]]
) -> list[tuple[Location, Member]]:
    """The members of a search round with their locations; those of one trial differ in their seed alone."""
    first = {
        (arm.text, round_.first_trial + i): search_member(experiment, arm, settings[arm][i], 0)
        for i in range(round_.trials)
        for arm in experiment.arms
    }
    return [(p, replace(first[p.arm, p.trial], seed=seed)) for p, seed in search_locations(experiment, round_)]


def confirm_members(
    experiment: Experiment, round_: Round, winners: Mapping[Arm, tuple[int, Mapping[str, float]]]
) -> list[tuple[Location, Member]]:
    """The members of the confirm stage: each arm's winning trial on seeds that no search saw, the same for all arms."""
    seeds = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + experiment.confirm.seeds)
    return [
        (Location("confirm", round_.number, arm.text, winners[arm][0]), member(experiment, arm, winners[arm][1], seed))
        for arm in experiment.arms
        for seed in seeds
    ]


def member(experiment: Experiment, arm: Arm, setting: Mapping[str, float], seed: int) -> Member:
    """One member of an arm: the arm's own setting, with the searched values of ``setting`` in their places."""
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
    """``member`` as the search trains it: with snapshots at the rungs of halving, too."""
    unmarked = member(experiment, arm, setting, seed)
    snapshots = tuple(sorted({*unmarked.shape.snapshots, *experiment.arm_rungs(arm)}))
    return replace(unmarked, shape=unmarked.shape.model_copy(update={"snapshots": snapshots}))
