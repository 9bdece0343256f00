"""The scoreboard of a running sweep: what each arm has reached, kept up to date commit by commit."""

from __future__ import annotations

import statistics
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.sweep.plan import Round

#: What the board reads of a row.
COLUMNS = ("stage", "round", "arm", "trial", "seed", "outcome", "ks")


@dataclass
class Reached:
    """One arm so far. ``best`` is the lowest score of a trial whose seeds are all there, None before there is one.

    A trial's score is the mean KS of its seeds; a diverged or failed seed counts 1, a pruned trial has no score.
    ``confirmed`` holds the KS of every confirm seed. ``lost`` counts diverged and failed members of both stages.
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


class Board:
    """Arms by what they reached, of ``populations`` to be committed, with ``seeds`` a trial of the search."""

    def __init__(self, arms: Iterable[str], populations: int, seeds: int) -> None:
        self._arms = {arm: Reached(arm) for arm in arms}
        self._seeds, self.populations = seeds, populations
        self._open: dict[tuple[str, int], dict[int, float]] = {}  # trials some of whose seeds are still to come
        self._pruned = set[tuple[str, int]]()
        self._lost: dict[int, Counter[tuple[str, str]]] = {}  # by population: a later revision replaces an earlier
        self._lock = threading.Lock()
        self.stage = ""

    def hear(self, index: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take in a population, or a later revision of one; from any thread. Rows of unknown arms are passed over."""
        rows = [row for row in rows if row["arm"] in self._arms]
        if not rows:
            return
        with self._lock:
            lost = Counter((row["arm"], row["outcome"]) for row in rows if row["outcome"] in ("diverged", "failed"))
            for (arm, _), count in self._lost.get(index, Counter()).items():
                self._arms[arm].lost -= count
            for (arm, _), count in lost.items():
                self._arms[arm].lost += count
            self._lost[index] = lost
            for row in rows:
                self._place(row)
            self.stage = stage_text(rows[-1]["stage"], rows[-1]["round"])

    @property
    def committed(self) -> int:
        """How many populations are there."""
        return len(self._lost)

    def lost(self, outcome: str) -> int:
        """How many members ended so: ``diverged`` or ``failed``."""
        with self._lock:
            return sum(n for lost in self._lost.values() for (_, ended), n in lost.items() if ended == outcome)

    def ranking(self) -> list[Reached]:
        """Every arm: by confirm medians once all have one, else by best scores, those without one last."""
        with self._lock:
            arms = list(self._arms.values())
            if all(arm.confirmed for arm in arms):
                return sorted(arms, key=lambda arm: (_last(arm.median), _last(arm.best)))
            return sorted(arms, key=lambda arm: _last(arm.best))

    def _place(self, row: Mapping[str, Any]) -> None:
        reached, trial = self._arms[row["arm"]], (row["arm"], row["trial"])
        if row["outcome"] == "pruned":
            self._pruned.add(trial)
        ks = 1.0 if row["ks"] is None else row["ks"]
        if row["stage"] == "confirm":
            reached.confirmed[row["seed"]] = ks
            return
        seeds = self._open.setdefault(trial, {})
        seeds[row["seed"]] = ks
        if len(seeds) < self._seeds:
            return
        del self._open[trial]
        score = statistics.fmean(seeds.values())
        if trial not in self._pruned and (reached.best is None or score < reached.best):
            reached.best, reached.trial = score, row["trial"]


def stage_text(stage: str, number: int) -> str:
    """``search round 3``, or ``confirm stage``."""
    return "confirm stage" if stage == "confirm" else f"search round {number}"


def population_text(rows: Sequence[Mapping[str, Any]], seconds: float) -> str:
    """How a population came out, without its place: members, time, losses; ``seconds`` of training, 0 where none."""
    lost = sum(row["outcome"] in ("diverged", "failed") for row in rows)
    steps = sum(row["stopped_step"] if row["outcome"] == "pruned" else row["steps"] for row in rows)
    rate = f" ({seconds / steps * 1e6:.0f} µs a GAN-step)" if seconds else ", all of them trained before"
    count = sum(row["outcome"] == "pruned" for row in rows)
    pruned = f", {count} pruned" if count else ""
    return f"{len(rows)} members in {seconds:.1f} s{rate}, {lost} diverged or failed{pruned}"


def found_steps(rounds: Sequence[Round], steps: Mapping[int, int], committed: Iterable[int]) -> int:
    """GAN-steps of populations that were committed before; ``steps`` of each round by its number."""
    there, total = set(committed), 0
    for this in rounds:
        members = sum(size for _, size in this.populations)
        total += sum(steps[this.number] * size // members for index, size in this.populations if index in there)
    return total


def _last(value: float | None) -> float:
    return float("inf") if value is None else value
