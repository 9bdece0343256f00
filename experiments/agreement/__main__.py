"""Do all engines train the same GANs? The law of the final KS distance, engine by engine, from the same seeds.

    python experiments/agreement train ENGINE [--members 256] [--steps 10000]    (nox -s agreement)
    python experiments/agreement report

Question    Engines agree step by step for some fifty steps; then rounding is amplified. Are they still the same GANs?
Prediction  After 10,000 steps a member's KS differs from engine to engine, its distribution over seeds does not:
            neither two-sample tests nor paired ones tell two engines apart.
Cost        2.56 million GAN-steps an engine: on two cores one minute (cpu), four (batched), nine (the CUDA kernel's
            host build); the float64 reference takes 47 minutes, so docs/agreement.md has it with the first 64 seeds.

``train`` writes docs/figures/agreement/ENGINE.csv, a row a member; ``report`` reads those files and writes
docs/agreement.md and its figure.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd
from pages import write_report

from harness.engines import ENGINES
from harness.engines.base import Engine
from harness.engines.cuda import CudaEngine
from harness.engines.cuda.host import HostBuild
from harness.population import Member
from harness.provenance import processor
from harness.spec import Settings, Shape
from harness.targets import Target
from harness.training import train

FOLDER = Path("docs/figures/agreement")

#: Those of the program, and the CUDA kernel as the host's compiler builds it.
MAKERS = {**ENGINES, "cuda-host": lambda: CudaEngine(HostBuild())}

#: Members trained together: small enough for progress to be seen.
PORTION = 64


def members(count: int, steps: int) -> list[Member]:
    """The script's GAN, its label True, with seeds 0, 1, ..."""
    shape = Shape(steps=steps, snapshots=(steps,))
    return [Member("non_saturating", (), "variances", Target(), 0, seed, shape, Settings()) for seed in range(count)]


def trained(engine: Engine, count: int, steps: int) -> pd.DataFrame:
    """A row a member: where it ended."""
    rows, start, every = [], time.perf_counter(), members(count, steps)
    for first in range(0, count, PORTION):
        rows += train(every[first : first + PORTION], engine, lambda done: None).rows
        print(f"{engine.identity}: {len(rows)} of {count}, {time.perf_counter() - start:.0f} s", flush=True)
    columns = ["seed", "outcome", "steps", "ks", "mean", "sd"]
    return pd.DataFrame(rows)[columns].assign(engine=engine.identity, machine=processor(), date=time.strftime("%F"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="train with one engine and keep where its members ended")
    training.add_argument("engine", choices=list(MAKERS))
    training.add_argument("--members", type=int, default=256)
    training.add_argument("--steps", type=int, default=10_000)
    commands.add_parser("report", help="compare what is kept")
    arguments = parser.parse_args()
    if arguments.command == "report":
        print(write_report(FOLDER, Path("docs")))
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = trained(MAKERS[arguments.engine](), arguments.members, arguments.steps)
    found.to_csv(FOLDER / f"{arguments.engine}.csv", index=False, float_format="%.9g", lineterminator="\n")


if __name__ == "__main__":
    main()
