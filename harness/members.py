"""Members, and groups of members that an engine can train together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property

from harness.config import Settings, Shape
from harness.data.mlp import Mlp, perceptron
from harness.data.target import Target
from harness.data.views import View, parse_view
from harness.losses import LOSSES, Variant
from harness.losses.notation import text


@dataclass(frozen=True)
class Member:
    """One GAN to train: everything that determines its result, except the engine.

    ``loss_params`` are sorted by name and converted to floats, so that equal members have one form.
    """

    loss: str
    loss_params: tuple[tuple[str, float], ...]
    view: str
    target: Target
    study_seed: int
    seed: int
    shape: Shape
    settings: Settings

    def __post_init__(self) -> None:
        # + 0.0 because -0.0 equals 0.0 but prints differently.
        params = tuple(sorted((name, float(value) + 0.0) for name, value in self.loss_params))
        object.__setattr__(self, "loss_params", params)

    def key(self, engine: str) -> str:
        """Content hash (16 hex digits) of the member's definition, its formulas, and the engine's identity.

        Raises:
            UnknownVariantError: no variant of that name is registered.
        """
        formulas = _formulas(LOSSES[self.loss])
        # Cached, because a sweep asks three times: to look the member up, to train it, to commit it.
        if (engine, formulas) not in self._keys:
            self._keys[engine, formulas] = self._hashed(engine, formulas)
        return self._keys[engine, formulas]

    @cached_property
    def _keys(self) -> dict[tuple[str, tuple[str, ...]], str]:
        return {}

    def _hashed(self, engine: str, formulas: tuple[str, ...]) -> str:
        content = {
            "loss": [self.loss, *formulas, *map(list, self.loss_params)],
            "view": self.view,
            "target": [self.target.law, *map(list, self.target.params.items())],
            "seeds": [self.study_seed, self.seed],
            "shape": self.shape.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
            "engine": engine,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _formulas(variant: Variant) -> tuple[str, ...]:
    """The formulas that determine training: both losses, the laws of labels, stated slopes, the direct loss."""
    expressions = [variant.discriminator, variant.generator]
    if variant.labels:
        expressions += [variant.labels.real.draw, variant.labels.fake.draw]
    if variant.slopes:
        expressions += [variant.slopes.real, variant.slopes.fake, variant.slopes.generator]
    direct = variant.direct
    return (*map(text, expressions), *([direct.text, str(direct.version)] if direct else []))


@dataclass(frozen=True)
class Group:
    """Members that share view, target, study seed and shape, sorted so that each variant has consecutive rows."""

    members: tuple[Member, ...]

    @property
    def shape(self) -> Shape:
        return self.members[0].shape

    @property
    def target(self) -> Target:
        return self.members[0].target

    @property
    def view(self) -> View:
        return parse_view(self.members[0].view)

    @cached_property
    def generator(self) -> Mlp:
        return generator_of(self.shape)

    @cached_property
    def discriminator(self) -> Mlp:
        return perceptron(self.view.inputs(self.shape.batch), self.shape.hidden, self.shape.activations_d)

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """The distinct variants, in the order of their first member."""
        return tuple(LOSSES[name] for name in dict.fromkeys(m.loss for m in self.members))


def generator_of(shape: Shape) -> Mlp:
    """The generator network of members of this shape."""
    return perceptron(shape.latent, shape.units_g, shape.activations_g)


def groups(members: Iterable[Member]) -> list[Group]:
    """Split members into groups; within a group members of one variant are consecutive."""
    alike: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        alike.setdefault((member.view, member.target, member.study_seed, member.shape), []).append(member)
    return [Group(tuple(sorted(group, key=lambda m: m.loss))) for group in alike.values()]
