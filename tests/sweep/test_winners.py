"""The best generators as files that need nothing of this package to be read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from scipy.stats import ks_1samp, norm
from support.sweeps import STEPS, carry_on, experiment

from harness.data.rng import Stream, uniforms
from harness.data.target import Target
from harness.store import Store, slug


def test_winners_reproduce_their_sample_in_plain_torch(finished_sweep: Store) -> None:
    """generator.safetensors loads into Sequential as it stands, and makes sample.csv of the same noise.

    Sequential computes in another order than the stacked engine: within 1e-5 of values around 1.
    """
    confirm = finished_sweep.frame().query("stage == 'confirm'")
    for arm, mine in confirm.groupby("arm"):
        best = mine.loc[mine["ks"].idxmin()]
        folder = finished_sweep.folder / "winners" / slug(str(arm))
        net = torch.nn.Sequential(
            torch.nn.Linear(1, 8), torch.nn.ELU(), torch.nn.Linear(8, 8), torch.nn.Sigmoid(), torch.nn.Linear(8, 1)
        )
        net.load_state_dict(load_file(folder / "generator.safetensors"))
        noise = uniforms(0, torch.tensor([best["seed"]]), Stream.SCORE, range(1), 10_000)[0, 0]
        sample = np.loadtxt(folder / "sample.csv", skiprows=1)
        with torch.no_grad():
            np.testing.assert_allclose(net(noise[:, None])[:, 0].numpy(), sample, rtol=0, atol=1e-5)
        # Nine digits are all that a float32 has, so the file's KS is the row's.
        assert ks_1samp(sample, Target().frozen.cdf).statistic == pytest.approx(best["ks_iid"], abs=1e-9)


def test_another_generator_is_exported_as_it_is(tmp_path: Path) -> None:
    """Width, depth, activations and noise of the generator's own are those of the files, which name them.

    Two dimensions of Gaussian noise, one hidden layer of 6 units, tanh: the Linear layers are 2 - 6 and 6 - 1.
    """
    own = {"hidden_g": 6, "activations_g": ["tanh"], "noise": "normal", "latent": 2}
    train = {"steps": STEPS, "batch": 20, "hidden": 8, **own}
    store = carry_on(experiment(variants=["minimax"], train=train, search={"trials": 0}), tmp_path / "own")
    (best,) = store.best_confirm_rows()
    folder = store.folder / "winners" / slug(best["arm"])
    net = torch.nn.Sequential(torch.nn.Linear(2, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))
    net.load_state_dict(load_file(folder / "generator.safetensors"))
    with safe_open(folder / "generator.safetensors", "pt") as file:
        about = json.loads(file.metadata()["harness"])
    assert (about["layers"], about["noise"]) == ("linear tanh linear", "normal, 2 of them")
    u = uniforms(0, torch.tensor([best["seed"]]), Stream.SCORE, range(1), 20_000)[0, 0].double().numpy()
    noise = torch.from_numpy(norm.ppf(u).reshape(10_000, 2)).float()
    sample = np.loadtxt(folder / "sample.csv", skiprows=1)
    with torch.no_grad():
        np.testing.assert_allclose(net(noise)[:, 0].numpy(), sample, rtol=0, atol=1e-5)
    assert ks_1samp(sample, Target().frozen.cdf).statistic == pytest.approx(best["ks_iid"], abs=1e-9)


@pytest.mark.promise("F17")
def test_winners_of_diverged_members_are_written_too(tmp_path: Path) -> None:
    """A sweep in which all diverge still ends with files: the last finite generators."""
    train = {"steps": STEPS, "batch": 20, "hidden": 8, "lr_d": 1e6, "lr_g": 1e6}
    store = carry_on(experiment(variants=["least_squares"], train=train, search={"trials": 0}), tmp_path / "wild")
    (folder,) = (store.folder / "winners").iterdir()
    assert load_file(folder / "generator.safetensors")["0.weight"].shape == (8, 1)
    assert len(np.loadtxt(folder / "sample.csv", skiprows=1)) == 10_000
