"""The score, status and rank of a trial, as a table of what committed rows say."""

from __future__ import annotations

import ast
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from support.paths import ROOT

from harness.metrics.trials import (
    Rank,
    best,
    counted_ks,
    counted_ks_array,
    is_lost,
    is_pruned,
    mean,
    rank,
    trial_score,
)

Seeds = list[tuple[str, float | None]]

#: Outcome and committed KS of one member, and the KS with which it enters its trial's score.
MEMBERS: list[tuple[str, float | None, float | None]] = [
    ("scored", 0.25, 0.25),
    ("scored", 0.0, 0.0),
    ("scored", None, 1.0),
    ("scored", math.nan, 1.0),
    ("scored", math.inf, 1.0),
    ("diverged", 1.0, 1.0),
    ("diverged", None, 1.0),
    ("diverged", 0.25, 1.0),
    ("failed", 1.0, 1.0),
    ("failed", None, 1.0),
    ("failed", math.nan, 1.0),
    ("pruned", 0.5, 0.5),
    ("pruned", None, None),
    ("pruned", math.nan, None),
]

#: Outcome and KS of each seed of a trial, its score, and whether it counts as pruned.
TRIALS: dict[str, tuple[Seeds, float, bool]] = {
    "all scored": ([("scored", 0.25), ("scored", 0.5)], 0.375, False),
    "one seed": ([("scored", 0.25)], 0.25, False),
    "one diverged": ([("scored", 0.25), ("diverged", 1.0)], 0.625, False),
    "one failed": ([("scored", 0.25), ("failed", 1.0)], 0.625, False),
    "all lost": ([("diverged", 1.0), ("failed", 1.0)], 1.0, False),
    "one without a distance": ([("scored", 0.25), ("scored", None)], 0.625, False),
    "halved": ([("pruned", 0.25), ("pruned", 0.5)], 0.375, True),
    "halved, one diverged before": ([("pruned", 0.25), ("diverged", 1.0)], 0.625, True),
    "given up after one seed": ([("scored", 0.25), ("pruned", None)], 0.25, True),
    "given up after a lost seed": ([("diverged", 1.0), ("pruned", None)], 1.0, True),
    "never trained": ([("pruned", None), ("pruned", None)], 1.0, True),
    "no rows": ([], 1.0, False),
}

#: The numbers of ``TRIALS`` from best to worst.
ORDER = [
    *("one seed", "all scored", "one diverged", "one failed", "one without a distance", "all lost", "no rows"),
    *("given up after one seed", "halved", "halved, one diverged before", "given up after a lost seed"),
    "never trained",
]


def rows(seeds: Seeds) -> list[dict[str, Any]]:
    """Committed rows with these outcomes and KS distances."""
    return [{"outcome": outcome, "ks": ks} for outcome, ks in seeds]


@pytest.mark.parametrize(("outcome", "ks", "counted"), MEMBERS)
def test_a_member_counts_with_its_distance_or_with_1(outcome: str, ks: float | None, counted: float | None) -> None:
    """A lost member, and one whose distance is missing, counts 1; one that was never trained does not count."""
    assert counted_ks({"outcome": outcome, "ks": ks}) == counted


def test_arrays_follow_the_rule_of_rows() -> None:
    """The rule for whole columns gives for every member of the table what the rule for one row gives."""
    outcome = np.array([outcome for outcome, _, _ in MEMBERS])
    ks = np.array([math.nan if ks is None else ks for _, ks, _ in MEMBERS])
    counted = counted_ks_array(np.isin(outcome, ["diverged", "failed"]), outcome == "pruned", ks)
    expected = np.array([math.nan if counted is None else counted for _, _, counted in MEMBERS])
    np.testing.assert_array_equal(counted, expected)


@pytest.mark.parametrize(
    ("outcome", "lost"), [("scored", False), ("pruned", False), ("diverged", True), ("failed", True)]
)
def test_diverged_and_failed_members_are_lost(outcome: str, lost: bool) -> None:
    """No other outcome is."""
    assert is_lost({"outcome": outcome}) is lost


@pytest.mark.parametrize(("seeds", "score", "pruned"), TRIALS.values(), ids=TRIALS)
def test_a_trial_scores_the_mean_over_its_seeds(seeds: Seeds, score: float, pruned: bool) -> None:
    """Every member that counts has the same weight; any member stopped early makes the trial a pruned one."""
    assert rank(7, rows(seeds)) == Rank(pruned, score, 7)
    assert (trial_score(rows(seeds)), is_pruned(rows(seeds))) == (score, pruned)


def test_a_pruned_trial_ranks_behind_every_other() -> None:
    """Then the lower score wins, and of equals the earlier trial."""
    ranks = [rank(number, rows(seeds)) for number, (seeds, _, _) in enumerate(TRIALS.values())]
    names = list(TRIALS)
    assert [names[place.trial] for place in sorted(ranks)] == ORDER
    assert best(ranks) == names.index("one seed")
    assert best([Rank(False, 0.5, 3), Rank(False, 0.5, 1), Rank(True, 0.0, 0)]) == 1


def test_no_trial_has_no_best() -> None:
    """An empty arm raises; no number is made up."""
    with pytest.raises(ValueError, match="empty"):
        best([])


def test_the_mean_is_summed_in_order() -> None:
    """The order of the rows decides the last bit, so the same rows give the same bits everywhere."""
    values = [0.1, 0.2, 0.3]
    assert mean(values) == (0.1 + 0.2 + 0.3) / 3
    assert mean(values) != mean(values[::-1])


def test_the_module_loads_no_library() -> None:
    """Commands that only list sweeps import it; it adds nothing to what Python itself brings."""
    heavy = ("torch", "scipy", "pandas", "numpy", "pyarrow")
    code = f"import sys, harness.metrics.trials; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


SOURCES = [path for part in ("harness", "analysis") for path in sorted((ROOT / part).rglob("*.py"))]

#: Files that may compare an outcome with "diverged" or "failed", and the reason.
COMPARE = {
    "harness/metrics/diagnosis.py": "each of the two outcomes is a diagnosis of its own",
    "harness/sweep/retry.py": "only members that ran out of memory are retrained",
    "harness/cli/train.py": "its lines say which step diverged, and its exit status that all failed",
    "harness/tracking/run_content.py": "a tag says the reason of each of the two",
    "analysis/report/sections/provenance.py": "a table says the reason of each of the two",
}

#: Files that may average values with "ks" in their expression, and the reason.
AVERAGE = {
    "harness/metrics/noise_floor.py": "the mean of the KS distance by chance alone",
    "harness/sweep/halving.py": "the score at a rung, before the training has ended",
    "harness/sweep/trial_results.py": "steps until KS falls below a threshold, not KS",
    "harness/tracking/run_content.py": "curves over steps, and statistics of an arm's confirm seeds",
}


def literals(node: ast.AST) -> set[object]:
    """Every constant in an expression."""
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}


def test_only_one_module_says_which_outcomes_are_lost() -> None:
    """No other file lists diverged and failed together, or compares an outcome with either without a reason here."""
    lists, comparisons = set[str](), set[str]()
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                words = {element.value for element in node.elts if isinstance(element, ast.Constant)}
                lists |= {name} if {"diverged", "failed"} <= words else set()
            if isinstance(node, ast.Compare) and "outcome" in ast.unparse(node):
                comparisons |= {name} if {"diverged", "failed"} & literals(node) else set()
    assert lists == {"harness/metrics/trials.py"}
    assert comparisons <= set(COMPARE)


def test_only_one_module_averages_ks_over_seeds() -> None:
    """A mean of KS distances elsewhere needs a reason here; a trial's score is ``trial_score``."""
    means = set[str]()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("mean", "fmean"):
                means |= {str(path.relative_to(ROOT))} if "ks" in ast.unparse(node) else set()
    assert means <= set(AVERAGE)
