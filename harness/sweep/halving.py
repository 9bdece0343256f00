"""Synchronous successive halving inside a population: trials of an arm race, at each rung the worst stop.

All trials of an arm start together. At a rung (spec/halving.py) they are ranked by the mean over their seeds of the
KS distance there, a member that stopped or failed counting 1; the best ceil(n/eta) go on, the earlier of equals. Arms
never compete: each has the same budget.

Members wait in a queue, each with its own step counter. As many as the population holds train at once; what a trial
leaves free is filled from the queue, by whichever members come next, at whatever step they are. No bit depends on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from harness.config.search import rung_steps, survivors
from harness.engines.auto import Trainer
from harness.engines.base import Progress, Segment
from harness.members import Member
from harness.metrics.trials import Rank, ks_or_worst, mean
from harness.sweep.batching import MemberProgress, TrainedBatch, progress_of, seconds_of, train_batches
from harness.sweep.plan import Location
from harness.sweep.training import snapshot_measure


class Rules(NamedTuple):
    """Factor of halving, and number of rungs below the last step at which it is applied."""

    eta: int
    rungs: int


@dataclass
class _Race:
    """Trials of one arm that are still in it, each with the indices of its members; those it waits for at a rung."""

    trials: dict[int, list[int]]
    stops: deque[int]
    pending: set[int] = field(default_factory=set)


def halve(
    placed: Sequence[tuple[Location, Member]], rules: Rules, slots: int, trainer: Trainer, progress: Progress
) -> tuple[list[TrainedBatch], float]:
    """Train the members of a round, ``slots`` at once, each until it stops.

    Returns:
        The batches that members were trained with last, without the members that went on; and seconds of training.

    Raises:
        InputError: a member is refused; nothing was trained.
    """
    races = _races(placed, rules)
    race_of = {index: race for race in races for indices in race.trials.values() for index in indices}
    reached: dict[int, MemberProgress] = {}
    queue: deque[int] = deque()
    for race in races:
        race.pending = {index for indices in race.trials.values() for index in indices}
        queue.extend(sorted(race.pending))  # arm by arm, so that one's first rung is behind it while others begin
    seconds = 0.0
    while queue:
        wave = [queue.popleft() for _ in range(min(slots, len(queue)))]
        stops = [race_of[i].stops[0] for i in wave]
        segments = [reached[i].segment(s) if i in reached else Segment(0, s) for i, s in zip(wave, stops, strict=True)]
        trained = train_batches([placed[i][1] for i in wave], trainer, snapshot_measure, progress, segments)
        seconds += seconds_of(trained)
        _advance(reached, wave, trained)
        for race in {id(race_of[i]): race_of[i] for i in wave}.values():
            race.pending -= set(wave)
            if not race.pending:
                queue.extend(_next_rung(race, reached, rules, progress))
    return _last_batches(reached), seconds


def _advance(reached: dict[int, MemberProgress], wave: Sequence[int], trained: Sequence[TrainedBatch]) -> None:
    """Enter the progress of a wave, whose snapshots are joined with those of earlier segments."""
    for index, progress in zip(wave, progress_of(trained), strict=True):
        if index in reached:
            for name, values in progress.snapshots.items():
                values[:] = np.where(np.isnan(values), reached[index].snapshots[name], values)
        reached[index] = progress


def _last_batches(reached: Mapping[int, MemberProgress]) -> list[TrainedBatch]:
    """Batches of the members that were not trained any further after them, with the members' indices in the round."""
    batches: dict[int, TrainedBatch] = {}
    members: dict[int, list[tuple[int, int]]] = {}
    for index, progress in reached.items():
        batches[id(progress.batch)] = progress.batch
        members.setdefault(id(progress.batch), []).append((progress.row, index))
    return [
        replace(batch.take([row for row, _ in sorted(members[key])]), indices=[i for _, i in sorted(members[key])])
        for key, batch in batches.items()
    ]


def _races(placed: Sequence[tuple[Location, Member]], rules: Rules) -> list[_Race]:
    races: dict[str, _Race] = {}
    for index, (location, member) in enumerate(placed):
        steps = member.shape.steps
        race = races.setdefault(location.arm, _Race({}, deque([*rung_steps(steps, *rules), steps])))
        race.trials.setdefault(location.trial, []).append(index)
    for race in races.values():
        _skip_rungs_of_one(race)
    return list(races.values())


def _skip_rungs_of_one(race: _Race) -> None:
    """Send a trial without rivals to the end at once: no rung could stop it."""
    if len(race.trials) == 1:
        race.stops = deque([race.stops[-1]])


def _next_rung(race: _Race, reached: dict[int, MemberProgress], rules: Rules, report: Progress) -> list[int]:
    """Indices of members that continue past this rung, now that all of the race have come to it; none at the last."""
    rung = race.stops.popleft()
    left = set[int]()
    if race.stops:
        scores = {t: mean([_ks_at(reached[i], rung) for i in indices]) for t, indices in race.trials.items()}
        left = set(best(scores, rules.eta))
    for trial in race.trials.keys() - left:
        for i in race.trials[trial]:
            reached[i] = replace(reached[i], state=None)
    race.trials = {trial: indices for trial, indices in race.trials.items() if trial in left}
    if not left:
        return []
    _skip_rungs_of_one(race)
    members = [i for indices in race.trials.values() for i in indices]
    running = [i for i in members if reached[i].runs]
    report((len(members) - len(running)) * (race.stops[0] - rung))
    race.pending = set(running)
    return running if running else _next_rung(race, reached, rules, report)


def _ks_at(progress: MemberProgress, rung: int) -> float:
    return ks_or_worst(progress.snapshots["ks"][progress.member.shape.snapshots.index(rung)])


def best(scores: Mapping[int, float], eta: int) -> list[int]:
    """Trials that continue: the ceil(n/eta) with the lowest scores, the earlier of equals."""
    ranks = sorted(Rank(False, score, trial) for trial, score in scores.items())
    return [rank.trial for rank in ranks[: survivors(len(scores), eta)]]


class Fate(NamedTuple):
    """Outcome of a trial's race: its mean KS by step at every rung that it came to; pruned or not at the last."""

    at_rungs: Mapping[int, float]
    pruned: bool


def fates(trials: Mapping[int, Sequence[Mapping[str, Any]]], steps: int, rules: Rules) -> dict[int, Fate]:
    """Fate of each trial of one arm, from its committed rows alone."""
    racing = dict(trials)
    at_rungs: dict[int, dict[int, float]] = {trial: {} for trial in trials}
    for rung in rung_steps(steps, *rules):
        scores = {trial: mean([_committed_ks_at(row, rung) for row in rows]) for trial, rows in racing.items()}
        for trial, score in scores.items():
            at_rungs[trial][rung] = score
        racing = {trial: trials[trial] for trial in best(scores, rules.eta)}
    return {trial: Fate(at_rungs[trial], trial not in racing) for trial in trials}


def _committed_ks_at(row: Mapping[str, Any], rung: int) -> float:
    return ks_or_worst(dict(zip(row["snapshot_step"], row["snapshot_ks"], strict=True)).get(rung))
