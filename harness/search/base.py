"""What a search asks for and what it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

#: The value of every searched key of one trial.
Setting = dict[str, float]


@dataclass(frozen=True)
class Result:
    """How one trial came out.

    ``values`` has one finite number for each objective, lower is better. ``at`` holds what its race, if any, measured
    on the way: its KS by step at the rungs of halving, or by seed in pruning by seed; ``pruned`` says that it was
    stopped there. ``lost`` is (n - 1/2)/N where n of its N seeds diverged or failed: the constraint that none does is
    kept where it is negative. (Not n/N: to a Gaussian process what lies on the boundary is as likely beyond it.)
    """

    values: tuple[float, ...]
    lost: float = -0.5
    at: Mapping[int, float] = field(default_factory=dict)
    pruned: bool = False


class Sampler(Protocol):
    """The trials of one arm: asked for in rounds, told round by round, in the order in which they were asked.

    Round 0 is the arm's own setting alone.
    """

    @property
    def staleness(self) -> int:
        """How many rounds may be asked for and not yet told when a further one is asked."""

    def ask(self, count: int) -> list[Setting]:
        """The ``count`` settings of the next round."""

    def repeat(self, settings: Sequence[Setting]) -> None:
        """Take a committed round for asked.

        Raises:
            InputError: the sampler would have asked for something else, because the committed trials come from
                another version of it.
        """

    def tell(self, results: Sequence[Result]) -> None:
        """The results of the earliest round that was asked and not told."""


def derived_seed(*parts: object) -> int:
    """A seed in [0, 2**32) that is a fixed function of the parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")
