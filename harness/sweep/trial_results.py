"""Results of trials from their committed rows: objectives, constraint, values at rungs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.config import Arm, Experiment
from harness.metrics.trials import is_lost, mean, trial_score
from harness.search import Result
from harness.sweep import halving

Row = Mapping[str, Any]

#: Factor on the steps of a member that never came below success_ks (penalised average runtime of solver competitions,
#: PAR2).
PENALTY = 2


def columns(experiment: Experiment) -> tuple[str, ...]:
    """The columns of a row that are needed; lists over snapshots, which are slow to read, only where they are used."""
    search = experiment.search
    over_steps = ("snapshot_step", "snapshot_ks") if search.halving or "steps" in search.objectives else ()
    return ("seed", "steps", "outcome", "stopped_step", "ks", *over_steps)


def results(experiment: Experiment, arm: Arm, trials: Mapping[int, Sequence[Row]]) -> dict[int, Result]:
    """The result of every trial of one arm, by number. With halving, ``trials`` must be a whole round."""
    search = experiment.search
    rules = halving.Rules(search.halving, search.rungs)
    fates = halving.fates(trials, experiment.arm_shape(arm).steps, rules) if search.halving else {}
    by_number: dict[int, Result] = {}
    for number, rows in trials.items():
        values = tuple(OBJECTIVES[name](rows, experiment.success_ks) for name in search.objectives)
        at_rungs, pruned = fates.get(number, halving.Fate({}, False))
        lost = sum(map(is_lost, rows))
        by_number[number] = Result(values, (lost - 0.5) / len(rows), at_rungs, pruned)
    return by_number


def mean_ks(rows: Sequence[Row], success_ks: float) -> float:
    """The trial's score; ``success_ks`` plays no part."""
    return trial_score(rows)


def mean_steps(rows: Sequence[Row], success_ks: float) -> float:
    """The mean over seeds of the first snapshot's step with KS below ``success_ks``; twice the steps where none is."""
    return mean([_steps_to_success(row, success_ks) for row in rows])


def _steps_to_success(row: Row, success_ks: float) -> float:
    snapshots = zip(row["snapshot_step"], row["snapshot_ks"], strict=True)
    below = (step for step, ks in snapshots if ks is not None and ks < success_ks)
    return float(next(below, PENALTY * row["steps"]) if not is_lost(row) else PENALTY * row["steps"])


#: Objectives to minimise, by their names in [search].objectives.
OBJECTIVES: Mapping[str, Callable[[Sequence[Row], float], float]] = {"ks": mean_ks, "steps": mean_steps}
