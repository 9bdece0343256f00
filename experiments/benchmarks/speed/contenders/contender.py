"""What a contender is to the benchmark: it shows its losses, and it times steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

#: The view of the seed, and the one that decides on each value by itself.
SET_VIEW, SAMPLE_VIEW = "variances", "sample"


class Absent(Exception):  # noqa: N818 - no error: the table says it
    """A contender that cannot run here, with the reason."""


@dataclass(frozen=True)
class Description:
    """``identity`` is equal for two names of one thing. ``multiple``: populations must be a multiple of it; 0 is for
    those that train one GAN at a time. ``randomness`` says whose numbers a timed step draws.
    """

    device: str
    identity: str
    note: str
    randomness: str
    views: tuple[str, ...]
    multiple: int = 1


class Timed(Protocol):
    """A population made ready: weights made, code compiled, nothing left to do but steps."""

    #: Least seconds, so far, that a run takes besides its steps: to be taken off what ``run`` returns.
    setup: float

    def run(self, steps: int) -> float:
        """Seconds that ``steps`` more steps of the whole population took, with what was besides them."""


class Contender(Protocol):
    """Made in the process that runs it; ``Absent`` where it cannot be."""

    description: Description

    def losses(self, view: str, members: int, steps: int, given: str) -> list[list[float]]:
        """The three losses of the last step for members of seeds 0, 1, ...: from weights and draws of
        ``harness.data.rng``, which the file ``given`` holds too (``given.py``).
        """

    def prepare(self, population: int, view: str) -> Timed:
        """A population made ready to be timed."""
