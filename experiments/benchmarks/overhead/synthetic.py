"""A large sweep's folder without training: rows as trained members could have left them, through the store's own code.

    python -m overhead.synthetic FOLDER TRIALS    (in experiments/benchmarks)

Members are drawn from ``KINDS``, each a normal law on its way from an untrained generator; which of them a trial draws
depends on its learning rates, so that maps and importances have something to show.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from harness.config import Experiment, Train
from harness.store import QUANTILE_LEVELS, SNAPSHOT_COLUMNS, Store
from harness.sweep.folder import describe_arm
from harness.sweep.plan import CONFIRM_SEEDS_FROM, Location, planned, search_locations

SEEDS, CONFIRM, STEPS = 8, 128, 10_000
VARIANTS = ("non_saturating", "minimax", "least_squares", "hinge", "wasserstein", "flipped_labels")
#: Members that are made; rows repeat them under other names.
PROTOTYPES = 400
#: Where a member ends: miss and log-width in the target's sd, their spreads, and how many of ten end so.
KINDS = ((0.0, 0.0, 0.05, 4), (0.3, 0.1, 0.2, 3), (-3.2, -3.5, 0.3, 1), (6.0, -1.0, 2.0, 1), (0.0, -0.8, 0.3, 1))
_MARKS = tuple(STEPS * (i + 1) // 10 for i in range(10))
_LEVELS = np.asarray(QUANTILE_LEVELS)


def experiment(trials: int, population: int = 512) -> Experiment:
    """So many trials over all arms, three hyper-parameters searched, in populations of ``population`` members."""
    return Experiment.model_validate(
        {
            "name": "synthetic",
            "question": "How long does the report of a large sweep take?",
            "variants": list(VARIANTS),
            "population": population,
            "success_ks": 0.1,
            "train": {"steps": STEPS},
            "search": {
                "sampler": "random",
                "trials": max(1, trials // len(VARIANTS)),
                "seeds": SEEDS,
                "space": {
                    "lr_d": {"low": 1e-5, "high": 1e-1, "log": True},
                    "lr_g": {"low": 1e-5, "high": 1e-1, "log": True},
                    "beta1": {"low": 0.0, "high": 0.9},
                },
            },
            "confirm": {"seeds": CONFIRM},
        }
    )


def written(folder: Path, trials: int, population: int = 512) -> int:
    """Write the sweep; how many members it has."""
    spec = experiment(trials, population)
    store, rng, members = Store(folder), np.random.default_rng(0), 0
    rounds = planned(spec)
    store.start(
        {
            "uid": "0" * 32, "name": spec.name, "fingerprint": spec.fingerprint,
            "created": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T01:00:00+00:00", "spec": spec.to_json(),
            "arms": [describe_arm(arm) for arm in spec.arms],
            "populations": sum(len(this.populations) for this in rounds),
            "provenance": {"engine": "synthetic/1", "device": "none", "python": sys.version.split()[0]},
        }
    )  # fmt: skip
    made = prototypes(rng)
    shared = Train(steps=STEPS).model_dump(mode="json", exclude={"snapshots"})
    losses = {arm.text: {"loss": arm.loss, "view": arm.view, "loss_params": dict(arm.params)} for arm in spec.arms}
    for this in rounds:
        there = iter(search_locations(spec, this) if this.stage == "search" else _confirmed(spec, this.number))
        rates: dict[int, dict[str, float]] = {}
        for index, size in this.populations:
            rows = []
            for place, seed in (next(there) for _ in range(size)):
                rate = rates.setdefault(place.trial, _setting(place.trial, rng))
                member = made[_drawn(rate, rng)]
                rows.append(member | shared | losses[place.arm] | rate | vars(place) | {"seed": seed}
                            | {"key": rng.bytes(32).hex(), "digest": rng.bytes(32).hex()})  # fmt: skip
                if this.stage == "confirm":
                    rows[-1]["generator"] = [0.0] * 151
            store.commit(index, rows, {"seconds": "1.0", "device": "none", "finished": "2026-01-01T01:00:00+00:00"})
            members += size
    return members


def _confirmed(spec: Experiment, number: int) -> list[tuple[Location, int]]:
    seeds = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + spec.confirm.seeds)
    return [(Location("confirm", number, arm.text, 0), seed) for arm in spec.arms for seed in seeds]


def _setting(trial: int, rng: np.random.Generator) -> dict[str, float]:
    if trial == 0:
        return {"lr_d": 2e-4, "lr_g": 2e-4, "beta1": 0.9}
    lr_d, lr_g = 10 ** rng.uniform(-5, -1, 2)
    return {"lr_d": float(lr_d), "lr_g": float(lr_g), "beta1": float(rng.uniform(0, 0.9))}


def _drawn(rate: Mapping[str, float], rng: np.random.Generator) -> int:
    """A prototype, of which the first are the nearest: farther from rates of 1e-3 and from lr_G = lr_D, later ones."""
    d, g = (math.log10(rate[name]) for name in ("lr_d", "lr_g"))
    quality = (abs(g + 3) / 2 + abs(g - d) / 4 + rng.normal(0, 0.25)) / 2
    return int(np.clip(quality * PROTOTYPES, 0, PROTOTYPES - 1))


def prototypes(rng: np.random.Generator) -> list[dict[str, Any]]:
    """``PROTOTYPES`` members without name, place and setting, by ascending KS; one of twenty diverged."""
    kinds = [kind for kind in KINDS for _ in range(kind[3])]
    found = [_scored(kinds[i % len(kinds)], rng) for i in range(PROTOTYPES)]
    for member in found[::20]:
        member |= dict.fromkeys(("ks_iid", "ks_pvalue", "w1", "cvm", "ad", "mean", "sd", "quantiles"))
        member |= {"outcome": "diverged", "ks": 1.0, "stopped_step": STEPS, "stopped_tensor": "gradient of G.weight1"}
    return sorted(found, key=lambda member: member["ks"])


def _scored(kind: Sequence[float], rng: np.random.Generator) -> dict[str, Any]:
    target = stats.norm(4.0, 1.25)
    miss, log_width, spread, _ = kind
    loc, scale = 4 + 1.25 * (miss + spread * rng.normal()), 1.25 * math.exp(log_width + spread * rng.normal())
    quantiles = stats.norm(loc, scale).ppf(_LEVELS)
    ks = float(np.clip(np.abs(target.cdf(quantiles) - _LEVELS).max() + 0.003 * rng.random(), 0.0025, 1.0))
    done = 1 - np.exp(-4 * np.arange(1, 11) / 10)
    columns = {name: 0.7 + 0.05 * rng.normal(size=10) for name in SNAPSHOT_COLUMNS}
    columns |= {"ks": 1 - (1 - ks) * done, "fake_mean": loc * done + 0.1 * rng.normal(size=10)}
    columns |= {"fake_sd": scale * np.ones(10), "grad_norm_g": np.exp(rng.normal(size=10))}
    columns |= {"d_real": np.full(10, 0.55), "d_fake": np.full(10, 0.45)}
    return {
        "outcome": "scored", "ks": ks, "ks_iid": ks + 0.005, "ks_pvalue": 0.0, "w1": abs(loc - 4.0), "cvm": 1.0,
        "ad": 1.0, "mean": loc, "sd": scale, "sample_state": "ordinary", "quantiles": quantiles.tolist(),
        "snapshot_step": list(_MARKS), "target": "norm(loc=4, scale=1.25)", "study_seed": 0, "engine": "synthetic/1",
        **{f"snapshot_{name}": values.tolist() for name, values in columns.items()},
    }  # fmt: skip


if __name__ == "__main__":
    where, count = sys.argv[1:]
    print(f"{written(Path(where), int(count)):,} members")
