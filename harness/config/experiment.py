"""A whole experiment: the rules that join its parts, the starting point of each arm, the fingerprint and the JSON."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, ValidationError, model_validator

from harness.config.error_messages import one_line, quoted
from harness.config.fields import Arm, FrozenModel, Number, Settings, Shape, Train, parse_target, whole_number
from harness.config.required_settings import Overridden, missing_settings, required_settings
from harness.config.search import FORMER_KEYS, Confirm, Range, Search, resolve_space, rung_steps
from harness.data.target import Target
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.data.views import View

#: Keys that do not influence results, and so are not part of the fingerprint.
LABELS = ("name", "question", "prediction")

#: Increase this when a change alters the results of an unchanged experiment file.
SEMANTICS_VERSION = 2

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value) or ".." in value:
        raise ValueError("not a plain name")
    return value


def _text(value: str) -> str:
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in value):
        raise ValueError("holds control characters")
    return value


Words = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Text = Annotated[str, AfterValidator(_text), Field(max_length=10_000)]


class Experiment(FrozenModel):
    """One question as data: checked as a whole at construction, and frozen.

    ``seed`` is the study seed. ``needs`` holds, by variant, the settings without which it is not the published loss.
    It comes from the registry, and only for settings that [train] leaves at their defaults.

    Raises:
        ValidationError: a field has a value that is not allowed.
        InputError: fields contradict each other; the message names the key.
    """

    name: Annotated[str, AfterValidator(_name)] = Field(
        description="1 to 80 letters, digits, blanks, '.', '_' and '-', a letter or digit first, without '..'"
    )
    question: Text = Field(default="", description="up to 10000 characters without control characters")
    prediction: Text = Field(default="", description="up to 10000 characters without control characters")
    seed: int = whole_number(0, 0, 2**63 - 1)
    views: Words = Field(
        default=("variances",), description="a list of distinct views such as 'variances' or 'pack(m=2)'"
    )
    variants: Words = Field(description="a list of distinct variants such as 'minimax' or 'generator_label(t=0.5)'")
    success_ks: float = Field(default=0.05, gt=0, lt=1, description="a number in (0, 1)")
    population: int = whole_number(64, 1, 10**6)
    target: Annotated[Target, PlainValidator(parse_target)] = Field(
        default_factory=Target, description="a table with law and the law's parameters"
    )
    train: Train = Field(default_factory=Train, description="a table")
    search: Search = Field(default_factory=Search, description="a table")
    confirm: Confirm = Field(default_factory=Confirm, description="a table")
    needs: dict[str, dict[str, Number | str]] | None = Field(
        default=None, description="a table of tables of numbers and words"
    )

    @model_validator(mode="after")
    def _resolve(self) -> Experiment:
        """Replace texts by their canonical forms, fill in derived fields, and check the rules that join fields."""
        from harness.losses import variant_text

        variants = [_variant(text) for text in self.variants]
        # object.__setattr__ because the model is frozen for everyone else.
        object.__setattr__(self, "views", tuple(_view(text).name for text in self.views))
        object.__setattr__(self, "variants", tuple(variant_text(name, params) for name, params in variants))
        for key, names in (("view", self.views), ("variant", self.variants)):
            repeated = [name for i, name in enumerate(names) if name in names[:i]]
            if repeated:
                raise InputError(f"{key}s: {repeated[0]!r} is listed twice; list each {key} once")
        if self.needs is None:
            object.__setattr__(self, "needs", missing_settings([name for name, _ in variants], self.train))
        space = resolve_space(
            self.search.space, self.search.sampler, self.search.trials, self.arms, self._starting_values
        )
        object.__setattr__(self, "search", self.search.model_copy(update={"space": space}))
        for arm in self.arms:
            self._check_shapes(arm)
            self._check_rungs(arm)
            self._check_batch(arm)
        return self

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Every variant under every view, variants in the order written, views within."""
        variants = [_variant(text) for text in self.variants]
        return tuple(Arm(name, params, view) for name, params in variants for view in self.views)

    def arm_settings(self, arm: Arm) -> Settings:
        """The setting that an arm starts from: [train], with the variant's required settings where [train] has none."""
        values = self._starting_values(arm)
        return Settings(**{key: values[key] for key in Settings.model_fields})

    def arm_shape(self, arm: Arm) -> Shape:
        """The shape that an arm starts from: [train], with the variant's required settings where [train] has none."""
        values = self._starting_values(arm)
        return Shape(**{key: values[key] for key in Shape.model_fields})

    def arm_space(self, arm: Arm) -> dict[str, Range]:
        """The arm's part of the search space: keys of [train], and its own loss parameters."""
        start = self._starting_values(arm)
        return {key: span for key, span in self.search.space.items() if key in start}

    def arm_rungs(self, arm: Arm) -> tuple[int, ...]:
        """The steps before the last at which the arm's trials are compared; none without halving."""
        search = self.search
        return rung_steps(self.arm_shape(arm).steps, search.halving, search.rungs) if search.halving else ()

    def baseline(self, arm: Arm) -> dict[str, float]:
        """The arm's own setting, trial 0: a value for each key of ``arm_space``."""
        values = self._starting_values(arm)
        return {key: values[key] for key in self.arm_space(arm)}

    @property
    def overridden(self) -> tuple[Overridden, ...]:
        """Required settings to which [train] gives another value: those arms are not the published method."""
        overridden: list[Overridden] = []
        for variant in dict.fromkeys(arm.loss for arm in self.arms):
            filled_in = (self.needs or {}).get(variant, {})
            for key, required in required_settings(variant).items():
                written = getattr(self.train, key)
                if key not in filled_in and written != required:
                    overridden.append(Overridden(variant, key, required, written))
        return tuple(overridden)

    @property
    def batch(self) -> int:
        """Trials of each arm in one round: population // (arms * seeds), at least 1, at most a quarter of the trials.

        An adaptive sampler learns the results of a round only at its end, so it needs several rounds to adapt. With
        halving a round has at least enough trials to leave one at the end, whatever the population holds at once.
        """
        capacity = self.population // (len(self.arms) * self.search.seeds)
        if self.search.halving:
            capacity = max(capacity, self.search.halving**self.search.rungs)
        return max(1, min(capacity, self.search.trials // 4))

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of everything that determines results: all but name, question and prediction."""
        content = {key: value for key, value in self.to_json().items() if key not in LABELS}
        text = json.dumps({"meaning": SEMANTICS_VERSION, **content}, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The experiment as in ``sweep.json``: the keys of the file, but those of [train] at the top level."""
        plain = self.model_dump(mode="json", exclude={"target", "train", "search"})
        plain |= self.train.model_dump(mode="json")
        plain["target"] = {"law": self.target.law, "params": dict(self.target.params)}
        space = {key: span.to_json() for key, span in self.search.space.items()}
        search = self.search.model_dump(mode="json", exclude={"space"})
        plain["search"] = {**search, **FORMER_KEYS, "space": space}
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Experiment:
        """The experiment that ``to_json`` wrote.

        Raises:
            InputError: it is not one, or it names a view or variant that is not registered here.
        """
        data = {key: value for key, value in plain.items() if key not in Train.model_fields}
        data["train"] = {key: value for key, value in plain.items() if key in Train.model_fields}
        target = data.get("target")
        if isinstance(target, dict) and isinstance(target.get("params"), dict):
            data["target"] = {"law": target.get("law"), **target["params"]}
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise one_line(error, cls) from None

    def _check_rungs(self, arm: Arm) -> None:
        """Check that the rungs fit into the arm's steps and snapshots.

        Raises:
            InputError: they do not fit, or there are rungs without halving.
        """
        search, shape = self.search, self.arm_shape(arm)
        if not search.halving:
            if "rungs" in search.model_fields_set and search.rungs != Search.model_fields["rungs"].default:
                raise InputError(
                    f"search.rungs: got {search.rungs} without halving; set search.halving or remove rungs"
                )
            return
        if shape.steps < search.halving**search.rungs:
            raise InputError(
                f"search.rungs: {search.rungs} rungs do not fit into {shape.steps} steps; "
                f"keep halving^rungs (here {search.halving}^{search.rungs}) within the steps"
            )
        if len({*shape.snapshots, *self.arm_rungs(arm)}) > 1000:
            raise InputError("train.snapshots: over 1000 together with the rungs; list fewer snapshots")

    def _check_shapes(self, arm: Arm) -> None:
        """Check that [train], the variant's required settings and the search give valid shapes.

        Raises:
            InputError: a shape is invalid, such as several updates of D in simultaneous steps.
        """
        start = {key: value for key, value in self._starting_values(arm).items() if key in Shape.model_fields}
        spans = {key: span for key, span in self.arm_space(arm).items() if key in Shape.model_fields}
        for change in ({}, *({key: value} for key, span in spans.items() for value in span.ends)):
            try:
                Shape.model_validate({**start, **change})
            except ValidationError as error:
                searched = f" with {change} of [search.space]" if change else ""
                required = [f"{key} = {v!r}" for key, v in self._required(arm).items() if key in Shape.model_fields]
                why = f"; {arm.loss} needs {', '.join(required)}" if required else ""
                raise InputError(f"variants: {arm.text!r}{searched}: {one_line(error, Shape)}{why}") from None

    def _check_batch(self, arm: Arm) -> None:
        """Check that the arm's view can divide every batch of the arm into decisions.

        Raises:
            InputError: a batch is not a multiple of the view's divisor.
        """
        divisor = _view(arm.view).divisor
        batch, span = self.arm_shape(arm).batch, self.arm_space(arm).get("batch")
        if batch % divisor:
            raise InputError(f"train.batch: got {batch}; allowed with view {arm.view!r}: multiples of {divisor}")
        if span is None or divisor == 1:
            return
        if span.choices is None or any(choice % divisor for choice in span.choices):
            raise InputError(
                f"search.space.batch: got {span.text}; allowed with view {arm.view!r}: choices that are multiples of "
                f"{divisor}"
            )

    def _starting_values(self, arm: Arm) -> dict[str, Any]:
        """Every value of [train] and every loss parameter at the start of the arm."""
        train = {key: getattr(self.train, key) for key in Train.model_fields}
        return {**arm.params, **train, **self._required(arm)}

    def _required(self, arm: Arm) -> dict[str, int | float | str]:
        return (self.needs or {}).get(arm.loss, {})


def _view(text: str) -> View:
    from harness.data.views import parse_view

    try:
        return parse_view(text)
    except InputError as error:
        raise InputError(f"views: {error}") from None


def _variant(text: str) -> tuple[str, dict[str, float]]:
    """A variant's name and all its parameters, written or default."""
    from harness.losses import parse_variant

    if len(text) > 1000:
        raise InputError(f"variants: {quoted(text)} has {len(text)} characters; allowed: up to 1000")
    try:
        variant, params = parse_variant(text)
    except InputError as error:
        raise InputError(f"variants: {error}") from None
    clash = sorted({p.name for p in variant.parameters} & set(Train.model_fields))
    if clash:
        raise InputError(
            f"variants: {variant.name} has a parameter {clash[0]!r}, which is a key of [train]; rename the parameter"
        )
    return variant.name, {**{p.name: p.default for p in variant.parameters}, **params}
