"""Reads the initial weights and draws of the check, without the library that made them (``workload.write_given``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Arrays = list[NDArray[np.float32]]


def read_given(path: str) -> tuple[Arrays, Arrays, Arrays]:
    """G's weights (P, inputs, outputs) and biases (P, outputs) layer by layer, D's, and the draws (T, P, B): real
    values, noise of D's update, noise of G's.
    """
    with np.load(path) as found:
        players = [[found[f"{letter}{i}"] for i in range(6)] for letter in "gd"]
        return players[0], players[1], [found[name] for name in ("real", "z_d", "z_g")]
