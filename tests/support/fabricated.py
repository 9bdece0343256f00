"""Committed sweeps without training: rows of ``store.SCHEMA`` whose numbers belong to known normal laws.

A member's generated law is N(loc, scale^2) with loc and scale drawn around the target's; its quantiles are that
law's and its KS distance is the exact one between the two normal laws, so that tests can say what to expect.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.config import Train
from harness.store import QUANTILE_LEVELS, SNAPSHOT_COLUMNS, Store

LOC, SCALE, STEPS, DRAWS = 4.0, 1.25, 2000, 10_000
_LEVELS = np.asarray(QUANTILE_LEVELS)
#: The setting of every member but for its learning rates: two values are not the default.
_TRAIN = Train(steps=STEPS, hidden=16, lr_decay=1.0).model_dump(mode="json", exclude={"snapshots"})
_SNAPSHOTS = np.unique(np.geomspace(10, STEPS, 16).astype(int))


@dataclass(frozen=True)
class FabricatedArm:
    """An arm and how well it shall do: ``error`` is the scale of its miss in target standard deviations."""

    loss: str
    view: str = "variances"
    params: Mapping[str, float] = field(default_factory=dict)
    error: float = 0.05
    diverging: float = 0.0
    generator: str = "softplus(-fake)"
    discriminator: str = "softplus(-real) + softplus(fake)"
    citation: str = "Goodfellow et al. 2014"
    prediction: str = "Reaches the target."

    @property
    def label(self) -> str:
        """The arm's name in rows and in sweep.json."""
        inner = ", ".join(f"{k}={v:g}" for k, v in self.params.items())
        return f"{self.loss}({inner}) / {self.view}" if inner else f"{self.loss} / {self.view}"


ARMS = (
    FabricatedArm("non_saturating", error=0.03),
    FabricatedArm("minimax", error=0.3, generator="-softplus(fake)", prediction="Its slope vanishes early."),
    FabricatedArm(
        "generator_label", params={"t": 0.5}, error=0.02, generator="t*softplus(-fake) + (1-t)*softplus(fake)"
    ),
    FabricatedArm("flipped_labels", error=8.0, diverging=0.2, generator="softplus(fake)", prediction="Runs away."),
)


def normal_ks(loc: float, scale: float) -> float:
    """sup |Phi((x-loc)/scale) - Phi((x-LOC)/SCALE)|, exact: the sup lies where the two densities cross."""
    one, two = stats.norm(loc, scale), stats.norm(LOC, SCALE)
    a = 1 / scale**2 - 1 / SCALE**2
    b = -2 * (loc / scale**2 - LOC / SCALE**2)
    c = loc**2 / scale**2 - LOC**2 / SCALE**2 + 2 * math.log(scale / SCALE)
    roots = np.roots([a, b, c]) if abs(a) > 1e-12 else np.array([-c / b]) if b else np.array([LOC])
    crossings = roots.real
    return float(np.max(np.abs(one.cdf(crossings) - two.cdf(crossings))))


def _snapshots(arm: FabricatedArm, loc: float, scale: float, reached: int) -> dict[str, Any]:
    """A path from an untrained generator N(0, 0.3^2) to N(loc, scale^2), with losses that suit the arm."""
    steps = _SNAPSHOTS[reached >= _SNAPSHOTS]
    done = 1 - np.exp(-5 * steps / STEPS)
    locs, scales = loc * done, 0.3 + (scale - 0.3) * done
    ks = np.array([normal_ks(m, s) for m, s in zip(locs, scales, strict=True)])
    half = math.log(2) * (1 - 0.9 * ks)
    columns: dict[str, NDArray[np.float64]] = {
        "ks": ks, "loss_d": 2 * half, "loss_d_real": half, "loss_d_fake": half,
        "loss_g": np.exp(-4 * done) if arm.loss == "flipped_labels" else math.log(2) + 3 * ks,
        "real_mean": np.full(steps.size, LOC), "real_sd": np.full(steps.size, SCALE),
        "fake_mean": locs, "fake_sd": scales, "grad_norm_d": 0.1 + ks, "grad_norm_g": 0.05 + ks,
        "d_real": 0.5 + ks / 2, "d_fake": 0.5 - ks / 2, "penalty": np.full(steps.size, np.nan),
    }  # fmt: skip
    lists = {
        f"snapshot_{name}": [None if math.isnan(v) else v for v in columns[name].tolist()] for name in SNAPSHOT_COLUMNS
    }
    return {"snapshot_step": steps.tolist(), **lists}


def _scores(rng: np.random.Generator, loc: float, scale: float) -> dict[str, Any]:
    law, target = stats.norm(loc, scale), stats.norm(LOC, SCALE)
    test = stats.ks_1samp(law.rvs(DRAWS, random_state=rng), target.cdf, method="asymp")
    quantiles, u = law.ppf(_LEVELS), target.cdf(law.ppf(_LEVELS))
    n = _LEVELS.size
    safe = np.clip(u, 1e-300, 1 - 1e-16)
    odd = 2 * np.arange(1, n + 1) - 1
    return {
        "outcome": "scored", "stopped_step": None, "stopped_tensor": None, "failure": None,
        "ks": normal_ks(loc, scale), "ks_iid": float(test.statistic), "ks_pvalue": float(test.pvalue),
        "w1": float(np.mean(np.abs(quantiles - target.ppf(_LEVELS)))), "cvm": float(n * np.mean((_LEVELS - u) ** 2)),
        "ad": float(-n - np.mean(odd * (np.log(safe) + np.log1p(-safe[::-1])))), "mean": loc, "sd": scale,
        "sample_state": "ordinary", "quantiles": quantiles.tolist(),
    }  # fmt: skip


def _unscored(outcome: str, failure: str, stopped: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("ks_iid", "ks_pvalue", "w1", "cvm", "ad", "mean", "sd", "quantiles"))
    diverged = outcome == "diverged"
    return {
        **nothing, "outcome": outcome, "ks": 1.0, "sample_state": "nonfinite",
        "stopped_step": stopped if diverged else None,
        "stopped_tensor": "gradient of D.weight1" if diverged else None, "failure": None if diverged else failure,
    }  # fmt: skip


def _member(
    arm: FabricatedArm,
    stage: str,
    round_: int,
    trial: int,
    lr: tuple[float, float],
    seed: int,
    rng_seed: int,
    failure: str | None,
) -> dict[str, Any]:
    key = hashlib.sha256(repr((arm, stage, trial, seed, rng_seed)).encode()).hexdigest()
    own, shared = np.random.default_rng(int(key[:12], 16)), np.random.default_rng([rng_seed, seed])
    miss = abs(math.log10(lr[1] / 1e-3))  # a learning rate of 0.001 suits every arm best
    width = arm.error * (1 + 3 * miss) * (1 + 0.5 * shared.random())
    loc = LOC + SCALE * width * own.standard_normal()
    scale = SCALE * math.exp(-min(width, 3.0) * (0.2 + 0.5 * own.random()))
    diverges = own.random() < arm.diverging
    stopped = int(own.integers(50, STEPS))
    outcome = "failed" if failure else "diverged" if diverges else "scored"
    scores = _scores(own, loc, scale) if outcome == "scored" else _unscored(outcome, failure or "", stopped)
    snapshots = _snapshots(arm, loc, scale, stopped if diverges else STEPS)
    return {
        "key": key, "stage": stage, "round": round_, "arm": arm.label, "trial": trial, "loss": arm.loss,
        "loss_params": dict(arm.params), "view": arm.view, "target": f"norm(loc={LOC:g}, scale={SCALE:g})",
        "study_seed": rng_seed, "seed": seed, **_TRAIN, "lr_d": lr[0], "lr_g": lr[1],
        "engine": "fabricated", **scores, **snapshots, "digest": hashlib.sha256(key.encode()).hexdigest(),
        "generator": own.standard_normal(8).astype(np.float32).tolist() if stage == "confirm" else None,
    }  # fmt: skip


def _description(
    arms: Sequence[FabricatedArm], trials: int, seeds: int, confirm: int, name: str, question: str
) -> dict[str, Any]:
    return {
        "uid": hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:32],
        "name": name, "fingerprint": hashlib.sha256(repr(arms).encode()).hexdigest(),
        "created": "2026-01-01T00:00:00+00:00",
        "spec": {
            "name": name, "question": question, "prediction": "Label 1/2 lands nearest; label 0 runs away.",
            "target": {"law": "norm", "params": {"loc": LOC, "scale": SCALE}},
            "views": sorted({a.view for a in arms}), "variants": sorted({a.loss for a in arms}), "steps": STEPS,
            "search": {"sampler": "sobol", "trials": trials, "seeds": seeds, "space": {}},
            "confirm": {"seeds": confirm}, "success_ks": 0.05,
        },
        "arms": [
            {"arm": a.label, "loss": a.loss, "loss_params": dict(a.params), "view": a.view, "generator": a.generator,
             "discriminator": a.discriminator, "citation": a.citation, "prediction": a.prediction}
            for a in arms
        ],
        "provenance": {"engine": "fabricated", "device": "none",
                       "git_commit": "0" * 40, "git_dirty": False, "python": "3.11"},
    }  # fmt: skip


def fabricate_sweep(
    folder: Path,
    *,
    arms: Sequence[FabricatedArm] = ARMS,
    trials: int = 6,
    seeds: int = 2,
    confirm: int = 10,
    rng_seed: int = 0,
    name: str = "labels",
    question: str = "Which label should the generator be trained towards?",
    failure: str | None = None,
) -> Store:
    """Write a sweep of ``arms`` x ``trials`` x ``seeds``, then ``confirm`` fresh seeds of each arm's best trial.

    Search seeds are 0, 1, ...; confirm seeds 1000, 1001, ...; seed k is shared by all arms. With ``failure``
    the last confirm member of the first arm has the outcome "failed" and this reason.
    """
    store = Store(folder)
    store.start(_description(arms, trials, seeds, confirm, name, question))
    rates = 10 ** np.random.default_rng(rng_seed).uniform(-4, -2, size=(max(trials, 1), 2))
    rates[0] = 1e-3
    index = 0
    for trial in range(trials):
        lr = (float(rates[trial, 0]), float(rates[trial, 1]))
        rows = [_member(a, "search", trial, trial, lr, s, rng_seed, None) for a in arms for s in range(seeds)]
        store.commit(index, rows, {"seconds": "0"})
        index += 1
    last: list[dict[str, Any]] = []
    for arm in arms if confirm else ():
        best = best_trial(store, arm.label)
        lr = (float(rates[best, 0]), float(rates[best, 1]))
        for seed in range(1000, 1000 + confirm):
            broken = failure if arm is arms[0] and seed == 999 + confirm else None
            last.append(_member(arm, "confirm", trials, best, lr, seed, rng_seed, broken))
    if last:
        store.commit(index, last, {"seconds": "0"})
    return store


def best_trial(store: Store, arm: str) -> int:
    """The trial of ``arm`` with the least mean KS over its search seeds; 0 where nothing was searched."""
    frame = store.frame()
    rows = frame[(frame["arm"] == arm) & (frame["stage"] == "search")]
    return int(str(rows.groupby("trial")["ks"].mean().idxmin())) if len(rows) else 0
