"""Any discriminator's loss with any generator's: names, parameters, formulas, refusals, and their way into a sweep."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.members import member

from harness.config import Experiment
from harness.errors import InputError
from harness.losses import BUILT_IN, LOSSES, Parameter, UnknownVariantError, Variant, parse_variant, variant_text
from harness.losses.combination import combined
from harness.store import slug

#: Variants that are no judge, because they have no discriminator.
FORGERS_ONLY = {v.name for v in BUILT_IN if v.discriminator == 0}


def stated_against_batch(judge: Variant, forger: Variant) -> bool:
    """Whether one states its slopes and the other's run through batch statistics."""
    derivatives = ("real_derivative", "fake_derivative", "generator_derivative")

    def through(variant: Variant) -> bool:
        found = [getattr(variant, name) for name in derivatives]
        return any(d.through_mean != 0 or d.through_lme != 0 for d in found)

    return (judge.slopes is not None and through(forger)) or (forger.slopes is not None and through(judge))


def moves_both_otherwise(judge: Variant, forger: Variant) -> bool:
    """Whether the forger needs steps of both players that the judge does not."""
    keys = {"order", "optimizer", "consensus"} & set(forger.needs)
    return any(judge.needs.get(key) != forger.needs[key] for key in keys)


@given(judge=st.sampled_from(BUILT_IN), forger=st.sampled_from(BUILT_IN), seed=st.integers(0, 2**32))
def test_every_pair_has_one_player_of_each(judge: Variant, forger: Variant, seed: int) -> None:
    """At default parameters the combination has D's loss and slopes of the first and G's of the second, bit for bit.

    The pairs that cannot be are refused: a judge without D, stated slopes beside ones through batch statistics, and a
    forger that needs other steps of both players.
    """
    name = f"{judge.name}|{forger.name}"
    refused = judge.name in FORGERS_ONLY or stated_against_batch(judge, forger) or moves_both_otherwise(judge, forger)
    if judge != forger and refused:
        with pytest.raises(
            InputError, match=r"has no discriminator|run through batch statistics|steps of both players"
        ):
            parse_variant(name)
        assert name not in LOSSES
        return
    both, params = parse_variant(name)
    noise = torch.Generator().manual_seed(seed)
    r, f = (3 * torch.randn(2, 2, 5, generator=noise, dtype=torch.float64)).unbind(0)
    assert torch.equal(both.discriminator_loss(r, f, **params), judge.discriminator_loss(r, f))
    assert torch.equal(both.generator_loss(r, f, **params), forger.generator_loss(r, f))
    assert torch.equal(both.generator_slope(r, f, **params), forger.generator_slope(r, f))
    for found, expected in zip(
        both.discriminator_slopes(r, f, **params), judge.discriminator_slopes(r, f), strict=True
    ):
        assert torch.equal(found, expected)
    assert both.direct is forger.direct
    assert both.labels == judge.labels
    assert dict(both.needs) == dict(judge.needs)


@given(data=st.data())
def test_texts_of_combinations_are_inverse(data: st.DataObject) -> None:
    """Parsing what was written gives the same combination and exactly the same numbers, for all allowed parameters."""
    judges = [v for v in BUILT_IN if v.name not in FORGERS_ONLY and v.slopes is None]
    judge = data.draw(st.sampled_from(judges))
    forger = data.draw(st.sampled_from([v for v in judges if not moves_both_otherwise(judge, v)]))
    variant = LOSSES[f"{judge.name}|{forger.name}"]
    params = {
        p.name: data.draw(st.floats(p.low, p.high, exclude_min=p.low_open, exclude_max=p.high_open))
        for p in variant.parameters
    }
    assert parse_variant(variant_text(variant.name, params)) == (variant, params)


def test_parameters_are_those_of_the_players_taken() -> None:
    """A parameter that only the other player of a variant reads falls away."""
    assert [p.name for p in LOSSES["minimax|least_squares"].parameters] == ["c"]
    assert [p.name for p in LOSSES["least_squares|minimax"].parameters] == ["a", "b"]
    assert LOSSES["generator_label|minimax"].parameters == ()
    variant, params = parse_variant("minimax|least_squares(c=0.5)")
    assert params == {"c": 0.5}
    assert variant_text(variant.name, params) == "minimax|least_squares(c=0.5)"
    x = torch.tensor([1.5])
    assert variant.generator_loss(None, x, **params) == 0.5
    assert variant.equilibrium_logit == LOSSES["minimax"].equilibrium_logit


def test_a_parameter_name_taken_twice_gets_a_prefix() -> None:
    """Where both players read a parameter of one name, the generator's is called g_NAME, and each acts on its own."""
    judge = LOSSES["least_squares"]
    t = Parameter("a", 0.25, 0.0, 1.0, "a weight")
    forger = Variant("forger", "test", judge.discriminator, t.symbol * LOSSES["minimax"].generator, (t,))
    both = combined(judge, forger)
    assert [p.name for p in both.parameters] == ["a", "b", "g_a"]
    assert (both.parameters[2].default, both.parameters[2].high) == (0.25, 1.0)
    x = torch.tensor([2.0, -1.0])
    assert torch.equal(both.generator_loss(None, x, a=-1, g_a=1), LOSSES["minimax"].generator_loss(None, x))
    assert torch.equal(both.discriminator_loss(x, x, a=-1, g_a=1), judge.discriminator_loss(x, x, a=-1))


def test_only_what_the_discriminator_needs_counts() -> None:
    """A penalty of the judge stays, one of the forger does not come along."""
    assert dict(LOSSES["wgan_gp|minimax"].needs) == dict(LOSSES["wgan_gp"].needs)
    assert dict(LOSSES["minimax|wgan_gp"].needs) == {}


@pytest.mark.parametrize(
    ("forger", "setting"),
    [("extragradient", "order = extragradient"), ("optimistic", "optimizer = optimistic_adam"),
     ("consensus", "order = simultaneous and consensus = 10")],
)  # fmt: skip
def test_steps_of_both_players_are_not_dropped(forger: str, setting: str) -> None:
    """A forger that changes the steps of both players is refused, unless the judge needs the same; first it may be."""
    message = rf"{forger}: changes the steps of both players \({setting}\), .*write {forger} first, or .*set train\."
    with pytest.raises(InputError, match=message):
        parse_variant(f"hinge|{forger}")
    assert dict(LOSSES[f"{forger}|hinge"].needs) == dict(LOSSES[forger].needs)
    judge = replace(LOSSES["hinge"], name="judge", needs=LOSSES[forger].needs)
    assert dict(combined(judge, LOSSES[forger]).needs) == dict(LOSSES[forger].needs)


def test_a_variant_with_itself_is_that_variant() -> None:
    """``hinge|hinge`` is hinge, under its own name."""
    assert LOSSES["hinge|hinge"] is LOSSES["hinge"]
    assert variant_text("hinge|hinge") == variant_text("hinge")


def test_combinations_are_not_listed() -> None:
    """Looking one up adds nothing to the registry; ``in`` and ``get`` know which pairs can be."""
    before = list(LOSSES)
    assert "hinge|minimax" in LOSSES
    assert LOSSES.get("hinge|minmax") is None
    assert list(LOSSES) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "hinge|minmax",
            r"variant 'hinge\|minmax': no loss variant is called 'minmax'; nearest: minimax; all: minimax",
        ),
        ("hnge|minimax", r"variant 'hnge\|minimax': no loss variant is called 'hnge'; nearest: hinge"),
        ("hinge|", r"'hinge\|': no loss variant is called ''; all: "),
        ("|hinge", r"'\|hinge': no loss variant is called ''; all: "),
        ("hinge|minimax|hinge", r"'hinge\|minimax\|hinge': has two '\|'; write D\|G with two names"),
        ("w1_direct|minimax", r"w1_direct: has no discriminator to combine; allowed: after the '\|'"),
        ("ragan|seed_exact", "ragan: its slopes run through batch statistics, so it cannot be combined with a variant"),
        ("hinge | minimax", r"write NAME or NAME\(parameter=number, ...\), where NAME may be D\|G"),
        (
            "least_squares(c=0.5)|lkgan(k=2)",
            r"come after both names; write least_squares\|lkgan\(a=..., b=..., k=..., c=...\)$",
        ),
        ("minimax()|hinge ( )", r"come after both names; write minimax\|hinge$"),
        ("minimax|least_squares(a=0)", r"unknown parameter 'a'; it takes c in \[-10, 10\]"),
    ],
)
def test_impossible_combinations_are_refused(text: str, message: str) -> None:
    """A text that is no combination raises one line that says what is wrong with it."""
    with pytest.raises(InputError, match=message) as caught:
        parse_variant(text)
    assert "\n" not in str(caught.value)
    if "(" not in text and " " not in text:
        assert isinstance(caught.value, UnknownVariantError)


def test_a_combination_is_an_arm() -> None:
    """An experiment takes combinations with parameters, keeps them through JSON, and gives each its own file name."""
    spec = Experiment(
        name="pairs", variants=["minimax|least_squares(c=0.5)", "wgan_gp|minimax", "minimax"], views=["raw"]
    )
    texts = [arm.text for arm in spec.arms]
    assert texts == ["minimax|least_squares(c=0.5) / raw", "wgan_gp|minimax / raw", "minimax / raw"]
    assert Experiment.from_json(spec.to_json()) == spec
    assert [spec.arm_settings(arm).gp for arm in spec.arms] == [0, 10, 0]
    assert [spec.arm_shape(arm).d_steps for arm in spec.arms] == [1, 5, 1]
    files = [slug(text) for text in texts]
    assert len(set(files)) == 3
    assert not any(c in name for name in files for c in "|/\\ ()=")
    assert files[0].startswith("minimax-least_squares-c-0-5-raw.")


def test_a_combination_has_a_key() -> None:
    """Members of different combinations have different keys, and a member of one the same key each time."""
    losses = ["hinge|minimax", "minimax|hinge", "hinge", "minimax", "hinge|non_saturating"]
    keys = [member(loss).key("reference") for loss in losses]
    assert len(set(keys)) == len(losses)
    assert keys == [member(loss).key("reference") for loss in losses]
