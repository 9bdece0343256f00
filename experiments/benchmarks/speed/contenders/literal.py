"""The literal seed loop on one thread, where it is fastest, in float32, with torch's own random numbers."""

from __future__ import annotations

import time

import torch
from literal_script import SeedLoop

from speed.contenders.contender import SET_VIEW, Description


class Literal:
    """One GAN at a time: torch.nn, BCELoss, torch.optim.Adam, eager."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.description = Description(
            device="cpu",
            identity="literal",
            note="torch.nn modules, BCELoss, torch.optim.Adam, eager, one thread",
            randomness="torch.rand and torch.randn",
            views=(SET_VIEW,),
            multiple=0,
        )

    def losses(self, view: str, members: int, steps: int, given: str) -> list[list[float]]:
        found = []
        for seed in range(members):
            loop = SeedLoop(view, seed, torch.float32)
            for step in range(steps):
                loop.step(step)
            found.append([float(loss) for loss in loop.losses[-1]])
        return found

    def prepare(self, population: int, view: str) -> _Running:
        return _Running(SeedLoop(view, 0, torch.float32, own_randomness=True))


class _Running:
    setup = 0.0

    def __init__(self, loop: SeedLoop) -> None:
        self.loop = loop

    def run(self, steps: int) -> float:
        self.loop.losses.clear()
        start = time.perf_counter()
        for step in range(steps):
            self.loop.step(step)
        return time.perf_counter() - start
