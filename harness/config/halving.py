"""Successive halving as arithmetic: where trials are compared, and how many go on.

Source: Jamieson, Talwalkar 2016 (arXiv:1502.07943), with a reduction factor of eta as in Li et al. 2018
(arXiv:1603.06560).
"""

from __future__ import annotations


def rung_steps(steps: int, eta: int, rungs: int) -> tuple[int, ...]:
    """The steps at which trials are compared: steps eta^-R, ..., steps eta^-1, each rounded up, for R = ``rungs``."""
    return tuple(-(-steps // eta**k) for k in range(rungs, 0, -1))


def survivors(trials: int, eta: int) -> int:
    """How many of so many trials go on: ceil(trials/eta)."""
    return -(-trials // eta)


def halved_steps(trials: int, steps: int, eta: int, rungs: int) -> int:
    """GAN-steps that one seed of each of so many trials takes together."""
    total = start = 0
    for stop in (*rung_steps(steps, eta, rungs), steps):
        total += trials * (stop - start)
        trials, start = survivors(trials, eta), stop
    return total
