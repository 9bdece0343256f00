"""The typed parts of an experiment: what a setting may be, a range to search it in, and an arm.

Every field's ``description`` says what is allowed; error messages quote it (``faults.one_line``).
Rules that join several parts stand in ``experiment.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator

#: Names of the samplers that ``search`` offers.
Sampler = Literal["tpe", "random", "qmc", "cmaes", "gp", "grid"]
SAMPLERS: tuple[str, ...] = get_args(Sampler)

#: Steps, trials and rounds are int32 columns of a committed row.
INT32 = 2**31 - 1


class Part(BaseModel):
    """Frozen, no unknown keys, no conversions but int to float, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def whole(default: int, low: int, high: int) -> Any:
    """A field of whole numbers from ``low`` to ``high``."""
    return Field(default=default, ge=low, le=high, description=f"a whole number from {low} to {high}")


def _positive_zero(value: float) -> float:
    # -0.0 equals 0.0 but prints differently, which would give equal experiments different fingerprints.
    return value + 0.0


def _finite(value: object) -> int | float:
    """A finite number that stays the int or float it was; bool is no number here.

    Raises:
        ValueError: it is something else (pydantic reports where).
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise ValueError("not finite")
    return value + 0


Number = Annotated[int | float, PlainValidator(_finite)]
Rate = Annotated[float, AfterValidator(_positive_zero), Field(gt=0, le=1e6, description="a number in (0, 1e6]")]
Decay = Annotated[float, AfterValidator(_positive_zero), Field(ge=0, lt=1, description="a number in [0, 1)")]
Share = Annotated[float, AfterValidator(_positive_zero), Field(ge=0, le=1, description="a number in [0, 1]")]
Bound = Annotated[
    float, AfterValidator(_positive_zero), Field(ge=0, le=1e6, description="a number in [0, 1e6], 0 for none")
]


class Range(Part):
    """Where the search looks for one number: an interval, or a list of choices.

    An interval is closed; ``log`` searches it evenly in the logarithm. It is ``integer`` when its ends are ints.

    Raises:
        ValidationError: ends and choices together or neither, low not below high, a logarithm of 0, repeated choices.
    """

    low: Number | None = Field(default=None, description="a finite number below high")
    high: Number | None = Field(default=None, description="a finite number above low")
    log: bool = Field(default=False, description="true or false")
    choices: Annotated[tuple[Number, ...], Field(strict=False)] | None = Field(
        default=None, description="a list of distinct finite numbers"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Range:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("choices stand alone, without low, high and log")
            if not self.choices or len(set(self.choices)) < len(self.choices):
                raise ValueError("choices are empty or repeat a number")
            return self
        if self.low is None or self.high is None:
            raise ValueError("needs both low and high, or choices")
        if not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log = true needs low above 0, not {self.low}")
        return self

    @property
    def integer(self) -> bool:
        """Whether every value is a whole number."""
        values = (self.low, self.high) if self.choices is None else self.choices
        return all(isinstance(v, int) for v in values)

    def __contains__(self, value: float) -> bool:
        if self.choices is not None:
            return value in self.choices
        return self.low is not None and self.high is not None and self.low <= value <= self.high

    @property
    def text(self) -> str:
        """``[1e-05, 0.01] log`` or ``{0.0, 0.5}``."""
        if self.choices is not None:
            return f"{{{', '.join(map(str, self.choices))}}}"
        return f"[{self.low}, {self.high}]{' log' if self.log else ''}"

    def to_json(self) -> dict[str, Any]:
        """``{"low", "high", "log"}`` or ``{"choices"}``."""
        if self.choices is not None:
            return {"choices": list(self.choices)}
        return {"low": self.low, "high": self.high, "log": self.log}


class Settings(Part):
    """What may differ between members trained side by side; the defaults are the seed's.

    ``lr_decay`` is the share of both learning rates that is gone, linearly, by the last step; ``ema`` the decay of
    the generator's running average (0: none); ``weight_clip`` the bound on every parameter of D (0: none).
    """

    lr_d: Rate = 2e-4
    lr_g: Rate = 2e-4
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    lr_decay: Share = 0.0
    ema: Decay = 0.0
    weight_clip: Bound = 0.0


def even_snapshots(steps: int) -> tuple[int, ...]:
    """Ten steps evenly spaced (fewer where ``steps`` < 10), the last being ``steps``: ceil(i * steps / 10)."""
    return tuple(sorted({-(-i * steps // 10) for i in range(1, 11)}))


class Shape(Part):
    """What members trained side by side must share; the defaults are the seed's (with a third of its steps).

    ``batch`` and ``hidden`` count values and units, ``d_steps`` and ``g_steps`` updates of each player in one step,
    ``snapshots`` are the steps after which a member is measured, ascending, within 1..steps.
    """

    steps: int = whole(10_000, 1, INT32)
    batch: int = whole(100, 1, 10**6)
    hidden: int = whole(50, 1, 10**5)
    d_steps: int = whole(1, 1, 1000)
    g_steps: int = whole(1, 1, 1000)
    snapshots: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        default_factory=lambda made: even_snapshots(made["steps"]),
        min_length=1,
        max_length=1000,
        description="1 to 1000 ascending whole numbers within 1..steps",
    )

    @model_validator(mode="after")
    def _snapshots_within_steps(self) -> Shape:
        ascending = all(a < b for a, b in zip(self.snapshots, self.snapshots[1:], strict=False))
        if not ascending or self.snapshots[0] < 1 or self.snapshots[-1] > self.steps:
            raise ValueError(f"snapshots must be ascending steps within 1..{self.steps} (steps)")
        return self


class Train(Settings, Shape):
    """The table [train]: one setting and one shape."""

    @property
    def settings(self) -> Settings:
        """What may differ between members of a group."""
        return Settings(**{key: getattr(self, key) for key in Settings.model_fields})

    @property
    def shape(self) -> Shape:
        """What members of a group share."""
        return Shape(**{key: getattr(self, key) for key in Shape.model_fields})


#: The keys of [train] that a search may vary.
SEARCHABLE: tuple[str, ...] = tuple(key for key in Train.model_fields if key not in ("steps", "snapshots"))


@dataclass(frozen=True)
class Arm:
    """What a sweep compares: a loss variant with all its parameters, under one view."""

    loss: str
    params: Mapping[str, float]
    view: str

    def __hash__(self) -> int:
        return hash((self.loss, tuple(sorted(self.params.items())), self.view))

    @property
    def text(self) -> str:
        """The arm's one name: ``generator_label(t=0.5) / variances``."""
        from harness.losses import variant_text

        return f"{variant_text(self.loss, self.params)} / {self.view}"
