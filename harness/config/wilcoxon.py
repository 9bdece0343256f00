"""Pruning by seed as arithmetic: after how many seeds a trial may be judged.

A trial is compared with the best one known, seed by seed, by Wilcoxon's signed-rank test (Wilcoxon 1945), as Optuna's
WilcoxonPruner does. Of n pairs that all point one way the one-sided p-value is 2^-n, the smallest there is.
"""

from __future__ import annotations


def seed_looks(seeds: int, threshold: float) -> tuple[int, ...]:
    """The numbers of seeds after which trials are judged: powers of two below ``seeds`` with 2^-n < ``threshold``."""
    powers = [2**k for k in range(1, seeds.bit_length() + 1)]
    return tuple(n for n in powers if n < seeds and 2.0**-n < threshold)
