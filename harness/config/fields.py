"""The typed parts of an experiment: what a setting may be, a range to search it in, and an arm.

Every field's ``description`` says what is allowed; error messages quote it (``faults.one_line``).
Rules that join several parts stand in ``experiment.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator

#: Names of the samplers that ``search`` offers.
Sampler = Literal["auto", "sobol", "tpe", "cmaes", "nsga2", "gp", "random", "grid"]
SAMPLERS: tuple[str, ...] = get_args(Sampler)

#: What a search may make small: the mean KS, and the mean step at which KS first was below success_ks.
Objective = Literal["ks", "steps"]

#: Steps, trials and rounds are int32 columns of a committed row.
INT32 = 2**31 - 1


class Part(BaseModel):
    """Frozen, no unknown keys, no conversions but int to float, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Validated copy with those of the values that name a field."""
        return type(self)(**dict(self) | {name: values[name] for name in type(self).model_fields if name in values})


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
Momentum = Annotated[float, AfterValidator(_positive_zero), Field(gt=-1, lt=1, description="a number in (-1, 1)")]
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
    def ends(self) -> tuple[int | float, ...]:
        """Both ends, or all choices."""
        return self.choices or tuple(v for v in (self.low, self.high) if v is not None)

    @property
    def integer(self) -> bool:
        """Whether every value is a whole number."""
        return all(isinstance(v, int) for v in self.ends)

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

    ``beta1`` is Adam's first decay, and the momentum of the other optimisers (which may be negative); ``beta2`` the
    decay of the squared gradient's average. ``lr_decay`` is the share of both learning rates that is gone by the last
    step, ``penalty_decay`` the share of every penalty's weight. ``ema`` is the decay of the generator's running
    average (0: none), ``replay`` the chance that a generated value D sees is an old one. ``instance_noise`` is the
    standard deviation of noise on everything D reads, in units of x. All from ``weight_clip`` on are the weights and
    bounds of ``harness.losses.penalties``, where their formulas stand; 0 is none.
    """

    lr_d: Rate = 2e-4
    lr_g: Rate = 2e-4
    beta1: Momentum = 0.9
    beta2: Decay = 0.999
    lr_decay: Share = 0.0
    penalty_decay: Share = 0.0
    ema: Decay = 0.0
    replay: Share = 0.0
    instance_noise: Bound = 0.0
    weight_clip: Bound = 0.0
    spectral_norm: Bound = 0.0
    r1: Bound = 0.0
    r2: Bound = 0.0
    zero_gp: Bound = 0.0
    gp: Bound = 0.0
    one_sided_gp: Bound = 0.0
    dragan: Bound = 0.0
    wgan_div: Bound = 0.0
    consensus: Bound = 0.0

    def columns(self) -> dict[str, float]:
        """Every setting by name: the columns of a committed row and the fields of the cpu engine's record."""
        return {name: getattr(self, name) for name in Settings.model_fields}


def even_snapshots(steps: int) -> tuple[int, ...]:
    """Ten steps evenly spaced (fewer where ``steps`` < 10), the last being ``steps``: ceil(i * steps / 10)."""
    return tuple(sorted({-(-i * steps // 10) for i in range(1, 11)}))


def _one_of(words: Any) -> str:
    return f"one of {', '.join(map(repr, get_args(words)))}"


#: What follows a hidden layer, by the names of torch.nn.functional.
Activation = Literal["elu", "sigmoid", "tanh", "relu", "leaky_relu", "softplus"]
Activations = Annotated[
    tuple[Activation, ...],
    Field(strict=False, max_length=8, description=f"a list of up to 8 of {', '.join(get_args(Activation))}"),
]
#: The law of the generator's noise: U(0, 1) or N(0, 1) in each dimension.
Noise = Literal["uniform", "normal"]
Optimizer = Literal["adam", "optimistic_adam", "sgd", "rmsprop"]
#: alternating: D, then G against the new D. simultaneous: both from the same point. extragradient: both look ahead
#: from the same point, and step from it by the gradients found there.
Order = Literal["alternating", "simultaneous", "extragradient"]
Schedule = Literal["linear", "cosine"]


class Shape(Part):
    """What members trained side by side must share; the defaults are the seed's (with a third of its steps).

    ``batch`` and ``hidden`` count values and units; ``hidden_g`` is the generator's own number of units (0: as
    ``hidden``); ``activations_g`` and ``activations_d`` name what follows each hidden layer (none: an affine map).
    ``latent`` is the dimension of the noise. ``d_steps`` and ``g_steps`` count updates of each player in one step,
    which takes them one after the other, both at once, or with a look ahead (``order``). ``schedule`` is how a rate
    decays. ``snapshots`` are the steps after which a member is measured, ascending, within 1..steps.

    Raises:
        ValidationError: a value outside its range, or several updates a step without ``order = "alternating"``.
    """

    steps: int = whole(10_000, 1, INT32)
    batch: int = whole(100, 1, 10**6)
    hidden: int = whole(50, 1, 10**5)
    hidden_g: int = whole(0, 0, 10**5)
    activations_g: Activations = ("elu", "sigmoid")
    activations_d: Activations = ("elu", "elu")
    noise: Noise = Field(default="uniform", description=_one_of(Noise))
    latent: int = whole(1, 1, 1000)
    optimizer: Optimizer = Field(default="adam", description=_one_of(Optimizer))
    order: Order = Field(default="alternating", description=_one_of(Order))
    schedule: Schedule = Field(default="linear", description=_one_of(Schedule))
    d_steps: int = whole(1, 1, 1000)
    g_steps: int = whole(1, 1, 1000)
    snapshots: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        default_factory=lambda made: even_snapshots(made["steps"]),
        min_length=1,
        max_length=1000,
        description="1 to 1000 ascending whole numbers within 1..steps",
    )

    @property
    def units_g(self) -> int:
        """Units of each hidden layer of the generator."""
        return self.hidden_g or self.hidden

    @model_validator(mode="after")
    def _snapshots_within_steps(self) -> Shape:
        ascending = all(a < b for a, b in zip(self.snapshots, self.snapshots[1:], strict=False))
        if not ascending or self.snapshots[0] < 1 or self.snapshots[-1] > self.steps:
            raise ValueError(f"snapshots must be ascending steps within 1..{self.steps} (steps)")
        return self

    @model_validator(mode="after")
    def _one_update_at_once(self) -> Shape:
        if self.order != "alternating" and (self.d_steps, self.g_steps) != (1, 1):
            raise ValueError(
                f"order = {self.order!r} takes d_steps = 1 and g_steps = 1, "
                f"not d_steps = {self.d_steps} and g_steps = {self.g_steps}"
            )
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
SEARCHABLE: tuple[str, ...] = tuple(
    key for key, field in Train.model_fields.items() if key != "steps" and isinstance(field.default, int | float)
)


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
