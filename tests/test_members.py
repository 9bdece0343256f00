"""Members and groups: a key that names exactly one definition, and groups that an engine can train side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from support.members import member

from harness.config import Settings, Shape
from harness.data.target import Target
from harness.errors import InputError
from harness.losses import (
    LOSSES,
    Bernoulli,
    Direct,
    Labels,
    Parameter,
    Slopes,
    Variant,
    fake,
    real,
    registered,
    softplus,
    y_fake,
    y_real,
)
from harness.members import Member, groups

ENGINE = "reference/1"

#: For every field of Shape and Settings a value that is not the default of ``conftest.member``.
CHANGES: dict[str, Any] = {
    "steps": 30,
    "batch": 64,
    "hidden": 32,
    "hidden_g": 32,
    "activations_g": ("elu",),
    "activations_d": ("elu", "tanh"),
    "noise": "normal",
    "latent": 2,
    "optimizer": "sgd",
    "order": "simultaneous",
    "schedule": "cosine",
    "d_steps": 2,
    "g_steps": 2,
    "snapshots": (1, 20),
    "lr_d": 1e-3,
    "lr_g": 1e-3,
    "beta1": 0.5,
    "beta2": 0.9,
    "lr_decay": 0.5,
    "penalty_decay": 0.5,
    "ema": 0.99,
    "replay": 0.5,
    "instance_noise": 0.1,
    "weight_clip": 0.01,
    "spectral_norm": 1.0,
    "r1": 0.1,
    "r2": 0.1,
    "zero_gp": 0.1,
    "gp": 0.1,
    "one_sided_gp": 0.1,
    "dragan": 0.1,
    "wgan_div": 0.1,
    "consensus": 0.1,
}


def heated(**changes: Any) -> Variant:
    """A variant that the tests own, with some of its parts changed."""
    parts = {"name": "heated", "family": "test", "discriminator": softplus(-real) + softplus(fake)}
    return Variant(**parts | {"generator": softplus(-fake) / 2} | changes)


def key_as(variant: Variant) -> str:
    """The key of a member of the variant ``heated`` while that is this one."""
    with registered(variant):
        return member("heated").key(ENGINE)


def test_key_is_16_hex_digits() -> None:
    """A key is 16 lower-case hexadecimal digits, the same at every call and for an equal member."""
    key = member().key(ENGINE)
    assert len(key) == 16
    assert set(key) <= set("0123456789abcdef")
    assert member().key(ENGINE) == key == replace(member()).key(ENGINE)


def test_changes_name_every_field() -> None:
    """The table of changes above is complete, so that a new field cannot be forgotten in the key."""
    assert CHANGES.keys() == Shape.model_fields.keys() | Settings.model_fields.keys()
    assert set(Member.__dataclass_fields__) == {
        *("loss", "loss_params", "view", "target", "study_seed", "seed", "shape", "settings")
    }


def test_key_changes_with_every_field() -> None:
    """Members that differ in a field of setting or shape, in target, seed, view, loss or engine, have other keys."""
    variants = [member(**{name: value}) for name, value in CHANGES.items()]
    variants += [
        member(),
        member(loss="minimax"),
        member(loss="generator_label", params={"t": 0.5}),
        member(loss="generator_label", params={"t": 0.5000000000000001}),
        member(view="raw"),
        member(view="pack(m=2)"),
        member(view="pack(m=4)"),
        member(seed=1),
        member(study_seed=1),
        member(target=Target("norm", {"loc": 4.0, "scale": 1.5})),
        member(target=Target("norm", {"loc": 4.0, "scale": 1.2500000000000002})),
        member(target=Target("logistic", {"loc": 4.0, "scale": 1.25})),
    ]
    keys = [one.key(ENGINE) for one in variants] + [member().key("reference/2"), member().key("batched/1/cpu")]
    assert [key for key, count in Counter(keys).items() if count > 1] == []


def test_every_variant_has_its_own_key() -> None:
    """No two registered variants share a key, not even those of equal formulas, which two arms may compare."""
    with registered(heated()), registered(heated(name="another")):
        assert len({member(loss=name).key(ENGINE) for name in LOSSES}) == len(LOSSES)


def test_key_changes_with_the_formula() -> None:
    """Under one name, another loss of either player, other label laws or other stated slopes give another key."""
    p = Parameter("p", 0.1, 0, 0.5, "chance that a label flips")
    noisy = -(y_real * real + y_fake * fake)
    laws = [Labels(Bernoulli(1 - p.symbol), Bernoulli(chance)) for chance in (p.symbol, sympy.S.Zero)]
    variants = [
        heated(),
        heated(generator=softplus(-fake) / 3),
        heated(discriminator=2 * softplus(-real) + softplus(fake)),
        heated(slopes=Slopes(real=sympy.S.One, fake=sympy.S.One, generator=sympy.S.One)),
        heated(slopes=Slopes(real=sympy.S.One, fake=sympy.S.One, generator=sympy.S(2))),
        *(heated(discriminator=noisy, parameters=(p,), labels=law) for law in laws),
    ]
    assert len({key_as(variant) for variant in variants}) == len(variants)


def test_key_changes_with_the_version_of_a_direct_loss() -> None:
    """A direct loss is code: its text and its version give other keys, its LaTeX does not."""
    direct = Direct(r"\ell", "the loss", lambda fake_PB, real_PB, truth: fake_PB.mean(-1))
    changed = [direct, replace(direct, version=2), replace(direct, text="another")]
    assert len({key_as(heated(direct=one)) for one in changed}) == 3
    assert key_as(heated(direct=replace(direct, formula="L"))) == key_as(heated(direct=direct))


def test_key_keeps_with_what_is_only_said() -> None:
    """Statements of a variant that do not influence training leave its members' keys as they are."""
    assert key_as(heated()) == key_as(heated(family="other", confused_with="minimax", equilibrium_logit=sympy.S.Zero))


def test_key_of_an_unknown_variant() -> None:
    """A member of a variant that is not registered has no key: an input error that names it."""
    with pytest.raises(InputError, match="no loss variant is called 'heated'"):
        member("heated").key(ENGINE)


@given(
    params=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([-1.0, -0.0, 0.0, 0.5, 2.0]), max_size=5),
    data=st.data(),
)
def test_order_of_construction_does_not_matter(params: dict[str, float], data: st.DataObject) -> None:
    """Loss parameters in any order, as ints or floats, 0 or -0, and a target's parameters give one member, one key."""
    order = data.draw(st.permutations(list(params.items())))
    written = tuple((name, int(value) if value.is_integer() and value else value or 0) for name, value in order)
    one = replace(member(), loss_params=tuple(params.items()), target=Target("norm", {"loc": 4.0, "scale": 1.25}))
    two = replace(member(), loss_params=written, target=Target("norm", {"scale": 1.25, "loc": 4.0}))
    assert one == two
    assert hash(one) == hash(two)
    assert one.key(ENGINE) == two.key(ENGINE)


@st.composite
def members(draw: st.DrawFn) -> Member:
    """Members of a few losses, views, targets, study seeds and shapes, so that many share a group."""
    return member(
        loss=draw(st.sampled_from(["minimax", "non_saturating", "wasserstein"])),
        view=draw(st.sampled_from(["raw", "sample", "pack(m=4)"])),
        target=Target("norm", {"loc": 0.0, "scale": draw(st.sampled_from([1.0, 2.0]))}),
        study_seed=draw(st.integers(0, 1)),
        seed=draw(st.integers(0, 2)),
        hidden=draw(st.sampled_from([8, 16])),
        hidden_g=draw(st.sampled_from([0, 4])),
        latent=draw(st.sampled_from([1, 3])),
        lr_d=draw(st.sampled_from([1e-3, 1e-4])),
    )


@given(some=st.lists(members(), max_size=30))
def test_groups_are_a_partition_by_shape(some: list[Member]) -> None:
    """Every member is in one group, as often as it was given; a group is of one view, target, study seed and shape."""
    made = groups(some)
    assert Counter(one for group in made for one in group.members) == Counter(some)
    common = [{(m.view, m.target, m.study_seed, m.shape) for m in group.members} for group in made]
    assert all(len(parts) == 1 for parts in common)
    assert len(set().union(*common)) == len(made)


@given(some=st.lists(members(), min_size=1, max_size=30))
def test_variants_stand_together_in_a_group(some: list[Member]) -> None:
    """In a group each loss is one run of members, ``variants`` lists the losses in that order, members keep theirs."""
    for group in groups(some):
        runs = [loss for loss, _ in groupby(group.members, key=lambda m: m.loss)]
        assert len(set(runs)) == len(runs)
        assert [variant.name for variant in group.variants] == runs
        for loss in runs:
            given_order = [m for m in some if m.loss == loss and m in group.members]
            assert [m for m in group.members if m.loss == loss] == given_order


@given(one=members())
def test_group_says_what_its_members_share(one: Member) -> None:
    """Shape, target and view are the members'; the networks have its hidden units and read noise and what is shown.

    The view raw shows D a batch as one vector, sample one value, pack four: 100, 1 or 4 inputs at the default batch.
    The generator has D's number of hidden units unless it has its own.
    """
    (group,) = groups([one, replace(one, seed=7)])
    assert (group.shape, group.target, group.view.name) == (one.shape, one.target, one.view)
    hidden, own = one.shape.hidden, one.shape.hidden_g or one.shape.hidden
    assert group.generator.widths == (one.shape.latent, own, own, 1)
    assert group.discriminator.widths == ({"raw": 100, "sample": 1, "pack(m=4)": 4}[one.view], hidden, hidden, 1)
