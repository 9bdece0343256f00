"""The work of a sweep: rounds are asked for, trained, scored and committed, each while another is in training.

The calling thread trains. One thread scores the population before, one commits the one before that, another asks for
the round behind. What is asked depends on the committed rows alone and members on nothing but themselves, so threads
show in no row.

At most two populations that were trained wait for their commits while the next is trained: a kill loses three
populations at most.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from harness.config import Arm, Experiment
from harness.engines.auto import Trainer
from harness.search import Setting
from harness.store import Store
from harness.sweep import committed
from harness.sweep.commit import Committing
from harness.sweep.plan import Round, confirm_members, round_steps, search_members
from harness.sweep.population_trainer import Placed, PopulationTrainer, TrainedPopulation, score_population
from harness.sweep.suggest import Rows, SearchState

Settings = Mapping[Arm, Sequence[Setting]]

#: Populations that may have been trained and not be committed yet when a further one is begun.
_WAITING = 2


class _Threads(NamedTuple):
    """One thread each for what goes on beside training."""

    asking: ThreadPoolExecutor
    scoring: ThreadPoolExecutor
    committing: ThreadPoolExecutor


class Pipeline:
    """One run over the rounds of a sweep: ``run`` does what is not committed yet."""

    def __init__(
        self,
        experiment: Experiment,
        rounds: Sequence[Round],
        store: Store,
        trainer: Trainer,
        workshop: PopulationTrainer,
        committing: Committing,
    ) -> None:
        self._experiment, self._store, self._trainer = experiment, store, trainer
        self._searching, self._confirm = list(rounds[:-1]), rounds[-1]
        self._workshop, self._committing = workshop, committing
        self._revisions = store.revisions()
        self._columns = committed.columns(experiment)
        self._over = threading.Event()
        self._asking = SearchState(experiment, self._searching, self._rows_of, self._over.is_set)
        #: Of every population up to the one in training, what the search needs of its rows.
        self._rows: dict[int, Future[Rows]] = {}
        self._waiting: deque[Future[Rows]] = deque()

    def run(self) -> None:
        """Do every round.

        Raises:
            InputError: a sampler does not repeat what was committed, or no engine takes a member.
            StoreError: a committed file is damaged, or is not what this sweep would have committed.
        """
        with self._threads() as threads:
            asked: dict[int, Future[Settings]] = {}
            for n, this in enumerate(self._searching):
                for further in (n, n + 1):  # the next round too, where all that it may know is on its way
                    if further < len(self._searching) and further not in asked and self._asking.knows(further) < n:
                        asked[further] = threads.asking.submit(self._settings, further)
                self._search_round(this, asked.pop(n).result(), threads)
            winners = threads.asking.submit(self._asking.winners).result()
            self._confirm_round(confirm_members(self._experiment, self._confirm, winners), threads)
            for waiting in self._waiting:
                waiting.result()

    @contextmanager
    def _threads(self) -> Iterator[_Threads]:
        threads = _Threads(*(ThreadPoolExecutor(1, name) for name in _Threads._fields))
        try:
            yield threads
        finally:
            # What was trained is committed still; nothing further is begun.
            self._over.set()
            threads.scoring.shutdown()
            threads.committing.shutdown()
            threads.asking.shutdown(cancel_futures=True)

    def _settings(self, n: int) -> Settings:
        """What round n tries, in the thread that asks."""
        this = self._searching[n]
        if not self._is_whole(this):
            return self._asking.ask(n)
        found = {index: self._read(index) for index, _ in this.populations}
        told = [row for rows in found.values() for row in rows.told]
        committed.check_search(self._experiment, self._trainer, self._store, this, told)
        self._rows |= {index: _done(rows) for index, rows in found.items()}
        return self._asking.repeat(n, told)

    def _is_whole(self, this: Round) -> bool:
        return all(index in self._revisions for index, _ in this.populations)

    def _search_round(self, this: Round, settings: Settings, threads: _Threads) -> None:
        # Members are made only where some are to be trained: of a round that is committed, keys were compared.
        placed = [] if self._is_whole(this) else search_members(self._experiment, this, settings)
        start = 0
        for index, size in this.populations:
            portion = placed[start : start + size]
            start += size
            if index in self._revisions:
                self._found(this, index, size, portion)
                continue
            self._wait()
            trained = self._workshop.train_search(portion, self._committing.listener.advanced)
            self._hand_over(threads, this, index, portion, trained)

    def _confirm_round(self, placed: Placed, threads: _Threads) -> None:
        this, start = self._confirm, 0
        for index, size in this.populations:
            portion = placed[start : start + size]
            start += size
            revision = 0
            if index in self._revisions:
                if committed.are_of(self._trainer, committed.read(self._store, index, self._columns), portion):
                    self._found(this, index, size, ())
                    continue
                if not self._winners_may_have_changed():
                    raise committed.foreign(self._store, index)
                revision = self._revisions[index] + 1
            self._wait()
            members = [member for _, member in portion]
            trained = self._workshop.train("confirm", members, self._committing.listener.advanced)
            self._hand_over(threads, this, index, portion, trained, revision)

    def _winners_may_have_changed(self) -> bool:
        """Whether trials came in, or members were trained again, after the confirm stage was committed."""
        indices = [index for this in self._searching for index, _ in this.populations]
        return max(indices, default=0) > self._confirm.populations[0][0] or any(map(self._revisions.get, indices))

    def _read(self, index: int) -> Rows:
        told = committed.read(self._store, index, self._columns, 0)
        return Rows(told, committed.read(self._store, index, self._columns) if self._revisions[index] else told)

    def _found(self, this: Round, index: int, size: int, portion: Placed) -> None:
        """Take a population that is committed already; ``portion`` says whose it must be, unless that was looked at."""
        if portion:
            rows = self._read(index)
            if not committed.are_of(self._trainer, rows.told, portion):
                raise committed.foreign(self._store, index)
            self._rows[index] = _done(rows)
        steps = round_steps(self._experiment, this) * size // sum(n for _, n in this.populations)
        self._committing.listener.advanced(steps)

    def _wait(self) -> None:
        """Until no more populations wait for their commits than may."""
        while len(self._waiting) > _WAITING:
            self._waiting.popleft().result()

    def _hand_over(
        self,
        threads: _Threads,
        this: Round,
        index: int,
        portion: Placed,
        trained: TrainedPopulation,
        revision: int = 0,
    ) -> None:
        there = [place for place, _ in portion]
        scored = threads.scoring.submit(score_population, trained)

        def commit() -> Rows:
            return self._committing.commit(this, index, there, scored.result(), trained, revision=revision)

        committed = threads.committing.submit(commit)
        self._rows[index] = committed
        self._waiting.append(committed)

    def _rows_of(self, this: Round) -> Rows:
        """The rows of a round, once it is committed; asked for once."""
        found = [self._rows.pop(index).result() for index, _ in this.populations]
        told = [row for rows in found for row in rows.told]
        if all(rows.now is rows.told for rows in found):
            return Rows(told, told)
        return Rows(told, [row for rows in found for row in rows.now])


def _done(rows: Rows) -> Future[Rows]:
    found: Future[Rows] = Future()
    found.set_result(rows)
    return found
