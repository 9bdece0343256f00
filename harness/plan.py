"""What a sweep trains, as data: which members stand in which round, and how rounds are cut into populations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.population import Member
from harness.spec import Arm, Experiment, Settings, Shape
from harness.spec.halving import halved_steps

#: First seed of the confirm stage: no search can reach it (search.seeds is at most 10,000).
CONFIRM_SEEDS_FROM = 1_000_000


@dataclass(frozen=True)
class Place:
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


def planned(experiment: Experiment) -> list[Round]:
    """Every round of a sweep, search first; population indices run through all of them."""
    found: list[Round] = []
    trial = index = 0
    arms, search = len(experiment.arms), experiment.search
    counts = rounds(search.trials, experiment.batch)
    stages = [("search", n, count, search.seeds) for n, count in enumerate(counts)]
    for stage, number, count, seeds in [*stages, ("confirm", len(counts), 1, experiment.confirm.seeds)]:
        members = arms * count * seeds
        # A round of halving is one population, however many members train at once: who stops depends on all of them.
        size = members if stage == "search" and search.halving else experiment.population
        sizes = [min(size, members - i) for i in range(0, members, size)]
        found.append(Round(stage, number, count, trial, tuple(enumerate(sizes, start=index))))
        trial, index = trial + count, index + len(sizes)
    return found


def rounds(trials: int, batch: int) -> list[int]:
    """How many trials of each arm every round has: the baseline alone, then batches; none where nothing is tried."""
    if trials == 0:
        return []
    full, rest = divmod(trials - 1, batch)
    return [1, *[batch] * full, *([rest] if rest else [])]


def gan_steps(experiment: Experiment, halved: bool = True) -> int:
    """GAN-steps of the whole sweep; with ``halved`` false, what it would take if every trial trained to its end."""
    return sum(round_steps(experiment, this, halved) for this in planned(experiment))


def round_steps(experiment: Experiment, this: Round, halved: bool = True) -> int:
    """GAN-steps of one round; members that diverge count as if they went on."""
    search, steps = experiment.search, experiment.train.steps
    if halved and this.stage == "search" and search.halving:
        return len(experiment.arms) * search.seeds * halved_steps(this.trials, steps, search.halving, search.rungs)
    return sum(size for _, size in this.populations) * steps


def search_members(
    experiment: Experiment, this: Round, settings: Mapping[Arm, Sequence[Mapping[str, float]]]
) -> list[tuple[Place, Member]]:
    """The members of a search round, trial by trial so that a population holds every arm."""
    return [
        (
            Place("search", this.number, arm.text, this.first_trial + i),
            search_member(experiment, arm, settings[arm][i], seed),
        )
        for i in range(this.trials)
        for arm in experiment.arms
        for seed in range(experiment.search.seeds)
    ]


def confirm_members(
    experiment: Experiment, this: Round, winners: Mapping[Arm, tuple[int, Mapping[str, float]]]
) -> list[tuple[Place, Member]]:
    """The members of the confirm stage: each arm's winning trial on seeds that no search saw, the same for all arms."""
    seeds = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + experiment.confirm.seeds)
    return [
        (Place("confirm", this.number, arm.text, winners[arm][0]), member(experiment, arm, winners[arm][1], seed))
        for arm in experiment.arms
        for seed in seeds
    ]


def member(experiment: Experiment, arm: Arm, setting: Mapping[str, float], seed: int) -> Member:
    """One member of an arm: what the arm starts from, with the searched values of ``setting`` in place."""
    settings = {**experiment.arm_settings(arm).model_dump(), **_only(setting, Settings)}
    shape = {**experiment.arm_shape(arm).model_dump(), **_only(setting, Shape)}
    params = {name: setting.get(name, value) for name, value in arm.params.items()}
    return Member(
        loss=arm.loss,
        loss_params=tuple(sorted(params.items())),
        view=arm.view,
        target=experiment.target,
        study_seed=experiment.seed,
        seed=seed,
        shape=Shape(**shape),
        settings=Settings(**settings),
    )


def search_member(experiment: Experiment, arm: Arm, setting: Mapping[str, float], seed: int) -> Member:
    """``member`` as the search trains it: measured at the rungs of halving, too."""
    found = member(experiment, arm, setting, seed)
    marks = tuple(sorted({*found.shape.snapshots, *experiment.arm_rungs(arm)}))
    return replace(found, shape=found.shape.model_copy(update={"snapshots": marks}))


def _only(setting: Mapping[str, float], part: type[Settings | Shape]) -> dict[str, float]:
    return {key: value for key, value in setting.items() if key in part.model_fields}
