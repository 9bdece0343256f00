"""One committed row and one description of a sweep, by hand."""

from __future__ import annotations

from typing import Any

from harness.store import SCHEMA

DESCRIPTION = {"uid": "0" * 32, "name": "größer", "spec": {"steps": 3}, "arms": []}

ROW: dict[str, Any] = dict.fromkeys(SCHEMA.names) | {
    "key": "0123456789abcdef",
    "stage": "confirm",
    "arm": "generator_label(t=0.5) / variances",
    "trial": 3,
    "loss_params": {"t": 0.5},
    "ks": 0.25,
    "quantiles": [0.5, 1.5],
    "snapshot_step": [1, 2],
    "snapshot_loss_d_real": [None, 2.0],
    "generator": [0.5, -1.25],
}
