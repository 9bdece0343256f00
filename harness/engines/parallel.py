"""Threads for training and scoring: tasks that end together, arithmetic on one thread each, no denormal numbers."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import torch

from harness.engines.base import Progress

Result = TypeVar("Result")


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_parallel(
    tasks: Sequence[Callable[[Progress], Result]], pools: Sequence[ThreadPoolExecutor], progress: Progress
) -> list[Result]:
    """Run tasks on the pools in turn; their results in the order of the tasks. The pools are shut down.

    Each task is given a function that reports its steps. When one fails, or ``progress`` or an interrupt raises, the
    others end at their next report, and the exception is raised here.
    """
    lock, cancelled = threading.Lock(), threading.Event()

    def report(steps: int) -> None:
        if cancelled.is_set():
            raise CancelledError
        with lock:
            progress(steps)

    jobs: list[Future[Result]] = []
    with ExitStack() as held:
        for pool in pools:
            held.enter_context(pool)
        try:  # from the first job on, so that an interrupt at any moment ends those that run
            jobs += [pool.submit(task, report) for task, pool in zip(tasks, itertools.cycle(pools), strict=False)]
            wait(jobs, return_when=FIRST_EXCEPTION)
        finally:
            cancelled.set()  # no effect where all have ended
            for pool in pools:
                pool.shutdown(cancel_futures=True)
    for error in (job.exception() for job in jobs if not job.cancelled()):
        if error and not isinstance(error, CancelledError):
            raise error
    return [job.result() for job in jobs]


@contextmanager
def single_threaded() -> Iterator[None]:
    """Compute with torch on the calling thread alone: faster for small arrays, and always the same bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def flushing_denormals() -> Iterator[None]:
    """Take numbers below 1e-38 for 0 on the calling thread.

    With a vanishing gradient, which Adam halves for ever, they make every operation several times slower on CPUs, and
    they change no result that anybody could see.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
