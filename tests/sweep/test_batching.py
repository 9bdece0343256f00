"""Who is trained together: everybody once, by engine and shape, in portions that fit; how they are cut never shows."""

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
from harness.sweep.batching import advance, portions
from harness.sweep.training import snapshot_measure, train

SMALL: dict[str, Any] = {"batch": 10, "hidden": 4, "steps": 6}


class Cramped(BatchedEngine):
    """An engine whose device has room for 16 members at once, and which counts what it is given."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self.given: list[int] = []

    def capacity(self, group: Group) -> int:
        return 16

    def train(self, group: Group, measure: Measure, progress: Progress, legs: Any = None) -> TrainingResult:
        self.given.append(len(group.members))
        return super().train(group, measure, progress, legs)


def crowd() -> list[Member]:
    """Forty members of one shape and three of another, in between."""
    many = others(40, **SMALL)
    return [*many[:20], *(member(seed=seed, **SMALL | {"hidden": 5}) for seed in range(3)), *many[20:]]


def test_a_population_that_does_not_fit_is_trained_in_portions_with_the_same_rows() -> None:
    """16, 16 and 8 of one shape and 3 of the other, and every row as if all had been trained at once."""
    engine = Cramped()
    assert isinstance(engine, Bounded)
    rows = train(crowd(), engine, lambda steps: None).rows
    assert sorted(engine.given) == [3, 8, 16, 16]
    assert repr(rows) == repr(train(crowd(), BatchedEngine("cpu"), lambda steps: None).rows)


def test_portions_fit_into_the_memory_there_is() -> None:
    """As many whole stacks of the largest member as the bytes hold, at least one; everybody once, equals too."""
    members = [*others(50, **SMALL), *others(50, **SMALL)]  # every member twice
    one = members[0]
    size = member_bytes(one.shape, VIEWS[one.view], LOSSES[one.loss], one.settings)
    for available, most in ((1, 16), (31 * size, 16), (33 * size, 32), (10**6 * size, 100)):
        found = portions(members, BatchedEngine("cpu"), available)
        assert max(len(portion.places) for portion in found) == most
        assert sorted(place for portion in found for place in portion.places) == list(range(100))
        for portion in found:
            assert [members[place] for place in portion.places] == list(portion.group.members)


def test_the_largest_kind_of_member_counts() -> None:
    """One member with a penalty, which holds more activations, makes the portions of its group smaller."""
    members = [*others(32, **SMALL), member(r1=1.0, seed=5, **SMALL)]
    plain, penalised = (
        member_bytes(m.shape, VIEWS[m.view], LOSSES[m.loss], m.settings) for m in (members[0], members[-1])
    )
    assert penalised > plain
    available = 32 * plain
    assert [len(p.places) for p in portions(members[:-1], BatchedEngine("cpu"), available)] == [32]
    assert [len(p.places) for p in portions(members, BatchedEngine("cpu"), available)] == [16, 16, 1]


def test_legs_and_whole_trainings_do_not_mix() -> None:
    """A call says of everybody how far to go, or of nobody."""
    first, second = others(2, **SMALL)
    with pytest.raises(ValueError, match="stand in one call"):
        advance(
            [(first, Segment(0, 3), None), (second, None, None)],
            BatchedEngine("cpu"),
            snapshot_measure,
            lambda steps: None,
        )
