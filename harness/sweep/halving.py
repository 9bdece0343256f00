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

from harness.config.search import rung_steps, survivors
from harness.engines.auto import Trainer
from harness.engines.base import Progress, Segment
from harness.members import Member
from harness.metrics.trials import Rank, ks_or_worst, mean
from harness.sweep.batching import Course, advance
from harness.sweep.plan import Location
from harness.sweep.training import snapshot_measure


class Rules(NamedTuple):
    """The factor of halving, and at how many rungs below the last step it is applied."""

    eta: int
    rungs: int


@dataclass
class _Race:
    """The trials of one arm that are still in it, each as the places of its members; what they wait for."""

    trials: dict[int, list[int]]
    stops: deque[int]
    pending: set[int] = field(default_factory=set)


def halve(
    placed: Sequence[tuple[Location, Member]], rules: Rules, slots: int, trainer: Trainer, progress: Progress
) -> tuple[list[Course], float]:
    """Train the members of a round, ``slots`` at once, each until it stops; their courses in the order given, and the
    seconds that training took.

    Raises:
        InputError: a member is refused; nothing was trained.
    """
    races = _races(placed, rules)
    race_of = {place: race for race in races for places in race.trials.values() for place in places}
    courses: dict[int, Course] = {}
    queue: deque[int] = deque()
    for race in races:
        race.pending = {place for places in race.trials.values() for place in places}
        queue.extend(sorted(race.pending))  # arm by arm, so that one's first rung is behind it while others begin
    seconds = 0.0
    while queue:
        wave = [queue.popleft() for _ in range(min(slots, len(queue)))]
        found, took = advance(
            [(placed[p][1], _leg(courses.get(p), race_of[p].stops[0]), courses.get(p)) for p in wave],
            trainer,
            snapshot_measure,
            progress,
        )
        seconds += took
        courses |= zip(wave, found, strict=True)
        for race in {id(race_of[p]): race_of[p] for p in wave}.values():
            race.pending -= set(wave)
            if not race.pending:
                queue.extend(_next_rung(race, courses, rules, progress))
    return [courses[p] for p in range(len(placed))], seconds


def _leg(course: Course | None, stop: int) -> Segment:
    return Segment(0, stop) if course is None else Segment(course.steps, stop, course.state)


def _races(placed: Sequence[tuple[Location, Member]], rules: Rules) -> list[_Race]:
    found: dict[str, _Race] = {}
    for p, (place, member) in enumerate(placed):
        steps = member.shape.steps
        race = found.setdefault(place.arm, _Race({}, deque([*rung_steps(steps, *rules), steps])))
        race.trials.setdefault(place.trial, []).append(p)
    for race in found.values():
        _skip_rungs_of_one(race)
    return list(found.values())


def _skip_rungs_of_one(race: _Race) -> None:
    """A trial without rivals goes to the end at once: no rung could stop it."""
    if len(race.trials) == 1:
        race.stops = deque([race.stops[-1]])


def _next_rung(race: _Race, courses: dict[int, Course], rules: Rules, progress: Progress) -> list[int]:
    """Who goes on now that all of a race have come to its next stop; nobody, at the last."""
    rung = race.stops.popleft()
    kept = set[int]()
    if race.stops:
        scores = {t: mean([_ks_at(courses[p], rung) for p in places]) for t, places in race.trials.items()}
        kept = set(best(scores, rules.eta))
    for trial in race.trials.keys() - kept:
        for p in race.trials[trial]:
            courses[p] = replace(courses[p], state=None)  # of no more use, and as large as the member
    race.trials = {trial: places for trial, places in race.trials.items() if trial in kept}
    if not kept:
        return []
    _skip_rungs_of_one(race)
    members = [p for places in race.trials.values() for p in places]
    running = [p for p in members if courses[p].runs]
    progress((len(members) - len(running)) * (race.stops[0] - rung))
    race.pending = set(running)
    return running if running else _next_rung(race, courses, rules, progress)


def _ks_at(course: Course, rung: int) -> float:
    return ks_or_worst(course.snapshots["ks"][course.member.shape.snapshots.index(rung)])


def best(scores: Mapping[int, float], eta: int) -> list[int]:
    """The trials that go on: the ceil(n/eta) with the lowest scores, the earlier of equals."""
    ranks = sorted(Rank(False, score, trial) for trial, score in scores.items())
    return [rank.trial for rank in ranks[: survivors(len(scores), eta)]]


class Fate(NamedTuple):
    """How a trial's race went: its mean KS at every rung it came to, by step, and whether it stopped at the last."""

    at_rungs: Mapping[int, float]
    pruned: bool


def fates(trials: Mapping[int, Sequence[Mapping[str, Any]]], steps: int, rules: Rules) -> dict[int, Fate]:
    """How the race of one arm went, from the committed rows of each trial alone."""
    racing = dict(trials)
    seen: dict[int, dict[int, float]] = {trial: {} for trial in trials}
    for rung in rung_steps(steps, *rules):
        scores = {trial: mean([_committed_ks_at(row, rung) for row in rows]) for trial, rows in racing.items()}
        for trial, score in scores.items():
            seen[trial][rung] = score
        racing = {trial: trials[trial] for trial in best(scores, rules.eta)}
    return {trial: Fate(seen[trial], trial not in racing) for trial in trials}


def _committed_ks_at(row: Mapping[str, Any], rung: int) -> float:
    return ks_or_worst(dict(zip(row["snapshot_step"], row["snapshot_ks"], strict=True)).get(rung))
