"""What sweep.json says of a sweep at its start."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from typing import Any

from harness.config import Arm, Experiment
from harness.engines.auto import EngineAssignment
from harness.losses import LOSSES, variant_text
from harness.losses.notation import discriminator_text, generator_text
from harness.sweep.plan import planned
from harness.sweep.provenance import provenance


def described(experiment: Experiment, services: Sequence[EngineAssignment]) -> dict[str, Any]:
    """The spec as run, the arms in words, how many populations there will be, provenance, and a name of its own."""
    return {
        "uid": uuid.uuid4().hex,
        "name": experiment.name,
        "fingerprint": experiment.fingerprint,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "spec": experiment.to_json(),
        "arms": [describe_arm(arm) for arm in experiment.arms],
        "populations": sum(len(this.populations) for this in planned(experiment)),
        "provenance": provenance(services),
    }


def describe_arm(arm: Arm) -> dict[str, Any]:
    """An arm with its formulas, prediction and source in words, for whoever reads a sweep without the registry."""
    variant = LOSSES[arm.loss]
    return {
        "arm": arm.text,
        "loss": variant_text(arm.loss, arm.params),
        "loss_params": dict(arm.params),
        "view": arm.view,
        "generator": generator_text(variant),
        "discriminator": discriminator_text(variant),
        "citation": variant.citation.short(),
        "prediction": variant.prediction.text,
    }
