"""Whole training steps of the seed's GAN: the engines beside the literal seed loop, interleaved in one run.

    python experiments/benchmarks/engines.py            (nox -s bench)
    python experiments/benchmarks/engines.py --quick --json bench/engines.json

Every contender trains the same thing (draws included): before timing, the engines' losses after 20 steps are compared
with the literal loop's. Each round times every contender once, so that a machine that slows down slows all of them; the
table gives the median and the least of the rounds, and the ratio of the literal loop's to the contender's in the same
round.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from literal_seed import SeedLoop

from harness.engines.base import Engine
from harness.engines.batched import BatchedEngine
from harness.engines.reference import ReferenceEngine
from harness.population import Group, Member, groups
from harness.provenance import processor, versions
from harness.spec import Settings, Shape
from harness.targets import Target

POPULATIONS = (1, 16, 32, 64, 128, 256)


def population(size: int, steps: int, view: str = "variances") -> Group:
    """Members of the seed's setting that differ in their seeds."""
    shape, settings = Shape(steps=steps, snapshots=(steps,)), Settings()
    (group,) = groups(Member("seed_exact", (), view, Target(), 0, seed, shape, settings) for seed in range(size))
    return group


def unmeasured(theta_PW: np.ndarray) -> dict[str, np.ndarray]:
    """Scores are no part of a step."""
    return {}


@dataclass
class Contender:
    """Something that trains: ``run(steps)`` gives the seconds it took for ``members`` GANs."""

    name: str
    members: int
    steps: int
    run: Callable[[int], float]
    microseconds: list[float] = field(default_factory=list)

    def time(self) -> None:
        self.microseconds.append(self.run(self.steps) / self.members / self.steps * 1e6)


def literal(steps: int) -> float:
    """The literal loop on one thread, where it is fastest, with torch's own random numbers."""
    torch.set_num_threads(1)
    loop = SeedLoop("variances", 0, torch.float32, own_randomness=True)
    start = time.perf_counter()
    for step in range(steps):
        loop.step(step)
    return time.perf_counter() - start


def of_engine(engine: Engine, size: int) -> Callable[[int], float]:
    def run(steps: int) -> float:
        group = population(size, steps)
        start = time.perf_counter()
        engine.train(group, unmeasured, lambda done: None)
        return time.perf_counter() - start

    return run


def check_same_training(engine: Engine) -> None:
    """Stop unless the engine's losses after 20 steps are the literal loop's, to 1e-4."""
    found = engine.train(population(1, 20), unmeasured, lambda done: None).snapshots
    loop = SeedLoop("variances", 0, torch.float64)
    for step in range(20):
        loop.step(step)
    for name, value in zip(("loss_d_real", "loss_d_fake", "loss_g"), loop.losses[-1], strict=True):
        if not np.isclose(found[name][0, -1], float(value), rtol=1e-4):
            raise SystemExit(f"{engine.name}: {name} is {found[name][0, -1]}, the literal loop has {float(value)}")


def contenders(quick: bool) -> list[Contender]:
    steps = 64 if quick else 256
    found = [Contender("literal seed loop", 1, 4 * steps, literal)]
    found.append(Contender("reference", 1, steps, of_engine(ReferenceEngine(), 1)))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for where in dict.fromkeys(("cpu", device)):
        engine = BatchedEngine(where)
        sizes = POPULATIONS if where == "cpu" else (*POPULATIONS, 1024, 4096)
        found += [Contender(f"batched {where}, population {p}", p, steps, of_engine(engine, p)) for p in sizes]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer steps and rounds")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    for engine in (ReferenceEngine(), BatchedEngine("cpu")):
        check_same_training(engine)
    field_ = contenders(arguments.quick)
    for contender in field_:
        contender.run(8)  # first use pays for loading
    for _ in range(3 if arguments.quick else 7):
        for contender in field_:
            contender.time()
    machine = f"{processor()}, {torch.get_num_threads()} torch threads at start, {platform.system()}, " + ", ".join(
        f"{name} {version}" for name, version in versions().items() if name in ("torch", "numpy")
    )
    print(machine)
    print(f"{'contender':<32}{'µs/GAN-step':>12}{'least':>9}{'GAN-steps/s':>13}{'x literal':>11}")
    base, rows = field_[0].microseconds, []
    for c in field_:
        middle = statistics.median(c.microseconds)
        ratio = statistics.median(a / b for a, b in zip(base, c.microseconds, strict=True))
        rows.append({"name": c.name, "members": c.members, "microseconds": c.microseconds, "ratio": ratio})
        print(f"{c.name:<32}{middle:>12.1f}{min(c.microseconds):>9.1f}{1e6 / middle:>13,.0f}{ratio:>11.1f}")
    best = max((r for r in rows if str(r["name"]).startswith("batched")), key=lambda r: float(str(r["ratio"])))
    print(f"best of batched: {best['name']}, {best['ratio']:.1f} times the literal seed loop's speed per GAN-step")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        report = {"machine": machine, "date": time.strftime("%F"), "contenders": rows}
        arguments.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
