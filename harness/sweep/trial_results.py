"""What committed rows say of the trials that a search asked for, in the search's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.config import Arm, Experiment
from harness.metrics.trials import is_lost, mean, trial_score
from harness.search import Result
from harness.sweep import halving

Row = Mapping[str, Any]

#: A member that never came below success_ks counts as if it had taken so many times its steps (the penalised average
#: runtime of solver competitions, PAR2).
PENALTY = 2


def columns(experiment: Experiment) -> tuple[str, ...]:
    """The columns of a row that are read here; lists over snapshots, which are slow to read, only where they are."""
    search = experiment.search
    over_steps = ("snapshot_step", "snapshot_ks") if search.halving or "steps" in search.objectives else ()
    return ("seed", "steps", "outcome", "stopped_step", "ks", *over_steps)


def results(experiment: Experiment, arm: Arm, trials: Mapping[int, Sequence[Row]]) -> dict[int, Result]:
    """The result of every trial of one arm, by number; of a halved round, all of it must be given."""
    search = experiment.search
    rules = halving.Rules(search.halving, search.rungs)
    fates = halving.fates(trials, experiment.arm_shape(arm).steps, rules) if search.halving else {}
    found: dict[int, Result] = {}
    for number, rows in trials.items():
        values = tuple(OBJECTIVES[name](rows, experiment.success_ks) for name in search.objectives)
        at_rungs, pruned = fates.get(number, halving.Fate({}, False))
        lost = sum(map(is_lost, rows))
        found[number] = Result(values, (lost - 0.5) / len(rows), at_rungs, pruned)
    return found


def mean_ks(rows: Sequence[Row], success_ks: float) -> float:
    """The trial's score; ``success_ks`` plays no part."""
    return trial_score(rows)


def mean_steps(rows: Sequence[Row], success_ks: float) -> float:
    """The mean over seeds of the first snapshot's step with KS below ``success_ks``; twice the steps where none is."""
    return mean([_reached(row, success_ks) for row in rows])


def _reached(row: Row, success_ks: float) -> float:
    measured = zip(row["snapshot_step"], row["snapshot_ks"], strict=True)
    below = (step for step, ks in measured if ks is not None and ks < success_ks)
    return float(next(below, PENALTY * row["steps"]) if not is_lost(row) else PENALTY * row["steps"])


#: What a search can make small, by its name in [search].objectives.
OBJECTIVES: Mapping[str, Callable[[Sequence[Row], float], float]] = {"ks": mean_ks, "steps": mean_steps}
