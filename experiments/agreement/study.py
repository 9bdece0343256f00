"""GANs that the study trains, and the engines that train them."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd

from harness.config import Settings, Shape
from harness.data.target import Target
from harness.engines import ENGINES
from harness.engines.base import Engine
from harness.engines.cuda import CudaEngine
from harness.engines.cuda.host_build import HostBuild
from harness.members import Member
from harness.sweep.provenance import processor
from harness.sweep.training import train

#: Those of the program, and the CUDA kernel as the host's compiler builds it.
MAKERS = {**ENGINES, "cuda-host": lambda: CudaEngine(HostBuild(level=3))}

#: Size of the study in docs/agreement.md, for the engines that people train with.
MEMBERS, STEPS = 256, 10_000

#: Members trained together: few enough to show progress.
BATCH = 64


def members(count: int, steps: int, **changes: Any) -> list[Member]:
    """The script's GAN, its label True, with seeds 0, 1, ...; fields of Shape and Settings changed by name."""
    shape = Shape(steps=steps, snapshots=(steps,), **{k: v for k, v in changes.items() if k in Shape.model_fields})
    settings = Settings(**{k: v for k, v in changes.items() if k in Settings.model_fields})
    target = Target()
    return [Member("non_saturating", (), "variances", target, 0, seed, shape, settings) for seed in range(count)]


def train_members(engine: Engine, count: int, steps: int, **changes: Any) -> pd.DataFrame:
    """Train so many members; a row for each, of where it ended."""
    rows, start, all_members = [], time.perf_counter(), members(count, steps, **changes)
    for first in range(0, count, BATCH):
        rows += train(all_members[first : first + BATCH], engine, lambda done: None)
        print(f"{engine.identity}: {len(rows)} of {count}, {time.perf_counter() - start:.0f} s", flush=True)
    columns = ["seed", "outcome", "steps", "ks", "mean", "sd"]
    return pd.DataFrame(rows)[columns].assign(engine=engine.identity, machine=processor(), date=time.strftime("%F"))
