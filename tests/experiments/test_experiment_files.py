"""The experiment files: each loads, and its header gives the commands and the cost correctly."""

import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats
from support.paths import ROOT

from harness.config import Experiment, load
from harness.losses import LOSSES
from harness.sweep.plan import gan_steps, planned

FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "experiments").rglob("*.toml"))
#: Names by files that were renamed: earlier sweeps are found under them.
FORMER_NAMES = {"script": "seed", "script_moments": "seed_moments"}

HEADINGS = {"Question", "Command", "Prediction", "Cost", "GPU"}


def header(path: Path) -> dict[str, list[str]]:
    """The comment lines at a file's top, under their headings."""
    sections: dict[str, list[str]] = {}
    for line in (ROOT / path).read_text().splitlines():
        match = re.fullmatch(r"# (\w* +)(.*)", line)
        if not match:
            break
        if heading := match[1].strip():
            sections[heading] = []
        sections[list(sections)[-1]].append(match[2])
    return sections


def commands(path: Path) -> list[tuple[str, Experiment]]:
    """Each ``harness sweep`` line of the header, with the experiment that it would run."""
    experiments = []
    for line in (line for section in header(path).values() for line in section if line.startswith("harness sweep ")):
        words = shlex.split(line.split("   ")[0])
        assert words[2] == path.as_posix(), line
        assert words[3::2] == ["--set"] * len(words[3::2]), line
        experiments.append((line, load(ROOT / path, words[4::2])))
    return experiments


def normal_fit(divergence: str) -> tuple[float, float]:
    """Mean and sd of the normal law that minimises a divergence from misspecified.toml's target, on a grid of x."""
    x = np.linspace(-20, 30, 20_001)
    low, high = (math.log(w) + stats.norm.logpdf(x, m, 0.75) for w, m in ((0.7, 2), (0.3, 6)))
    log_p = np.logaddexp(low, high)

    def value(theta: np.ndarray) -> float:
        log_q = stats.norm.logpdf(x, theta[0], math.exp(theta[1]))
        middle = np.logaddexp(log_p, log_q) - math.log(2)
        p, q = np.exp(log_p), np.exp(log_q)
        # Squares as exponents that stay below the largest double.
        ratio = {"f_pearson": 2 * log_p - log_q, "f_neyman": 2 * log_q - log_p}.get(divergence, log_p)
        values = {
            "f_kl": p * (log_p - log_q),
            "f_reverse_kl": q * (log_q - log_p),
            "f_pearson": np.exp(np.minimum(ratio, 600)),
            "f_neyman": np.exp(np.minimum(ratio, 600)),
            "f_hellinger": (np.sqrt(p) - np.sqrt(q)) ** 2,
            "f_js": p * (log_p - middle) + q * (log_q - middle),
            "f_tv": np.abs(p - q),
            "w1_direct": np.abs(np.cumsum(p - q) * (x[1] - x[0])),
        }
        return float(values[divergence].sum())

    starts = [(2, math.log(0.75)), (6, math.log(0.75)), (3.2, math.log(2))]
    fits = [optimize.minimize(value, start, method="Nelder-Mead", options={"xatol": 1e-5}) for start in starts]
    mean, log_sd = min(fits, key=lambda fit: fit.fun).x
    return float(mean), math.exp(log_sd)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_the_header_is_complete_and_its_commands_run(path: Path) -> None:
    """Every heading is there, every command names this file, and its overrides are accepted; the first has none."""
    sections = header(path)
    assert set(sections) >= HEADINGS, f"missing: {HEADINGS - set(sections)}"
    assert sections["Question"][0].endswith("?")
    (first, plain), *others = commands(path)
    assert first in sections["Command"]
    assert plain == load(ROOT / path)
    assert sections["GPU"][0] in [line for line, _ in others]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_the_cost_is_what_is_planned(path: Path) -> None:
    """Members and GAN-steps of the cost line are those of the plan, for every command except the one for a GPU."""
    (cost,) = re.findall(r"([\d,]+) members, ([\d.]+) million GAN-steps", " ".join(header(path)["Cost"]))
    for line, experiment in commands(path):
        if line in header(path)["Command"]:
            members = sum(size for round_ in planned(experiment) for _, size in round_.populations)
            assert cost == (f"{members:,}", f"{gan_steps(experiment) / 1e6:g}"), line


@pytest.mark.parametrize("path", FILES, ids=str)
def test_sweeps_have_folders_of_their_own(path: Path) -> None:
    """The name is the file's present or former one, and every further command of the header gives another."""
    names = [experiment.name for line, experiment in commands(path) if line in header(path)["Command"]]
    assert names[0] == FORMER_NAMES.get(path.stem, path.stem)
    assert len(set(names)) == len(names)


def test_the_label_dial() -> None:
    """At least eleven labels from 0 to 1 with 1/2 among them, two views, 32 seeds, no search, fifty snapshots."""
    dial = load(ROOT / "experiments/label_dial.toml")
    labels = sorted({arm.params["t"] for arm in dial.arms})
    assert {arm.loss for arm in dial.arms} == {"generator_label"}
    assert len(labels) >= 11
    assert {labels[0], 0.5, labels[-1]} == {0.0, 0.5, 1.0}
    assert dial.views == ("variances", "sample")
    assert (dial.confirm.seeds, dial.search.trials) == (32, 0)
    assert dial.train.snapshots == tuple(range(64, 3201, 64))


def test_the_zoo_is_complete() -> None:
    """Every entry of the registry is an arm, under one view, with every setting that it needs."""
    zoo = load(ROOT / "experiments/zoo.toml")
    assert [arm.loss for arm in zoo.arms] == list(LOSSES)
    for arm in zoo.arms:
        values = zoo.arm_settings(arm).model_dump() | zoo.arm_shape(arm).model_dump()
        assert {key: values[key] for key in LOSSES[arm.loss].needs} == dict(LOSSES[arm.loss].needs)


def test_targets_share_mean_and_spread() -> None:
    """Each law of targets.toml has mean 4 and standard deviation 1.25, by scipy's moments."""
    laws = [experiment.target for _, experiment in commands(Path("experiments/targets.toml"))]
    assert len({law.law for law in laws}) == 6
    for law in laws:
        frozen = getattr(stats, law.law)(**law.params)
        assert (frozen.mean(), frozen.std()) == pytest.approx((4, 1.25), abs=1e-5)


def test_the_predicted_fits_are_the_divergences_minima() -> None:
    """Mean and sd that the header of misspecified.toml gives are those of the best normal law, to two decimals.

    Found anew on a coarser grid; KL's are the mixture's own mean 3.2 and sd sqrt(0.5625 + 0.21 * 16) = 1.98.
    """
    path = Path("experiments/misspecified.toml")
    predicted = re.findall(r"(\w+) +([\d.]+) +([\d.]+) +[\d.]+", " ".join(header(path)["Prediction"]))
    assert {name for name, *_ in predicted} == set(load(ROOT / path).variants)
    for name, mean, sd in predicted:
        assert normal_fit(name) == pytest.approx((float(mean), float(sd)), abs=0.006), name
