"""Search and confirm stage: the tables [search] and [confirm], the rules of a search space, successive halving.

Source of halving: Jamieson, Talwalkar 2016 (arXiv:1502.07943), with a reduction factor of eta as in Li et al. 2018
(arXiv:1603.06560).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator

from harness.config.error_messages import choose, one_line, quoted
from harness.config.fields import Arm, FrozenModel, Number, Train, whole_number
from harness.errors import InputError

#: Names of the samplers that ``search`` offers.
Sampler = Literal["auto", "sobol", "tpe", "cmaes", "nsga2", "gp", "random", "grid"]
SAMPLERS: tuple[str, ...] = get_args(Sampler)

#: What a search may minimise: the mean KS, and the mean step at which KS first fell below success_ks.
Objective = Literal["ks", "steps"]

#: The keys of [train] that a search may vary.
SEARCHABLE: tuple[str, ...] = tuple(
    key for key, field in Train.model_fields.items() if key != "steps" and isinstance(field.default, int | float)
)


class Range(FrozenModel):
    """The values that the search tries for one number: a closed interval, or a list of choices.

    ``log`` searches an interval evenly in the logarithm. A range is ``integer`` when all its ends or choices are ints.

    Raises:
        ValidationError: ends and choices together or neither, low not below high, a logarithm of 0,
            repeated choices.
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
                raise ValueError("has both choices and low, high or log; give one of the two")
            if not self.choices or len(set(self.choices)) < len(self.choices):
                raise ValueError("choices are empty or repeat a number; list each number once")
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
        """True when every value is a whole number."""
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


def _eta(value: int) -> int:
    if value == 1:
        raise ValueError("a factor of 1 leaves all trials")
    return value


Eta = Annotated[int, AfterValidator(_eta), Field(ge=0, le=10, description="0 for none, or a whole number from 2 to 10")]


#: Keys of earlier versions, with the values at which they changed nothing. ``sweep.json`` keeps them, so that sweeps of
#: those versions keep their fingerprints.
FORMER_KEYS = {"wilcoxon": 0.0}


class Search(FrozenModel):
    """The table [search]: ``trials`` settings for each arm, each trained with ``seeds`` seeds; 0 trials: no search.

    With ``halving`` above 0 the trials of a round are compared at ``rungs`` steps before the last; the best
    ceil(n/halving) of n continue. The sampler minimises ``objectives``; the winner is always the trial with
    the lowest KS.

    Raises:
        ValidationError: a value outside its range, or two that exclude each other.
    """

    sampler: Sampler = Field(default="auto", description="a sampler's name")
    trials: int = whole_number(0, 0, 10**6)
    seeds: int = whole_number(4, 1, 10**4)
    halving: Eta = 0
    rungs: int = whole_number(2, 1, 20)
    objectives: Annotated[tuple[Objective, ...], Field(strict=False)] = Field(
        default=("ks",), description='["ks"] or ["ks", "steps"]'
    )
    space: dict[str, Range] = Field(
        default_factory=dict, description="tables {low = ..., high = ..., log = true or false} or {choices = [...]}"
    )

    @model_validator(mode="before")
    @classmethod
    def _without_former_keys(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        for key, value in FORMER_KEYS.items():
            if values.get(key, value) != value:
                raise ValueError(
                    f"{key}: got {values[key]}, but pruning by seed is no longer part of this program; remove the key, "
                    "or use the version named in sweep.json"
                )
        return {key: value for key, value in values.items() if key not in FORMER_KEYS}

    @model_validator(mode="after")
    def _objectives_fit(self) -> Search:
        if self.objectives not in (("ks",), ("ks", "steps")):
            raise ValueError(f"objectives: got {list(self.objectives)}; allowed: ['ks'] or ['ks', 'steps']")
        if len(self.objectives) > 1 and self.sampler == "cmaes":
            raise ValueError("objectives: sampler 'cmaes' takes one; choose another sampler, such as 'nsga2'")
        if len(self.objectives) > 1 and self.halving:
            raise ValueError('objectives: ["ks", "steps"] cannot be combined with halving')
        return self


class Confirm(FrozenModel):
    """The table [confirm]: the number of fresh seeds with which each arm's winner is trained."""

    seeds: int = whole_number(16, 1, 10**5)


def resolve_space(
    space: Mapping[str, Range],
    sampler: str,
    trials: int,
    arms: Sequence[Arm],
    start: Callable[[Arm], Mapping[str, Any]],
) -> dict[str, Range]:
    """The space in alphabetical order, each range in its key's own type (int or float).

    ``start`` gives the setting that an arm starts from. It is trial 0, so it must lie in every range.

    Raises:
        InputError: an unknown key, a range outside the key's bounds or without the arm's own value, or one that
            the sampler cannot search.
    """
    parameters = sorted({key for arm in arms for key in arm.params})
    resolved: dict[str, Range] = {}
    for key, span in sorted(space.items()):
        if key in SEARCHABLE:
            resolved[key] = _train_range(key, span)
        elif key in parameters:
            resolved[key] = _parameter_range(key, span, arms)
        else:
            raise InputError(f"search.space: {choose(key, [*SEARCHABLE, *parameters])}")
        _check_sampler(key, span, sampler)
        for arm in arms:
            value = start(arm).get(key)
            if value is not None and value not in resolved[key]:
                raise InputError(
                    f"search.space.{key}: {resolved[key].text} leaves out {value}, the setting of {arm.text!r}, "
                    f"which is always trial 0; include {value} in the range or choices"
                )
    if trials > 0 and not resolved:
        raise InputError(f"search.trials: got {trials} with an empty [search.space]; set 0, or name keys to search")
    if trials > 0 and sampler == "cmaes":
        _check_dimensions_for_cmaes(resolved, arms, start)
    return resolved


def _train_range(key: str, span: Range) -> Range:
    """The range with every number converted as [train] converts it."""
    converted: dict[int | float, int | float] = {}
    for number in span.ends:
        try:
            converted[number] = getattr(Train.model_validate({key: number}), key)
        except ValidationError as error:
            raise InputError(f"search.space.{one_line(error, Train)}") from None
    return _mapped(span, converted)


def _parameter_range(key: str, span: Range, arms: Sequence[Arm]) -> Range:
    """The range in floats, after every variant with that parameter has accepted its numbers."""
    from harness.losses import LOSSES

    for loss in sorted({arm.loss for arm in arms if key in arm.params}):
        parameter = next(p for p in LOSSES[loss].parameters if p.name == key)
        for number in span.ends:
            parameter.check(number, f"search.space.{key}: {loss}")
    return _mapped(span, {number: float(number) for number in span.ends})


def _mapped(span: Range, converted: Mapping[int | float, int | float]) -> Range:
    if span.choices is not None:
        return Range(choices=tuple(converted[v] for v in span.choices))
    low, high = (converted[v] for v in span.ends)
    return Range(low=low, high=high, log=span.log)


def _check_sampler(key: str, span: Range, sampler: str) -> None:
    if sampler == "grid" and span.choices is None:
        raise InputError(
            f"search.space.{key}: sampler 'grid' cannot search {span.text}; list the values as choices = [...]"
        )
    if sampler == "cmaes" and span.choices is not None:
        raise InputError(
            f"search.space.{key}: sampler 'cmaes' cannot search choices {span.text}; give low and high, or choose "
            "another sampler"
        )


def _check_dimensions_for_cmaes(
    space: Mapping[str, Range], arms: Sequence[Arm], start: Callable[[Arm], Mapping[str, Any]]
) -> None:
    # CMA-ES needs a covariance of two numbers or more: of one, Optuna would silently draw at random.
    for arm in arms:
        count = len(space.keys() & start(arm).keys())
        if count == 1:
            raise InputError(
                f"search.sampler: 'cmaes' would search only one key of {quoted(arm.text)}; add a second key, or choose "
                "another sampler"
            )


def rung_steps(steps: int, eta: int, rungs: int) -> tuple[int, ...]:
    """The steps at which trials are compared: steps eta^-R, ..., steps eta^-1, each rounded up; R = ``rungs``."""
    return tuple(-(-steps // eta**k) for k in range(rungs, 0, -1))


def survivors(trials: int, eta: int) -> int:
    """The number of trials that continue past a rung: ceil(trials/eta)."""
    return -(-trials // eta)


def halved_steps(trials: int, steps: int, eta: int, rungs: int) -> int:
    """GAN steps of one seed of every trial together, with halving."""
    total = start = 0
    for stop in (*rung_steps(steps, eta, rungs), steps):
        total += trials * (stop - start)
        trials, start = survivors(trials, eta), stop
    return total
