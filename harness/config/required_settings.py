"""The settings of [train] without which a variant is not the published loss, and where [train] overrides them.

They are ``Variant.needs``, and the key ``needs`` of a sweep's ``sweep.json``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from harness.config.error_messages import one_line
from harness.config.fields import Train
from harness.errors import InputError


@dataclass(frozen=True)
class Overridden:
    """A required setting of a variant to which [train] gives another value."""

    variant: str
    key: str
    required: float | str
    written: float | str

    @property
    def text(self) -> str:
        """``extragradient needs order = 'extragradient', but [train] says order = 'alternating'``."""
        required, written = (f"{self.key} = {value!r}" for value in (self.required, self.written))
        return f"{self.variant} needs {required}, but [train] says {written}"


def missing_settings(names: Iterable[str], train: Train) -> dict[str, dict[str, int | float | str]]:
    """The required settings that [train] does not set, by variant."""
    missing = {
        name: {key: value for key, value in required_settings(name).items() if key not in train.model_fields_set}
        for name in sorted(set(names))
    }
    return {name: dict(sorted(settings.items())) for name, settings in missing.items() if settings}


def required_settings(name: str) -> dict[str, int | float | str]:
    """The settings that a variant requires, converted as [train] converts them.

    Raises:
        InputError: the variant names an unknown setting or an impossible value.
    """
    from harness.losses import LOSSES

    try:
        setting = Train.model_validate(dict(LOSSES[name].needs))
    except ValidationError as error:
        raise InputError(f"variants: {name!r} needs an impossible setting: {one_line(error, Train)}") from None
    return {key: getattr(setting, key) for key in LOSSES[name].needs}
