"""Batches: every member once, by engine and shape, as many as fit into memory; how they are cut never shows."""

from __future__ import annotations

from typing import Any

import pytest
from support.engines import others
from support.members import member

from harness.data.views import VIEWS
from harness.engines.base import Bounded, Measure, Progress, Segment, TrainingResult
from harness.engines.batched import BatchedEngine
from harness.engines.memory import member_bytes
from harness.losses import LOSSES
from harness.members import Group, Member
from harness.sweep.batching import make_batches, train_batches
from harness.sweep.training import snapshot_measure, train

SMALL: dict[str, Any] = {"batch": 10, "hidden": 4, "steps": 6}


class Cramped(BatchedEngine):
    """An engine whose device has room for 16 members at once, and which counts what it is given."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self.given: list[int] = []

    def capacity(self, group: Group) -> int:
        return 16

    def train(self, group: Group, measure: Measure, progress: Progress, segments: Any = None) -> TrainingResult:
        self.given.append(len(group.members))
        return super().train(group, measure, progress, segments)


def crowd() -> list[Member]:
    """Forty members of one shape and three of another, in between."""
    many = others(40, **SMALL)
    return [*many[:20], *(member(seed=seed, **SMALL | {"hidden": 5}) for seed in range(3)), *many[20:]]


def test_a_population_that_does_not_fit_is_trained_in_batches_with_the_same_rows() -> None:
    """16, 16 and 8 of one shape and 3 of the other, and every row as if all had been trained at once."""
    engine = Cramped()
    assert isinstance(engine, Bounded)
    rows = train(crowd(), engine, lambda steps: None)
    assert sorted(engine.given) == [3, 8, 16, 16]
    assert repr(rows) == repr(train(crowd(), BatchedEngine("cpu"), lambda steps: None))


def test_batches_fit_into_the_memory_there_is() -> None:
    """As many whole stacks of the largest member as the bytes hold, at least one; everybody once, equals too."""
    members = [*others(50, **SMALL), *others(50, **SMALL)]  # every member twice
    one = members[0]
    size = member_bytes(one.shape, VIEWS[one.view], LOSSES[one.loss], one.settings)
    for available, most in ((1, 16), (31 * size, 16), (33 * size, 32), (10**6 * size, 100)):
        found = make_batches(members, BatchedEngine("cpu"), available)
        assert max(len(batch.indices) for batch in found) == most
        assert sorted(index for batch in found for index in batch.indices) == list(range(100))
        for batch in found:
            assert [members[index] for index in batch.indices] == list(batch.group.members)


def test_the_largest_kind_of_member_counts() -> None:
    """One member with a penalty, which holds more activations, makes the batches of its group smaller."""
    members = [*others(32, **SMALL), member(r1=1.0, seed=5, **SMALL)]
    plain, penalised = (
        member_bytes(m.shape, VIEWS[m.view], LOSSES[m.loss], m.settings) for m in (members[0], members[-1])
    )
    assert penalised > plain
    available = 32 * plain
    assert [len(p.indices) for p in make_batches(members[:-1], BatchedEngine("cpu"), available)] == [32]
    assert [len(p.indices) for p in make_batches(members, BatchedEngine("cpu"), available)] == [16, 16, 1]


def test_segments_are_given_for_all_members_or_for_none() -> None:
    """A call says of every member how far to train it, or of none."""
    first, second = others(2, **SMALL)
    with pytest.raises(ValueError, match="1 segments for 2 members"):
        train_batches([first, second], BatchedEngine("cpu"), snapshot_measure, lambda steps: None, [Segment(0, 3)])
