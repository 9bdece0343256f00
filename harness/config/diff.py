"""The difference between two experiments, for refusing to resume one as the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.config.experiment import LABELS
from harness.config.fields import Train


def diff_specs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """``train.steps: 1000 -> 2000`` for every key that determines results and differs, in alphabetical order.

    Takes two results of ``Experiment.to_json``. Empty exactly when both have one fingerprint.
    """
    before, after = dict(_flat(old)), dict(_flat(new))
    changed = (key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key))
    return [f"{key}: {before.get(key, '(absent)')} -> {after.get(key, '(absent)')}" for key in changed]


def _flat(plain: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in plain.items():
        if not prefix and key in LABELS:
            continue
        name = f"train.{key}" if not prefix and key in Train.model_fields else f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, json.dumps(value, ensure_ascii=False)
