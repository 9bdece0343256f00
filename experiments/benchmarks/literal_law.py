"""Final KS of the literal loop, seed by seed: tests/engines/test_parity.py compares engines with it in distribution.

    python experiments/benchmarks/literal_law.py

Writes docs/figures/literal_law.csv, a row for each seed and mark. Forty runs of 10,000 steps cost 13 minutes on a core,
which is why they are kept: the loop changes as rarely as the script.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from literal_script import ScriptLoop

from harness.data.target import Target
from harness.engines.generate import even_noise
from harness.metrics.distances import ks_distance
from harness.store import write_whole

KEPT = Path(__file__).resolve().parents[2] / "docs/figures/literal_law.csv"

#: The steps at which the laws are compared.
MARKS = (1000, 3000, 5000, 10_000)

#: A step up to which rounding has not been amplified yet, so that a run can be known again on another machine.
EARLY = 50

SEEDS = 40


def followed(seed: int, marks: Sequence[int]) -> list[dict[str, Any]]:
    """A row for each mark: KS, mean and sd on stratified noise of one float32 run on its own random numbers."""
    torch.set_num_threads(1)
    loop = ScriptLoop("variances", seed, torch.float32, own_randomness=True)
    noise = torch.from_numpy(even_noise("uniform", 1)).float()
    rows = []
    for step in range(1, marks[-1] + 1):
        loop.step(step - 1)
        if step in marks:
            with torch.no_grad():
                values = loop.g(noise).double().numpy().T
            ks = float(ks_distance(values, Target())[0])
            rows.append({"seed": seed, "steps": step, "ks": ks, "mean": values.mean(), "sd": values.std()})
    return rows


def main() -> None:
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        every = pool.map(partial(followed, marks=(EARLY, *MARKS)), range(SEEDS))
        table = pd.DataFrame([row for rows in every for row in rows])
    write_whole(KEPT, table.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode())


if __name__ == "__main__":
    main()
