"""Budget curves against enumeration: the mean over every set of k trials of what its best is worth on other seeds."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.report.sections.budget import best_of_k_weights, budget_curves


def trials(scores: list[tuple[float, float]], pruned: tuple[int, ...] = ()) -> pd.DataFrame:
    """Trials of one arm with these halves."""
    first, second = np.array(scores).T
    return pd.DataFrame(
        {"arm": "a", "trial": range(len(scores)), "half_a": first, "half_b": second,
         "pruned": [i in pruned for i in range(len(scores))]}
    )  # fmt: skip


def enumerated(scores: list[tuple[float, float]], k: int) -> float:
    """The mean over all sets of k, both halves choosing in turn; of equals the earliest is chosen."""
    found = []
    for choose, judge in ((0, 1), (1, 0)):
        for some in itertools.combinations(range(len(scores)), k):
            best = min(some, key=lambda i: (scores[i][choose], i))
            found.append(scores[best][judge])
    return float(np.mean(found))


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=7))
def test_curve_is_the_mean_over_all_sets(scores: list[tuple[float, float]]) -> None:
    """Every k of up to seven trials, ties included."""
    found = budget_curves(trials(scores))
    assert list(found["trials"]) == list(range(1, len(scores) + 1))
    for k, expected in zip(found["trials"], found["expected"], strict=True):
        assert expected == pytest.approx(enumerated(scores, k))
    assert (found["low"] <= found["high"]).all()
    assert found["held_out"].all()


def test_weights_are_probabilities() -> None:
    """For 12,000 trials and any k the chances of the ranks add up to 1, and are not negative."""
    weights = best_of_k_weights(12_000, np.array([1, 7, 300, 12_000]))
    assert weights.sum(axis=1) == pytest.approx(np.ones(4))
    assert weights.min() >= 0
    assert weights[3, 0] == pytest.approx(1)


def test_luck_is_not_rewarded() -> None:
    """A thousand equal trials whose halves differ by chance alone: the curve stays at their mean, 0.5, for every k.

    Chosen and judged by the same seeds it would fall to 0: the standard error of 20 points of 1000 is below 0.05.
    """
    scores = np.random.default_rng(0).uniform(size=(1000, 2))
    found = budget_curves(trials([tuple(s) for s in scores]))
    few = found[found["trials"] <= 50]
    assert few["expected"].to_numpy() == pytest.approx(0.5, abs=0.15)
    assert (few["low"] <= 0.5).all()
    assert (few["high"] >= 0.5).all()


def test_in_order_is_what_was_in_hand() -> None:
    """Trials 0.5, 0.9, 0.2, 0.3 in both halves: in hand are 0.5, 0.5, 0.2, 0.2."""
    found = budget_curves(trials([(v, v) for v in (0.5, 0.9, 0.2, 0.3)]))
    assert found["in_order"].tolist() == [0.5, 0.5, 0.2, 0.2]


def test_a_stopped_trial_is_chosen_last() -> None:
    """A trial that halving stopped at KS 0.1 stands behind one of 0.4 that ran to its end."""
    found = budget_curves(trials([(0.4, 0.4), (0.1, 0.1)], pruned=(1,)))
    assert found["expected"].tolist() == pytest.approx([0.25, 0.4])


def test_one_seed_is_said_to_be_none_held_out() -> None:
    """With one seed a trial is chosen and judged by it, and the table says so; without trials it is empty."""
    found = budget_curves(trials([(0.4, np.nan), (0.2, np.nan)]))
    assert found["expected"].tolist() == pytest.approx([0.3, 0.2])
    assert not found["held_out"].any()
    assert budget_curves(trials([(0.1, 0.1)]).iloc[:0]).empty
