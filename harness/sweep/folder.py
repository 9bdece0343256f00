"""A sweep's folder: its description, errors where it cannot be written, setting it aside for a fresh start."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.config import Arm, Experiment
from harness.engines.auto import EngineAssignment
from harness.errors import InputError
from harness.losses import LOSSES, variant_text
from harness.losses.notation import discriminator_text, generator_text
from harness.store import Store, locked
from harness.sweep.plan import planned
from harness.sweep.provenance import provenance


def description_of(experiment: Experiment, services: Sequence[EngineAssignment]) -> dict[str, Any]:
    """Contents of sweep.json at the start: spec, arms in words, number of populations, provenance, a unique id."""
    return {
        "uid": uuid.uuid4().hex,
        "name": experiment.name,
        "fingerprint": experiment.fingerprint,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "spec": experiment.to_json(),
        "arms": [describe_arm(arm) for arm in experiment.arms],
        "populations": sum(len(round_.populations) for round_ in planned(experiment)),
        "provenance": provenance(services),
    }


def describe_arm(arm: Arm) -> dict[str, Any]:
    """An arm with its formulas, prediction and source in words, so that a sweep can be read without the registry."""
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


def set_aside(folder: Path) -> Path | None:
    """Move a sweep's folder to a free name beside it, for a fresh start; the new path, or None if there is no sweep.

    A folder without a sweep is left as it is.

    Raises:
        InputError: a process writes or mirrors the sweep, the folder is or holds the working directory, or it cannot
            be moved.
    """
    if not any((folder / name).exists() for name in ("sweep.json", "populations")):
        return None
    if Path.cwd().is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: --fresh cannot move the working directory; run it from outside that folder")
    # The mirror's lock too: a mirror still busy with the old sweep would take the new one's rows for its own.
    with writing(folder), Store(folder).lock(), locked(folder / "mirror.lock"):
        number = 1
        while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
            number += 1
        folder.rename(aside)
    return aside


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn an error of writing (no permission, a full disk, a file in the way) into one line that names the folder."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or folder}: cannot be written ({error.strerror or error})") from error
