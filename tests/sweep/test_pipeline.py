"""A population trains while the last is committed and the next is asked for: how far ahead, and that it never shows."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.sweeps import RATES, InterruptingListener, assert_same_rows, carry_on, experiment

from harness.config import Experiment
from harness.engines.base import Measure, Progress, Segment, TrainingResult
from harness.engines.batched import BatchedEngine
from harness.members import Group
from harness.search.adaptive import AdaptiveSampler
from harness.search.base import Setting
from harness.sweep.plan import Round

#: Guards only against an endless wait.
HANG_SECONDS = 400.0


class Watched(BatchedEngine):
    """The batched engine, which says when it is called."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self.calls, self.called = 0, threading.Condition()

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None
    ) -> TrainingResult:
        with self.called:
            self.calls += 1
            self.called.notify_all()
        return super().train(group, measure, progress, segments)

    def wait_for_call(self, n: int) -> bool:
        """Wait until training number n has begun."""
        with self.called:
            return self.called.wait_for(lambda: self.calls >= n, HANG_SECONDS)


class Holding(InterruptingListener):
    """A listener that holds up the commit of one population until the engine has begun so many trainings."""

    def __init__(self, index: int, engine: Watched, calls: int) -> None:
        super().__init__()
        self._index, self._engine, self._calls = index, engine, calls
        self.begun: int | None = None

    def committed(self, round_: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        super().committed(round_, index, rows, seconds)
        if index == self._index:
            assert self._engine.wait_for_call(self._calls)
            time.sleep(0.3)  # room for a further one to begin, if any could
            self.begun = self._engine.calls


def test_two_populations_wait_while_the_next_trains(tmp_path: Path) -> None:
    """While population 2 is held up on its way into the folder, 3 and 4 are trained, and nothing behind them."""
    engine = Watched()
    ear = Holding(2, engine, calls=5)  # populations 0 to 4: one call each, for a population has one shape
    store = carry_on(experiment("random"), tmp_path / "held", ear, engine)
    assert ear.begun == 5
    assert_same_rows(store, carry_on(experiment("random"), tmp_path / "plain/small"))


@pytest.mark.parametrize(("sampler", "ahead"), [("tpe", True), ("auto", True), ("cmaes", False), ("nsga2", False)])
def test_the_next_round_is_asked_for_while_one_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, ahead: bool
) -> None:
    """TPE is asked for the round behind while a round is in training; a generation is never asked for before its last
    one is committed.
    """
    asked = list[int]()
    real = AdaptiveSampler.ask

    def ask(self: AdaptiveSampler, count: int) -> list[Setting]:
        asked.append(store_count(tmp_path / "small"))
        return real(self, count)

    monkeypatch.setattr(AdaptiveSampler, "ask", ask)
    carry_on(longer(sampler), tmp_path / "small")
    # By round: the populations that were committed when it was asked for, of two to a round.
    committed = asked[::2]
    begins = len(committed)
    rounds = range(9 - begins, 9)
    if ahead:
        assert any(done < 2 * n for n, done in zip(rounds, committed, strict=True) if n > 1)
        assert all(done >= 2 * (n - 1) for n, done in zip(rounds, committed, strict=True) if n > 1)
    else:
        assert all(done == 2 * n for n, done in zip(rounds, committed, strict=True))


def store_count(folder: Path) -> int:
    """Number of populations in the folder."""
    return len(list((folder / "populations").glob("*.parquet"))) if (folder / "populations").exists() else 0


def longer(sampler: str) -> Experiment:
    """Two arms, nine trials in rounds of one, two populations to a round."""
    return experiment(search={"sampler": sampler, "trials": 9, "seeds": 2, "space": RATES})


class Slow(InterruptingListener):
    """A listener that takes its time with every commit."""

    def committed(self, round_: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        super().committed(round_, index, rows, seconds)
        time.sleep(0.15)


@pytest.mark.parametrize("sampler", ["auto", "tpe", "cmaes", "nsga2"])
def test_the_speed_of_commits_shows_nowhere(tmp_path: Path, sampler: str) -> None:
    """With commits slower than training, what a round knows, and so what it asks, is the same."""
    spec = longer(sampler)
    quick = carry_on(spec, tmp_path / "a/small")
    assert_same_rows(carry_on(spec, tmp_path / "b/small", Slow()), quick)


def test_a_commit_that_fails_ends_the_sweep(tmp_path: Path) -> None:
    """An error in the thread that commits is raised where the sweep was run, and no thread is left."""

    class Broken(InterruptingListener):
        def committed(self, round_: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        carry_on(experiment("tpe"), tmp_path / "small", Broken())
    assert not [t.name for t in threading.enumerate() if t.name.startswith(("suggesting", "scoring", "committing"))]
