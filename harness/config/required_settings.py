"""What variants need of [train] to be the published losses, and where an experiment says otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from harness.config.error_messages import one_line
from harness.config.fields import Train
from harness.errors import InputError


@dataclass(frozen=True)
class Overridden:
    """A setting that a variant needs to be the published loss, and [train] has otherwise."""

    variant: str
    key: str
    needed: float | str
    written: float | str

    @property
    def text(self) -> str:
        """``extragradient needs order = 'extragradient', but [train] says order = 'alternating'``."""
        needed, written = (f"{self.key} = {value!r}" for value in (self.needed, self.written))
        return f"{self.variant} needs {needed}, but [train] says {written}"


def missing_needs(names: Iterable[str], train: Train) -> dict[str, dict[str, int | float | str]]:
    """What the variants need and [train] does not set."""
    found: dict[str, dict[str, int | float | str]] = {}
    for name in sorted(set(names)):
        missing = {key: value for key, value in published_needs(name).items() if key not in train.model_fields_set}
        if missing:
            found[name] = dict(sorted(missing.items()))
    return found


def published_needs(name: str) -> dict[str, int | float | str]:
    """The settings that a variant needs, as [train] takes them."""
    from harness.losses import LOSSES

    try:
        setting = Train.model_validate(dict(LOSSES[name].needs))
    except ValidationError as error:
        raise InputError(f"variants: what {name!r} needs is no setting: {one_line(error, Train)}") from None
    return {key: getattr(setting, key) for key in LOSSES[name].needs}
