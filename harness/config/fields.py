"""The fields of an experiment file: settings and shapes of [train], the table [target], and arms.

Every field's ``description`` says what is allowed; error messages quote it (``error_messages.one_line``).
Rules that join several fields are in ``experiment.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator

from harness.config.error_messages import quoted
from harness.data.target import Target, starting_params
from harness.errors import InputError

#: The largest int32: steps, trials and rounds are int32 columns of a committed row.
INT32 = 2**31 - 1


class FrozenModel(BaseModel):
    """A frozen model with finite numbers, without unknown keys and without conversions except int to float."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Validated copy with those of the values that name a field."""
        return type(self)(**dict(self) | {name: values[name] for name in type(self).model_fields if name in values})


def whole_number(default: int, low: int, high: int) -> Any:
    """A field for whole numbers from ``low`` to ``high``."""
    return Field(default=default, ge=low, le=high, description=f"a whole number from {low} to {high}")


def _positive_zero(value: float) -> float:
    # -0.0 equals 0.0 but prints differently, which would give equal experiments different fingerprints.
    return value + 0.0


def _finite(value: object) -> int | float:
    """A finite number, left as the int or float it was; a bool is not a number here.

    Raises:
        ValueError: anything else (pydantic reports where).
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


class Settings(FrozenModel):
    """Hyper-parameters that may differ between members of a group; the defaults are those of the script.

    ``beta1`` is Adam's first decay, and the momentum of the other optimisers (which may be negative); ``beta2`` is the
    decay of the average of squared gradients. ``lr_decay`` is the fraction by which both learning rates have fallen at
    the last step, ``penalty_decay`` the same for the weight of every penalty. ``ema`` is the decay of the generator's
    running average (0: none), ``replay`` the probability that a generated value shown to D is an old one.
    ``instance_noise`` is the standard deviation of noise on everything D reads, in units of x. The fields from
    ``weight_clip`` on are the weights and bounds of ``harness.losses.penalties``, which has their formulas; 0 is none.
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


#: The function after a hidden layer, by its name in torch.nn.functional.
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


class Shape(FrozenModel):
    """Hyper-parameters that members of a group share; the defaults are those of the script, with a third of its steps.

    ``batch`` counts values, ``hidden`` units of each hidden layer; ``hidden_g`` is the generator's own number of units
    (0: as ``hidden``). ``activations_g`` and ``activations_d`` name the function after each hidden layer (an empty
    list: an affine map). ``latent`` is the dimension of the noise. ``d_steps`` and ``g_steps`` count the updates of
    each player in one step; ``order`` takes them one after the other, both at once, or with a look ahead. ``schedule``
    is the shape of the decay of a rate. ``snapshots`` are the steps after which a member is measured, ascending, within
    1..steps.

    Raises:
        ValidationError: a value outside its range, or several updates a step without ``order = "alternating"``.
    """

    steps: int = whole_number(10_000, 1, INT32)
    batch: int = whole_number(100, 1, 10**6)
    hidden: int = whole_number(50, 1, 10**5)
    hidden_g: int = whole_number(0, 0, 10**5)
    activations_g: Activations = ("elu", "sigmoid")
    activations_d: Activations = ("elu", "elu")
    noise: Noise = Field(default="uniform", description=_one_of(Noise))
    latent: int = whole_number(1, 1, 1000)
    optimizer: Optimizer = Field(default="adam", description=_one_of(Optimizer))
    order: Order = Field(default="alternating", description=_one_of(Order))
    schedule: Schedule = Field(default="linear", description=_one_of(Schedule))
    d_steps: int = whole_number(1, 1, 1000)
    g_steps: int = whole_number(1, 1, 1000)
    snapshots: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        default_factory=lambda values: even_snapshots(values["steps"]),
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
        """The fields that may differ between members of a group."""
        return Settings(**{key: getattr(self, key) for key in Settings.model_fields})

    @property
    def shape(self) -> Shape:
        """The fields that members of a group share."""
        return Shape(**{key: getattr(self, key) for key in Shape.model_fields})


@dataclass(frozen=True)
class Arm:
    """One contender of a sweep: a loss variant with all its parameters, under one view."""

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


#: The largest value that training may read: its square, 1e36, is finite in float32 (up to 3.4e38) with room for a sum.
_LARGEST_DRAW = 1e18


def parse_target(value: object) -> Target:
    """The table [target]. Missing keys are those of N(4, 1.25), or ``starting_params`` of another law.

    Raises:
        ValueError: it is not a table (pydantic reports where).
        InputError: a law, key or number is not allowed.
    """
    if isinstance(value, Target):
        return _trainable(value)
    if not isinstance(value, dict):
        raise ValueError("not a table")
    law = value.get("law", "norm")
    if not isinstance(law, str) or not re.fullmatch(r"\w{1,40}", law):
        raise InputError(
            f"target.law: got {quoted(law)}; allowed: the name of a continuous law of scipy.stats, or mixture"
        )
    default = Target()
    params = dict(default.params) if law == default.law else starting_params(law)
    for key, number in value.items():
        if key == "law":
            continue
        if not isinstance(key, str) or not re.fullmatch(r"\w{1,40}", key):
            raise InputError(f"target: unknown key {quoted(key)}; allowed: law, and the law's parameters")
        if isinstance(number, bool) or not isinstance(number, int | float) or not -1e6 <= number <= 1e6:
            raise InputError(f"target.{key}: got {quoted(number)}; allowed: a number in [-1e6, 1e6]")
        params[key] = float(number) + 0.0
    return _trainable(Target(law, params))


def _trainable(target: Target) -> Target:
    """The target, after a check that the squares of its farthest draws are finite in float32.

    Raises:
        InputError: the tails are so heavy that a draw would overflow with any loss.
    """
    from harness.data.rng import EXTREME_DRAWS

    draws = [(u, float(target.quantile(np.array([u]))[0])) for u in EXTREME_DRAWS]
    for u, x in draws:
        if not abs(x) <= _LARGEST_DRAW:
            raise InputError(
                f"target: {target.text} draws {x:.3g} (its quantile at {u:.9g}), too far out to train on in "
                f"float32; allowed: a law whose draws are within {_LARGEST_DRAW:g} of 0"
            )
    return target
