"""Sweeps of a second each in this process, for every test that needs committed rows.

The sizes: 2 arms x 2 seeds = 4 members a trial, populations of 3, so that every round is cut into two populations and
can be interrupted between them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config import Experiment
from harness.engines.base import Engine
from harness.engines.batched import BatchedEngine
from harness.losses import Citation, Parameter, Variant, fake, real, softplus
from harness.store import SCHEMA, Store
from harness.sweep.plan import Round
from harness.sweep.sweep import Sweep

STEPS = 20
RATES = {name: {"low": 1e-5, "high": 1e-2, "log": True} for name in ("lr_d", "lr_g")}
GRID = {"lr_d": {"choices": [2e-4, 1e-3]}, "lr_g": {"choices": [2e-4, 1e-3, 5e-3]}}

#: CMA-ES asks its second generation, the first that depends on scores, after the baseline and 4 trials.
TRIALS = {"cmaes": 7}


class InterruptingListener:
    """A listener that keeps what it hears, and interrupts at the n-th commit or at the n-th word of progress."""

    def __init__(self, commits: int | None = None, words: int | None = None) -> None:
        self._commits, self._words = commits, words
        self.steps, self.words, self.indices = 0, 0, list[int]()

    def advanced(self, gan_steps: int) -> None:
        self.steps += gan_steps
        self.words += 1
        if self.words == self._words:
            raise KeyboardInterrupt

    def committed(self, round_: Round, index: int, rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
        self.indices.append(index)
        if len(self.indices) == self._commits:
            raise KeyboardInterrupt


def experiment(sampler: str = "random", **changes: Any) -> Experiment:
    """Two arms, four trials (seven of CMA-ES), two seeds; ``changes`` replace whole keys of the file."""
    search = {"sampler": sampler, "trials": TRIALS.get(sampler, 4), "seeds": 2}
    plain: dict[str, Any] = {
        "name": "small",
        "variants": ["minimax", "least_squares"],
        "population": 3,
        "train": {"steps": STEPS, "batch": 20, "hidden": 8, "snapshots": [STEPS // 2, STEPS]},
        "search": search | {"space": GRID if sampler == "grid" else RATES},
        "confirm": {"seeds": 2},
    }
    return Experiment.model_validate(plain | changes)


def carry_on(
    spec: Experiment,
    folder: Path,
    ear: InterruptingListener | None = None,
    engine: Engine | None = None,
    reuse: bool = True,
) -> Store:
    """What the command does: open the folder and run what is missing, with everything made anew."""
    sweep = Sweep(spec, Store(folder), engine or BatchedEngine("cpu"), reuse=reuse)
    sweep.open()
    sweep.run(ear or InterruptingListener())
    return sweep.store


def assert_same_rows(one: Store, other: Store) -> None:
    """Column by column, bit for bit, in the same order and the same files."""
    assert one.committed() == other.committed()
    a, b = one.table(), other.table()
    assert [name for name in SCHEMA.names if repr(a[name].to_pylist()) != repr(b[name].to_pylist())] == []


def contents(folder: Path) -> dict[str, str]:
    """A hash of every file under the folder."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def altered(store: Store, index: int, column: str, value: Any) -> str:
    """Commit a population anew with another value in its first row; the key of that row."""
    rows = store.population(index).to_pylist(maps_as_pydicts="strict")
    (store.folder / f"populations/{index:06d}.parquet").unlink()
    store.commit(index, [rows[0] | {column: value}, *rows[1:]], {})
    return str(rows[0]["key"])


def tempered(factor: float = 2) -> Variant:
    """A variant as a user would write it; its parameter has the name of a committed column."""
    sd = Parameter("sd", 1, 0.1, 10.0, "temperature of the generator")
    return Variant(
        name="tempered",
        family="mine",
        discriminator=softplus(-real) + softplus(fake),
        generator=softplus(-fake / sd.symbol) / factor,
        parameters=(sd,),
        citation=Citation(key="mine", authors=("Ada Example",), year=2020, title="A tempered loss"),
    )
