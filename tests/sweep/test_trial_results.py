"""Results of trials from rows written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from support.sweeps import experiment

from harness.sweep.trial_results import mean_ks, mean_steps, results

ROW: dict[str, Any] = {
    "seed": 0,
    "steps": 100,
    "outcome": "scored",
    "stopped_step": None,
    "ks": 0.1,
    "snapshot_step": [10, 50, 100],
    "snapshot_ks": [0.9, 0.04, 0.06],
}


def test_steps_to_reach_are_those_of_the_first_snapshot_below_the_bound() -> None:
    """0.04 at step 50 is the first below 0.05; the later rise does not count."""
    assert mean_steps([ROW], 0.05) == 50
    assert mean_steps([ROW], 0.03) == 200


def test_what_never_arrives_counts_twice_its_steps() -> None:
    """One seed at step 50, one that never came below, one that diverged after it had: (50 + 200 + 200) / 3."""
    never = ROW | {"snapshot_ks": [0.9, 0.8, None]}
    lost = ROW | {"outcome": "diverged"}
    assert mean_steps([ROW, never, lost], 0.05) == 150


def test_ks_is_the_mean_over_seeds_that_were_trained() -> None:
    """A diverged seed counts 1, one that was never trained does not count."""
    rows = [
        ROW,
        ROW | {"seed": 1, "outcome": "diverged", "ks": 1.0},
        ROW | {"seed": 2, "outcome": "pruned", "ks": None},
    ]
    assert mean_ks(rows, 0.05) == pytest.approx(0.55)


def test_a_lost_seed_breaks_the_constraint() -> None:
    """(lost seeds - 1/2) / seeds: below 0 exactly where none is lost."""
    spec = experiment()
    one = results(spec, spec.arms[0], {0: [ROW, ROW], 1: [ROW, ROW | {"outcome": "failed"}]})
    assert (one[0].constraint, one[1].constraint) == (-0.25, 0.25)


def test_objectives_come_in_the_order_of_the_file() -> None:
    """KS first, steps second; each has its value."""
    search = experiment().search.model_copy(update={"objectives": ("ks", "steps")})
    spec = experiment().model_copy(update={"search": search})
    assert results(spec, spec.arms[0], {0: [ROW]})[0].values == (0.1, 50.0)
