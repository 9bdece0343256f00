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

#: Variants that cannot give the discriminator, because they have none.
WITHOUT_DISCRIMINATOR = {v.name for v in BUILT_IN if v.discriminator == 0}


def stated_against_batch(d_variant: Variant, g_variant: Variant) -> bool:
    """True when one states its slopes and the other's run through batch statistics."""
    derivatives = ("real_derivative", "fake_derivative", "generator_derivative")

    def through(variant: Variant) -> bool:
        found = [getattr(variant, name) for name in derivatives]
        return any(d.through_mean != 0 or d.through_lme != 0 for d in found)

    return (d_variant.slopes is not None and through(g_variant)) or (
        g_variant.slopes is not None and through(d_variant)
    )


def needs_other_steps(d_variant: Variant, g_variant: Variant) -> bool:
    """True when ``g_variant`` needs other steps of both players than ``d_variant``."""
    keys = {"order", "optimizer", "consensus"} & set(g_variant.needs)
    return any(d_variant.needs.get(key) != g_variant.needs[key] for key in keys)


@given(d_variant=st.sampled_from(BUILT_IN), g_variant=st.sampled_from(BUILT_IN), seed=st.integers(0, 2**32))
def test_every_pair_has_one_player_of_each(d_variant: Variant, g_variant: Variant, seed: int) -> None:
    """At default parameters the combination has D's loss and slopes of the first and G's of the second, bit for bit.

    Impossible pairs are refused: without a discriminator, stated slopes with slopes through batch statistics, and a
    generator that needs other steps of both players.
    """
    name = f"{d_variant.name}|{g_variant.name}"
    refused = (
        d_variant.name in WITHOUT_DISCRIMINATOR
        or stated_against_batch(d_variant, g_variant)
        or needs_other_steps(d_variant, g_variant)
    )
    if d_variant != g_variant and refused:
        with pytest.raises(
            InputError, match=r"has no discriminator|run through batch statistics|steps of both players"
        ):
            parse_variant(name)
        assert name not in LOSSES
        return
    both, params = parse_variant(name)
    noise = torch.Generator().manual_seed(seed)
    r, f = (3 * torch.randn(2, 2, 5, generator=noise, dtype=torch.float64)).unbind(0)
    assert torch.equal(both.discriminator_loss(r, f, **params), d_variant.discriminator_loss(r, f))
    assert torch.equal(both.generator_loss(r, f, **params), g_variant.generator_loss(r, f))
    assert torch.equal(both.generator_slope(r, f, **params), g_variant.generator_slope(r, f))
    for found, expected in zip(
        both.discriminator_slopes(r, f, **params), d_variant.discriminator_slopes(r, f), strict=True
    ):
        assert torch.equal(found, expected)
    assert both.direct is g_variant.direct
    assert both.labels == d_variant.labels
    assert dict(both.needs) == dict(d_variant.needs)


@given(data=st.data())
def test_texts_of_combinations_are_inverse(data: st.DataObject) -> None:
    """Parsing what was written gives the same combination and exactly the same numbers, for all allowed parameters."""
    candidates = [v for v in BUILT_IN if v.name not in WITHOUT_DISCRIMINATOR and v.slopes is None]
    d_variant = data.draw(st.sampled_from(candidates))
    g_variant = data.draw(st.sampled_from([v for v in candidates if not needs_other_steps(d_variant, v)]))
    variant = LOSSES[f"{d_variant.name}|{g_variant.name}"]
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
    """If both players read a parameter of one name, the generator's is called g_NAME, and each acts on its own."""
    d_variant = LOSSES["least_squares"]
    t = Parameter("a", 0.25, 0.0, 1.0, "a weight")
    g_variant = Variant("weighted", "test", d_variant.discriminator, t.symbol * LOSSES["minimax"].generator, (t,))
    both = combined(d_variant, g_variant)
    assert [p.name for p in both.parameters] == ["a", "b", "g_a"]
    assert (both.parameters[2].default, both.parameters[2].high) == (0.25, 1.0)
    x = torch.tensor([2.0, -1.0])
    assert torch.equal(both.generator_loss(None, x, a=-1, g_a=1), LOSSES["minimax"].generator_loss(None, x))
    assert torch.equal(both.discriminator_loss(x, x, a=-1, g_a=1), d_variant.discriminator_loss(x, x, a=-1))


def test_only_what_the_discriminator_needs_counts() -> None:
    """A penalty of the discriminator's variant stays, one of the generator's is dropped."""
    assert dict(LOSSES["wgan_gp|minimax"].needs) == dict(LOSSES["wgan_gp"].needs)
    assert dict(LOSSES["minimax|wgan_gp"].needs) == {}


@pytest.mark.parametrize(
    ("g_variant", "setting"),
    [("extragradient", "order = extragradient"), ("optimistic", "optimizer = optimistic_adam"),
     ("consensus", "order = simultaneous and consensus = 10")],
)  # fmt: skip
def test_steps_of_both_players_are_not_dropped(g_variant: str, setting: str) -> None:
    """A generator's needs that change both players' steps are refused, unless the discriminator's are the same."""
    message = rf"{g_variant}: changes the steps .*\({setting}\), .*write {g_variant} before the '.', or .*set train\."
    with pytest.raises(InputError, match=message):
        parse_variant(f"hinge|{g_variant}")
    assert dict(LOSSES[f"{g_variant}|hinge"].needs) == dict(LOSSES[g_variant].needs)
    d_variant = replace(LOSSES["hinge"], name="like_hinge", needs=LOSSES[g_variant].needs)
    assert dict(combined(d_variant, LOSSES[g_variant]).needs) == dict(LOSSES[g_variant].needs)


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
        (
            "hinge|minimax|hinge",
            r"minimax\|hinge': has two '\|'; write DISCRIMINATOR\|GENERATOR with two names",
        ),
        (
            "w1_direct|minimax",
            r"w1_direct has no discriminator; use it .* generator only, as in minimax\|w1_direct",
        ),
        ("ragan|seed_exact", "ragan: its slopes run through batch statistics; combine it with a variant that does not"),
        ("hinge | minimax", r"write NAME or NAME\(parameter=number, ...\), where NAME may be DISCRIMINATOR\|GENERATOR"),
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
