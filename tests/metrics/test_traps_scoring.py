"""Mistakes of published programs in what is measured and chosen: blind distances, lucky checkpoints, budgets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from support.engines import trained
from support.members import member
from support.sweeps import altered, carry_on, experiment
from torch import Tensor

from analysis.comparison import compare_described
from harness.config import Experiment
from harness.data.latent import midpoints
from harness.data.mlp import perceptron
from harness.data.rng import Stream, uniforms
from harness.data.target import Target
from harness.engines.batched import BatchedEngine
from harness.engines.reference import ReferenceEngine
from harness.losses import BUILT_IN, LOSSES
from harness.members import Member
from harness.metrics.distances import distances
from harness.store import Store
from harness.sweep.plan import confirm_members, planned, search_members
from harness.sweep.training import train

SCRIPT_TARGET = Target()
DATA = SCRIPT_TARGET.quantile(midpoints(10_000))

# --- distances that do not see where a sample lies ------------------------------------------------------------------


def own_range(x: np.ndarray) -> np.ndarray:
    """Masses in 50 bins of the sample's own range."""
    counts, _ = np.histogram(x, bins=50, range=(x.min(), x.max()))
    return counts / counts.sum()


def trapped_kl(x: np.ndarray) -> float:
    """KL between two histograms, each on its own range."""
    p, q = own_range(DATA) + 1e-10, own_range(x) + 1e-10
    return float((p * np.log(p / q)).sum())


def trapped_wasserstein(x: np.ndarray) -> float:
    """The Wasserstein distance between the heights of the bins."""
    return float(stats.wasserstein_distance(own_range(DATA), own_range(x)))


#: A wrong sample -> its true KS and W1 distance from N(4, 1.25). Shift: 396, and no overlap. Scale: between the
#: crossings of the densities, at 4 +- 1.25 sqrt(2 log(100)/(1 - 1e-4)), F - G; and 99 * 1.25 sqrt(2/pi) = 98.74.
#: Mirrored, x -> -x, the means are 8 = 6.4 sd apart: 2 Phi(3.2) - 1.
EDGE = math.sqrt(2 * math.log(100) / (1 - 1e-4))
WRONG = {
    "mean 400": (DATA + 396, 1.0, 396.0),
    "sd times 100": (4 + 100 * (DATA - 4), stats.norm.cdf(EDGE) - stats.norm.cdf(EDGE / 100), 98.74),
    "mirrored": (-DATA, 2 * stats.norm.cdf(3.2) - 1, 8.0),
}


@pytest.mark.parametrize("name", WRONG)
def test_shift_scale_and_mirror_image_show(name: str) -> None:
    """KS and W1 of a wrong sample are the true distances, to 1e-3; histograms on their own ranges call it perfect."""
    x, ks, w1 = WRONG[name]
    measured = distances(x[None], SCRIPT_TARGET)
    assert measured["ks"][0] == pytest.approx(ks, abs=1e-3)
    assert measured["w1"][0] == pytest.approx(w1, rel=1e-3)
    assert trapped_kl(x) < 0.02
    assert trapped_wasserstein(x) < 0.002


def trapped_ks(x: np.ndarray) -> float:
    """The largest difference of masses in 100 common bins, without the cumulative sum."""
    bins = np.histogram_bin_edges(np.concatenate([x, DATA]), bins=100)
    return float(np.abs(np.histogram(x, bins)[0] - np.histogram(DATA, bins)[0]).max() / len(x))


@pytest.mark.parametrize("shift", [0.25, 1.0, 4.0])
def test_ks_accumulates(shift: float) -> None:
    """A shift by s standard deviations has KS 2 Phi(s/2) - 1: .0995, .383, .954. Bins differ by below 0.06."""
    x = DATA + 1.25 * shift
    ks = distances(x[None], SCRIPT_TARGET)["ks"][0]
    assert ks == pytest.approx(2 * stats.norm.cdf(shift / 2) - 1, abs=1e-3)
    assert ks == pytest.approx(stats.ks_1samp(x, SCRIPT_TARGET.frozen.cdf).statistic, abs=1e-12)
    assert trapped_ks(x) < 0.06


def trapped_relu_output(values: Tensor) -> Tensor:
    """A generator that ends in a ReLU."""
    return values.relu()


@pytest.mark.parametrize("hidden", [("elu", "sigmoid"), ("relu", "relu"), ("softplus",), ()])
def test_the_generator_reaches_negative_values(hidden: tuple[str, ...]) -> None:
    """With the last layer's sign turned G gives the negative of each value, whatever the activations: both signs occur.

    A ReLU at the end gives 0 for one of the two.
    """
    network = perceptron(1, 6, hidden)
    theta = network.initial(uniforms(0, torch.tensor([3]), Stream.INITIAL_G, range(1), network.size)[0])
    z = torch.linspace(0, 1, 9, dtype=torch.float64).view(1, 9, 1)
    turned = theta.clone()
    turned[:, network.layers[-1].start :] *= -1
    plain, mirrored = (network.forward(network.split(t), z) for t in (theta, turned))
    torch.testing.assert_close(mirrored, -plain)
    assert float(plain.abs().max()) > 0.01
    assert float(torch.minimum(plain, mirrored).min()) < 0
    assert float(torch.minimum(trapped_relu_output(plain), trapped_relu_output(mirrored)).abs().max()) == 0


# --- the best of several checkpoints --------------------------------------------------------------------------------


def trapped_checkpoint(row: Mapping[str, Any]) -> float:
    """The least KS that a member had on its way."""
    return float(min(k for k in row["snapshot_ks"] if k is not None))


def test_a_score_is_the_final_one() -> None:
    """A member that passes the target and leaves it scores what it ends with: the last snapshot, not the best.

    At rates of 0.02 each of six generators overshoots: it ends at KS above 0.9 and was below 0.6 on the way.
    """
    settings = {"lr_d": 0.02, "lr_g": 0.02, "steps": 60, "batch": 20, "hidden": 8, "snapshots": tuple(range(1, 61))}
    members = [member("non_saturating", seed, "sample", **settings) for seed in range(6)]
    for row in train(members, BatchedEngine("cpu"), lambda steps: None):
        assert row["ks"] == pytest.approx(row["snapshot_ks"][-1], abs=1e-6)
        assert row["ks"] > 0.9
        assert trapped_checkpoint(row) < 0.6


def best_by(rows: Sequence[Mapping[str, Any]], score: Any) -> dict[str, int]:
    """The seed of each arm's confirm member with the least score."""
    best: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["stage"] == "confirm":
            held = best.setdefault(row["arm"], row)
            best[row["arm"]] = row if score(row) < score(held) else held
    return {arm: row["seed"] for arm, row in best.items()}


def first_row(store: Store, index: int) -> dict[str, Any]:
    found: dict[str, Any] = store.population(index).to_pylist(maps_as_pydicts="strict")[0]
    return found


def compared_arms(store: Store) -> dict[str, Any]:
    """The comparison of a sweep's arms."""
    return compare_described(store.describe(), store.frame()).as_json()


def test_a_lucky_checkpoint_wins_nothing(sweep_copy: Store) -> None:
    """A losing member that once was at KS 0.0001 stays a loser: the winners and the comparison are the same as before.

    By the least KS on the way it would be the winner of its arm.
    """
    before, compared = {r["arm"]: r["key"] for r in sweep_copy.best_confirm_rows()}, compared_arms(sweep_copy)
    losers = [i for i in sweep_copy.committed() if first_row(sweep_copy, i)["stage"] == "confirm"]
    index = next(i for i in losers if first_row(sweep_copy, i)["key"] not in before.values())
    lucky = first_row(sweep_copy, index)
    altered(sweep_copy, index, "snapshot_ks", [1e-4, *lucky["snapshot_ks"][1:]])
    assert {r["arm"]: r["key"] for r in sweep_copy.best_confirm_rows()} == before
    assert compared_arms(sweep_copy) == compared
    rows = sweep_copy.table().to_pylist(maps_as_pydicts="strict")
    assert best_by(rows, trapped_checkpoint)[lucky["arm"]] == lucky["seed"]
    assert best_by(rows, lambda row: row["ks"])[lucky["arm"]] != lucky["seed"]


def confirmed_trials(store: Store) -> dict[str, int]:
    """The trial of each arm that the confirm stage took."""
    rows = store.table().to_pylist(maps_as_pydicts="strict")
    return {row["arm"]: row["trial"] for row in rows if row["stage"] == "confirm"}


@pytest.mark.parametrize(("column", "chosen"), [("snapshot_ks", False), ("ks", True)])
def test_the_search_chooses_by_the_final_score(
    column: str, chosen: bool, finished_sweep: Store, sweep_copy: Store, tmp_path: Path
) -> None:
    """A trial altered to KS 0 at every checkpoint on the way is not confirmed for it; altered in its final KS, it is.

    The confirm stage is removed and done again from the altered search.
    """
    rows = {i: first_row(sweep_copy, i) for i in sweep_copy.committed()}
    before = confirmed_trials(finished_sweep)
    index = next(i for i, r in rows.items() if r["stage"] == "search" and r["trial"] not in (0, before[r["arm"]]))
    arm, trial = rows[index]["arm"], rows[index]["trial"]
    seeds = [
        r for r in sweep_copy.table().to_pylist(maps_as_pydicts="strict") if (r["arm"], r["trial"]) == (arm, trial)
    ]
    # Mean KS over the two seeds: -2 in one is below any mean of the others, and KS itself is never above 1.
    value: Any = [0.0] * len(rows[index]["snapshot_ks"]) if column == "snapshot_ks" else -2.0
    assert len([r for r in seeds if r["stage"] == "search"]) == 2
    altered(sweep_copy, index, column, value)
    for i, row in rows.items():
        if row["stage"] == "confirm":
            (sweep_copy.folder / f"populations/{i:06d}.parquet").unlink()
    again = confirmed_trials(carry_on(experiment(), sweep_copy.folder))
    assert (again[arm] == trial) == chosen
    assert {a: t for a, t in again.items() if a != arm} == {a: t for a, t in before.items() if a != arm}


# --- equal budgets --------------------------------------------------------------------------------------------------

ARMS = ["minimax", "non_saturating", "f_kl", "ragan", "wgan_gp", "consensus", "w1_direct", "generator_label(t=0.25)"]


def everything(spec: Experiment) -> list[tuple[str, Member]]:
    """Every member of a sweep's plan, with its arm; each trial takes a setting of its own, the last one wins."""
    *searching, last = planned(spec)
    found = []
    for this in searching:
        settings = {arm: [spec.baseline(arm)] * this.trials for arm in spec.arms}
        found += search_members(spec, this, settings)
    found += confirm_members(spec, last, {arm: (0, spec.baseline(arm)) for arm in spec.arms})
    return [(place.arm, one) for place, one in found]


def budget(members: Sequence[tuple[str, Member]]) -> dict[str, Counter[tuple[int, int, int, int]]]:
    """Of each arm, how often it trains each (seed, steps, batch, updates of G a step)."""
    found: dict[str, Counter[tuple[int, int, int, int]]] = {}
    for arm, one in members:
        what = (one.seed, one.shape.steps, one.shape.batch, one.shape.g_steps)
        found.setdefault(arm, Counter())[what] += 1
    return found


def trapped_pretraining(members: Sequence[tuple[str, Member]]) -> list[tuple[str, Member]]:
    """One arm's generators are fitted to the data before its games begin."""
    arm = members[0][0]
    return [*members, *((arm, one) for name, one in members if name == arm)]


def test_every_arm_has_the_same_budget() -> None:
    """All arms train the same seeds as often, for the same steps and minibatches and updates of G.

    D's updates differ only where the published method asks for them: five a step in wgan_gp. Extra training of one
    arm would show.
    """
    spec = experiment(variants=ARMS, views=["sample"], train={"steps": 20, "batch": 20, "hidden": 8})
    members = everything(spec)
    found = budget(members)
    assert len(found) == len(ARMS)
    assert len({frozenset(counter.items()) for counter in found.values()}) == 1
    asked = {one.loss: one.shape.d_steps for _, one in members}
    assert asked == {name: LOSSES[name].needs.get("d_steps", 1) for name in asked}
    trapped = budget(trapped_pretraining(members))
    assert len({frozenset(counter.items()) for counter in trapped.values()}) == 2


@pytest.mark.parametrize("engine", [ReferenceEngine(), BatchedEngine("cpu")], ids=lambda e: e.name)
def test_every_loss_starts_from_the_same_untrained_generator(engine: Any) -> None:
    """At rates of 1e-30, which move nothing, each loss ends with the initial weights that the seed alone determines.

    A generator fitted for 20 steps beforehand is more than 1e-3 away.
    """
    small: dict[str, Any] = {"batch": 6, "hidden": 4, "seed": 7, "view": "sample"}
    network = perceptron(1, 4, ("elu", "sigmoid"))
    start = network.initial(uniforms(0, torch.tensor([7]), Stream.INITIAL_G, range(1), network.size)[0]).numpy()
    still = trained(engine, [member(v.name, steps=1, lr_d=1e-30, lr_g=1e-30, **small) for v in BUILT_IN])
    np.testing.assert_allclose(still.theta_g_PW, np.repeat(start, len(BUILT_IN), axis=0), rtol=0, atol=1e-7)
    pretrained = trained(engine, [member("w1_direct", steps=20, lr_g=0.01, **small)])
    assert np.abs(pretrained.theta_g_PW - start).max() > 1e-3
