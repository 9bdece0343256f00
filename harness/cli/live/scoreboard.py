"""The scoreboard of a running sweep: what each arm has reached, updated with every commit."""

from __future__ import annotations

import math
import statistics
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.metrics.trials import LOST, PRUNED, is_lost, is_pruned, ks_or_worst, trial_score

if TYPE_CHECKING:
    from harness.sweep.plan import Round

#: The columns of a row that the scoreboard reads.
COLUMNS = ("stage", "round", "arm", "trial", "seed", "outcome", "ks")


@dataclass
class ArmResult:
    """One arm so far. ``best`` is the least score of a trial whose seeds are all committed, None before there is one.

    Pruned trials do not count. ``confirmed`` holds the KS of every confirm seed; ``lost`` counts diverged and failed
    members of both stages.
    """

    arm: str
    best: float | None = None
    trial: int = 0
    lost: int = 0
    confirmed: dict[int, float] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        """Median KS of the confirm seeds so far."""
        return statistics.median(self.confirmed.values()) if self.confirmed else None


class Scoreboard:
    """The results of ``arms``, of ``populations`` to be committed, with ``seeds`` seeds a trial of the search."""

    def __init__(self, arms: Iterable[str], populations: int, seeds: int) -> None:
        self._arms = {arm: ArmResult(arm) for arm in arms}
        self._seeds, self.populations = seeds, populations
        # Rows by seed of trials some of whose seeds are still to come.
        self._incomplete: dict[tuple[str, int], dict[int, Mapping[str, Any]]] = {}
        self._lost: dict[int, Counter[tuple[str, str]]] = {}  # by population: a later revision replaces an earlier
        self._lock = threading.Lock()
        self.stage = ""

    def add(self, index: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add a population, or a later revision of one; from any thread. Rows of unknown arms are ignored."""
        rows = [row for row in rows if row["arm"] in self._arms]
        if not rows:
            return
        with self._lock:
            lost = Counter((row["arm"], row["outcome"]) for row in rows if is_lost(row))
            for (arm, _), count in self._lost.get(index, Counter()).items():
                self._arms[arm].lost -= count
            for (arm, _), count in lost.items():
                self._arms[arm].lost += count
            self._lost[index] = lost
            for row in rows:
                self._add_row(row)
            self.stage = stage_text(rows[-1]["stage"], rows[-1]["round"])

    @property
    def committed(self) -> int:
        """Number of committed populations."""
        return len(self._lost)

    def lost(self) -> dict[str, int]:
        """Number of members that diverged and that failed, by outcome."""
        with self._lock:
            total: Counter[str] = Counter()
            for population in self._lost.values():
                for (_, outcome), count in population.items():
                    total[outcome] += count
        return {outcome: total[outcome] for outcome in LOST}

    def ranking(self) -> list[ArmResult]:
        """Every arm: by confirm medians once all have one, else by best scores; arms without one come last."""
        with self._lock:
            arms = list(self._arms.values())
            if all(arm.confirmed for arm in arms):
                return sorted(arms, key=lambda arm: (_or_last(arm.median), _or_last(arm.best)))
            return sorted(arms, key=lambda arm: _or_last(arm.best))

    def _add_row(self, row: Mapping[str, Any]) -> None:
        result, trial = self._arms[row["arm"]], (row["arm"], row["trial"])
        if row["stage"] == "confirm":
            result.confirmed[row["seed"]] = ks_or_worst(row["ks"])
            return
        seeds = self._incomplete.setdefault(trial, {})
        seeds[row["seed"]] = row
        if len(seeds) < self._seeds:
            return
        del self._incomplete[trial]
        score = trial_score(seeds.values())
        if not is_pruned(seeds.values()) and (result.best is None or score < result.best):
            result.best, result.trial = score, row["trial"]


def stage_text(stage: str, number: int) -> str:
    """``search round 3``, or ``confirm stage``."""
    return "confirm stage" if stage == "confirm" else f"search round {number}"


def population_text(rows: Sequence[Mapping[str, Any]], seconds: float) -> str:
    """Result of a population: members, ``seconds`` of training (0 if all were trained before), losses."""
    lost = sum(map(is_lost, rows))
    pruned = sum(row["outcome"] == PRUNED for row in rows)
    steps = sum(row["stopped_step"] if row["outcome"] == PRUNED else row["steps"] for row in rows)
    rate = f" ({seconds / steps * 1e6:.0f} µs a GAN-step)" if seconds else ", all of them trained before"
    text = f"{len(rows)} members in {seconds:.1f} s{rate}, {lost} diverged or failed"
    return text + (f", {pruned} pruned" if pruned else "")


def committed_steps(rounds: Sequence[Round], steps: Mapping[int, int], committed: Iterable[int]) -> int:
    """GAN-steps of the populations that were committed before; ``steps`` are those of each round by its number."""
    indices, total = set(committed), 0
    for round_ in rounds:
        members = sum(size for _, size in round_.populations)
        total += sum(steps[round_.number] * size // members for index, size in round_.populations if index in indices)
    return total


def _or_last(value: float | None) -> float:
    return math.inf if value is None else value
