"""The contract of a sampler: settings that it suggests, results that it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

#: The value of every searched key of one trial.
Setting = dict[str, float]


@dataclass(frozen=True)
class Result:
    """The result of one trial.

    ``values`` has one finite number for each objective; lower is better. ``constraint`` is (n - 1/2)/N where n of the
    N seeds diverged or failed; it holds where it is negative, so only where no seed is lost. (Not n/N: a Gaussian
    process takes a point on the boundary to be as likely beyond it.) ``intermediate_values`` has the KS distance by
    step at the rungs of halving; ``pruned`` says that the trial was stopped at the last of them.
    """

    values: tuple[float, ...]
    constraint: float = -0.5
    intermediate_values: Mapping[int, float] = field(default_factory=dict)
    pruned: bool = False


class Sampler(Protocol):
    """Suggests the trials of one arm in rounds, and is told their results in the same order.

    Round 0 is the arm's own setting alone.
    """

    @property
    def staleness(self) -> int:
        """The number of rounds that may be asked for and not yet told when the next one is asked for."""

    def ask(self, count: int) -> list[Setting]:
        """The ``count`` settings of the next round."""

    def replay(self, settings: Sequence[Setting]) -> None:
        """Count a committed round as asked for.

        Raises:
            InputError: the sampler would have suggested something else, because the committed trials come from
                another version of it.
        """

    def tell(self, results: Sequence[Result]) -> None:
        """Take the results of the earliest round that was asked for and not told."""


def derived_seed(*parts: object) -> int:
    """A seed in [0, 2**32) that is a fixed function of the parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")
