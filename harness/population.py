"""Members, and how they are put side by side: a group is what one engine trains together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from harness.losses import LOSSES, Variant
from harness.losses.description import discriminator_text, generator_text
from harness.networks import Mlp, discriminator, generator
from harness.spec import Settings, Shape
from harness.targets import Target
from harness.views import VIEWS, View


@dataclass(frozen=True)
class Member:
    """One GAN: everything its result depends on, besides the engine."""

    loss: str
    loss_params: tuple[tuple[str, float], ...]
    view: str
    target: Target
    study_seed: int
    seed: int
    shape: Shape
    settings: Settings

    def key(self, engine: str) -> str:
        """Content hash (16 hex digits) of the member's definition, its formulas, and the engine with its version."""
        variant = LOSSES[self.loss]
        content = {
            "loss": [discriminator_text(variant), generator_text(variant), *map(list, self.loss_params)],
            "view": self.view,
            "target": self.target.text,
            "seeds": [self.study_seed, self.seed],
            "shape": self.shape.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
            "engine": engine,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Group:
    """Members that share view, target, study seed and shape, ordered so that each variant is one run of rows."""

    members: tuple[Member, ...]

    @property
    def shape(self) -> Shape:
        return self.members[0].shape

    @property
    def target(self) -> Target:
        return self.members[0].target

    @property
    def view(self) -> View:
        return VIEWS[self.members[0].view]

    @cached_property
    def generator(self) -> Mlp:
        return generator(self.shape.hidden)

    @cached_property
    def discriminator(self) -> Mlp:
        return discriminator(self.view.inputs(self.shape.batch), self.shape.hidden)

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """The distinct variants, in the order of their first member."""
        return tuple(LOSSES[name] for name in dict.fromkeys(m.loss for m in self.members))


def groups(members: Iterable[Member]) -> list[Group]:
    """Split members into groups of equal shape; members of one variant stand together in each."""
    found: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        found.setdefault((member.view, member.target, member.study_seed, member.shape), []).append(member)
    return [Group(tuple(sorted(some, key=lambda m: m.loss))) for some in found.values()]
