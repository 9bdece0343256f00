"""The sweeps that are measured: one arm, the loss of the 50-line script, as large as a line asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config import Experiment
from harness.engines.base import Engine
from harness.store import Store
from harness.sweep.plan import Round
from harness.sweep.sweep import Sweep

#: The sampler whose points do not depend on scores: asking costs the least it can.
SOBOL = "sobol"

_SPACE = {
    "lr_d": {"low": 1e-5, "high": 1e-2, "log": True},
    "lr_g": {"low": 1e-5, "high": 1e-2, "log": True},
    "beta1": {"low": 0.0, "high": 0.9},
    "ema": {"low": 0.0, "high": 0.999},
}


#: Members to a population where thousands of trials are asked for, as one GPU trains side by side.
THOUSANDS = 1000


def experiment(
    sampler: str, trials: int, steps: int = 4000, seeds: int = 4, population: int | None = None, **train: Any
) -> Experiment:
    """So many trials of one arm, in populations of the default size or another, four hyper-parameters searched."""
    size = {} if population is None else {"population": population}
    return Experiment.model_validate(
        {
            "name": "tooling",
            "variants": ["non_saturating"],
            **size,
            "train": {"steps": steps, **train},
            "search": {"sampler": sampler, "trials": trials, "seeds": seeds, "space": _SPACE},
            "confirm": {"seeds": seeds},
        }
    )


class Tally:
    """A listener that adds up what training took."""

    def __init__(self) -> None:
        self.seconds, self.members = 0.0, 0

    def advanced(self, gan_steps: int) -> None:
        """Steps are not what is counted here."""

    def committed(self, this: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """A population is committed."""
        self.seconds += seconds
        self.members += len(rows)


def opened(spec: Experiment, folder: Path, engine: Engine) -> Sweep:
    """The sweep in its folder, begun or taken up."""
    job = Sweep(spec, Store(folder), engine)
    job.open()
    return job
