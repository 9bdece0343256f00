"""The work of a sweep as a pipeline: suggest, train, score, commit.

The calling thread trains. One thread scores the population before, one commits the one before that, another asks for
the settings of the next round. Settings depend on committed rows alone, and members on nothing but themselves, so the
threads change no row.

At most two trained populations wait for their commits while the next is trained: a kill loses three at most.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from harness.config import Arm, Experiment
from harness.search import Setting
from harness.sweep.commit import Committer
from harness.sweep.committed import CommittedRounds, Rows
from harness.sweep.plan import Round, confirm_members, round_steps, search_members
from harness.sweep.population_trainer import Placed, PopulationTrainer, TrainedPopulation, score_population
from harness.sweep.search_state import SearchState

RoundSettings = Mapping[Arm, Sequence[Setting]]

#: Populations that may be trained and not committed yet when the next one is begun.
MAX_UNCOMMITTED = 2


class _Threads(NamedTuple):
    """One thread for each stage beside training."""

    suggesting: ThreadPoolExecutor
    scoring: ThreadPoolExecutor
    committing: ThreadPoolExecutor


class Pipeline:
    """One run over the rounds of a sweep: ``run`` does what is not committed yet."""

    def __init__(
        self,
        experiment: Experiment,
        rounds: Sequence[Round],
        committed: CommittedRounds,
        trainer: PopulationTrainer,
        committer: Committer,
    ) -> None:
        self._experiment, self._committed = experiment, committed
        self._search_rounds, self._confirm_stage = list(rounds[:-1]), rounds[-1]
        self._trainer, self._committer = trainer, committer
        self._stopped = threading.Event()
        self._search_state = SearchState(experiment, self._search_rounds, committed, self._stopped.is_set)
        self._uncommitted: deque[Future[Rows]] = deque()

    def run(self) -> None:
        """Do every round.

        Raises:
            InputError: a sampler does not repeat what was committed, or no engine takes a member.
            StoreError: a committed file is damaged, or is not what this sweep would have committed.
        """
        with self._threads() as threads:
            suggested: dict[int, Future[RoundSettings]] = {}
            for n, round_ in enumerate(self._search_rounds):
                for k in (n, n + 1):  # ask for the next round too, if it may know nothing of this one
                    if (
                        k < len(self._search_rounds)
                        and k not in suggested
                        and self._search_state.last_known_round(k) < n
                    ):
                        suggested[k] = threads.suggesting.submit(self._search_state.settings, k)
                self._search_round(round_, suggested.pop(n).result(), threads)
            winners = threads.suggesting.submit(self._search_state.winners).result()
            self._confirm_round(confirm_members(self._experiment, self._confirm_stage, winners), threads)
            for population in self._uncommitted:
                population.result()

    @contextmanager
    def _threads(self) -> Iterator[_Threads]:
        threads = _Threads(*(ThreadPoolExecutor(1, name) for name in _Threads._fields))
        try:
            yield threads
        finally:
            # What is trained is still committed; nothing new is begun.
            self._stopped.set()
            threads.scoring.shutdown()
            threads.committing.shutdown()
            threads.suggesting.shutdown(cancel_futures=True)

    def _search_round(self, round_: Round, settings: RoundSettings, threads: _Threads) -> None:
        complete = self._committed.is_complete(round_)
        # A complete round needs no members: its rows were checked when they were loaded.
        placed = [] if complete else search_members(self._experiment, round_, settings)
        for index, size, members in _populations(round_, placed):
            if index in self._committed.revisions:
                if not complete:
                    self._committed.load_population(index, members)
                self._skip(round_, size)
                continue
            self._wait()
            trained = self._trainer.train_search(members, self._committer.listener.advanced)
            self._submit(threads, round_, index, members, trained)

    def _confirm_round(self, placed: Placed, threads: _Threads) -> None:
        for index, size, members in _populations(self._confirm_stage, placed):
            revision = 0
            if index in self._committed.revisions:
                if self._committed.holds(index, members):
                    self._skip(self._confirm_stage, size)
                    continue
                if not self._winners_may_have_changed():
                    raise self._committed.foreign_error(index)
                revision = self._committed.revisions[index] + 1
            self._wait()
            trained = self._trainer.train(
                "confirm", [member for _, member in members], self._committer.listener.advanced
            )
            self._submit(threads, self._confirm_stage, index, members, trained, revision=revision)

    def _winners_may_have_changed(self) -> bool:
        """True where trials were added, or members retrained, after the confirm stage was committed."""
        revisions = self._committed.revisions
        indices = [index for round_ in self._search_rounds for index, _ in round_.populations]
        return max(indices, default=0) > self._confirm_stage.populations[0][0] or any(map(revisions.get, indices))

    def _skip(self, round_: Round, size: int) -> None:
        """Report the steps of a population that is committed already."""
        total = sum(count for _, count in round_.populations)
        self._committer.listener.advanced(round_steps(self._experiment, round_) * size // total)

    def _wait(self) -> None:
        """Wait until no more than ``MAX_UNCOMMITTED`` populations wait for their commits."""
        while len(self._uncommitted) > MAX_UNCOMMITTED:
            self._uncommitted.popleft().result()

    def _submit(
        self,
        threads: _Threads,
        round_: Round,
        index: int,
        members: Placed,
        trained: TrainedPopulation,
        *,
        revision: int = 0,
    ) -> None:
        """Have a trained population scored and committed in the threads for it."""
        locations = [location for location, _ in members]
        scored = threads.scoring.submit(score_population, trained)

        def commit() -> Rows:
            return self._committer.commit(round_, index, locations, scored.result(), trained, revision=revision)

        rows = threads.committing.submit(commit)
        self._committed.add(index, rows)
        self._uncommitted.append(rows)


def _populations(round_: Round, placed: Placed) -> Iterator[tuple[int, int, Placed]]:
    """Index, size and members of every population of a round; no members where none are given."""
    start = 0
    for index, size in round_.populations:
        yield index, size, placed[start : start + size]
        start += size
