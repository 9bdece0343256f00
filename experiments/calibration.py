"""How often intervals hold the truth, by simulation; as a script, the table of docs/statistics.md.

python experiments/calibration.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis import intervals
from analysis.intervals import STATISTICS, Statistic, holm, interval_of, probability_of_improvement, signed_rank

Float64 = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Float64]

#: log KS of a seed that is not lost: about 0.1, spread as on experiments/labels.toml.
CENTRE, SPREAD = np.log(0.1), 0.5


def _kept(rng: np.random.Generator, shape: tuple[int, ...]) -> Float64:
    return np.minimum(np.exp(CENTRE + SPREAD * rng.standard_normal(shape)), 1.0)


def _losing(share: float) -> Draw:
    return lambda rng, shape: np.where(rng.random(shape) < share, 1.0, _kept(rng, shape))


def _two_kinds(rng: np.random.Generator, shape: tuple[int, ...]) -> Float64:
    """Four seeds in ten never start: KS between 0.9 and 1."""
    return np.where(rng.random(shape) < 0.4, 1 - 0.1 * rng.random(shape), _kept(rng, shape))


LAWS: Mapping[str, Draw] = {
    "none lost": _kept,
    "one in ten lost": _losing(0.1),
    "one in four lost": _losing(0.25),
    "four in ten do not start": _two_kinds,
}


def law_of(law: str, rng: np.random.Generator, shape: tuple[int, ...], correlation: float = 0.0) -> Float64:
    """KS distances of that law; ``difference`` is of two arms, whose log KS correlate, one seed in ten lost by each."""
    if law != "difference":
        return LAWS[law](rng, shape)
    own, other = pair(rng, shape, correlation, 0.3)
    return own - other


def pair(rng: np.random.Generator, shape: tuple[int, ...], correlation: float, shift: float) -> tuple[Float64, Float64]:
    """KS distances of two arms on the same seeds, the log of the second's larger by ``shift``."""
    common, own, other = (rng.standard_normal(shape) for _ in range(3))
    mix = (np.sqrt(correlation), np.sqrt(1 - correlation))
    found = [np.exp(CENTRE + by + SPREAD * (mix[0] * common + mix[1] * z)) for by, z in ((0.0, own), (shift, other))]
    lost = rng.random((2, *shape)) < 0.1
    return np.where(lost[0], 1.0, np.minimum(found[0], 1.0)), np.where(lost[1], 1.0, np.minimum(found[1], 1.0))


def covered(law: str, statistic: Statistic, seeds: int, sweeps: int, *, correlation: float = 0.0) -> float:
    """Share of simulated sweeps whose interval holds the statistic of the law, which a million draws tell."""
    truth = float(STATISTICS[statistic](law_of(law, np.random.default_rng(1), (1_000_000,), correlation)))
    held = 0
    for sample in law_of(law, np.random.default_rng(2), (sweeps, seeds), correlation):
        found = interval_of(sample, statistic)
        held += found.low is not None and found.high is not None and found.low <= truth <= found.high
    return held / sweeps


def improved(shift: float, correlation: float, seeds: int, sweeps: int) -> float:
    """Share of simulated sweeps whose interval holds P(X < Y) + P(X = Y)/2, which two million draws tell."""
    own, other = pair(np.random.default_rng(1), (2_000_000,), 0.0, shift)
    truth = float(stats.mannwhitneyu(other[:200_000], own[:200_000], method="asymptotic").statistic) / 200_000**2
    held = 0
    for x, y in zip(*pair(np.random.default_rng(2), (sweeps, seeds), correlation, shift), strict=True):
        _, low, high = probability_of_improvement(x, y)
        held += low <= truth <= high
    return held / sweeps


def told_apart(sweeps: int, seeds: int, other: float = 1.0, spread: float | None = None) -> float:
    """Share of simulated sweeps that declare an arm different from its baseline, by the report's rule: the signed-rank
    test of five arms against the baseline, p < 0.05 after Holm's correction.

    The arm's KS is ``other`` times the baseline's, the same law for 1; the four others' are 0.6, 0.7, 1.5 and 2 times.
    With ``spread`` baseline and arm each stand at the best of five settings, log KS with that sd about one another, as
    eight seeds of their own tell it.
    """
    rng, told = np.random.default_rng(0), 0
    for _ in range(sweeps):
        at = np.ones(2)
        if spread is not None:
            settings = np.exp(spread * rng.standard_normal(5))
            tried = np.minimum(_kept(rng, (2, 5, 8)) * settings[:, None], 1.0)
            at = settings[tried.mean(axis=2).argmin(axis=1)]
        scale = np.array([at[0], other * at[1], *(at[0] * np.array([0.6, 0.7, 1.5, 2.0]))])
        baseline, *arms = np.minimum(LAWS["one in ten lost"](rng, (6, seeds)) * scale[:, None], 1.0)
        told += holm([signed_rank(arm - baseline) for arm in arms])[0] < 0.05
    return told / sweeps


def table(sweeps: int = 1000) -> str:
    """Coverage in per cent by law and number of seeds, as Markdown."""
    sizes = (8, 12, 16, 32, 64)
    lines = ["| | law | " + " | ".join(f"{n} seeds" for n in sizes) + " |", "|---|---|" + "---|" * len(sizes)]
    statistics: tuple[Statistic, ...] = ("median", "iqm", "mean")
    for statistic in statistics:
        for law in LAWS:
            found = [covered(law, statistic, n, sweeps) for n in sizes]
            lines.append(f"| {statistic} | {law} | " + " | ".join(f"{100 * c:.1f}" for c in found) + " |")
    for statistic in ("median", "mean"):
        found = [covered("difference", statistic, n, sweeps, correlation=0.6) for n in sizes]
        lines.append(f"| {statistic} paired difference | one in ten lost | "
                     + " | ".join(f"{100 * c:.1f}" for c in found) + " |")  # fmt: skip
    for shift in (0.0, 0.7, 1.5):
        found = [improved(shift, 0.6, n, sweeps) for n in sizes]
        lines.append(f"| probability of improvement | log KS apart by {shift:g} | "
                     + " | ".join(f"{100 * c:.1f}" for c in found) + " |")  # fmt: skip
    lines += ["", f"The same arm told apart: {100 * told_apart(sweeps, 32):.1f}"]
    chosen = ", ".join(f"{100 * told_apart(sweeps, 32, spread=spread):.1f}" for spread in (0.2, 0.5, 1.0))
    found = (f"{other:g} of it: {100 * told_apart(sweeps, 32, other=other):.1f}" for other in (0.6, 0.4))
    lines += [f"each at its own best setting: {chosen}", *found]
    return "\n".join(lines)


if __name__ == "__main__":
    intervals.RESAMPLES = 999
    sys.stdout.write(f"{table()}\n")
