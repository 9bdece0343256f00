"""Presets: the formulas of another entry under the settings that a published method needs."""

from __future__ import annotations

import pytest
import torch

from harness.config import Experiment
from harness.config.fields import Settings, Shape, Train
from harness.errors import InputError
from harness.losses import BUILT_IN, LOSSES, Variant, parse_variant
from harness.losses.families import presets

PRESETS = presets.VARIANTS


@pytest.mark.parametrize("preset", PRESETS, ids=lambda v: v.name)
def test_presets_have_the_formulas_of_the_entry_they_name(preset: Variant) -> None:
    """Each declares one equivalence, with other settings, and has that entry's losses, slopes and parameters."""
    (declared,) = preset.equivalences
    other, params = parse_variant(declared.other)
    assert (declared.relation, declared.settings) == ("same", False)
    assert dict(preset.needs) != dict(other.needs)
    assert preset.parameters == other.parameters
    assert params == preset.bind({})
    r, f = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(1)).unbind(0)
    assert torch.equal(preset.generator_slope(r, f), other.generator_slope(r, f))
    for found, expected in zip(preset.discriminator_slopes(r, f), other.discriminator_slopes(r, f), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("variant", [v for v in BUILT_IN if v.needs], ids=lambda v: v.name)
def test_needs_are_settings_that_change_something(variant: Variant) -> None:
    """[train] accepts all settings that a variant needs together, and none of them is the default."""
    train = Train.model_validate(dict(variant.needs))
    assert {key for key, value in variant.needs.items() if value == Train.model_fields[key].default} == set()
    assert train.model_fields_set == set(variant.needs)


def test_no_two_presets_are_one() -> None:
    """Formulas and needs together tell any two of them apart."""
    kinds = [(v.discriminator, v.generator, tuple(sorted(v.needs.items(), key=str))) for v in PRESETS]
    assert len(set(kinds)) == len(PRESETS)


def test_presets_hold_the_published_values() -> None:
    """Weights and settings as the papers or the authors' programs have them; ``Citation.checked`` says which."""
    needs = {v.name: dict(v.needs) for v in PRESETS}
    assert needs["wgan_gp"] == {"gp": 10, "d_steps": 5, "beta1": 0, "beta2": 0.9}
    assert needs["sngan"] == {"spectral_norm": 1, "d_steps": 5, "beta1": 0, "beta2": 0.9}
    assert needs["wgan_div"] == {"wgan_div": 2}
    assert needs["dragan"] == {"dragan": 10, "beta1": 0.5, "beta2": 0.9}
    assert needs["ns_r1"] == {"r1": 10}
    assert needs["r3gan"] == {"r1": 1, "r2": 1, "penalty_decay": 0.9, "beta1": 0, "beta2": 0.9}
    assert needs["consensus"] == {"consensus": 10, "order": "simultaneous"}
    assert needs["optimistic"]["optimizer"] == "optimistic_adam"
    assert needs["extragradient"]["order"] == "extragradient"


def test_words_among_the_needs_reach_the_arms() -> None:
    """An arm starts from the optimiser and the order that its variant needs, also after a trip through JSON."""
    names = ["optimistic", "extragradient", "minimax"]
    spec = Experiment(name="dynamics", variants=names, views=["raw"])
    for found in (spec, Experiment.from_json(spec.to_json())):
        shapes = [found.arm_shape(arm) for arm in found.arms]
        assert [shape.optimizer for shape in shapes] == ["optimistic_adam", "adam", "adam"]
        assert [shape.order for shape in shapes] == ["alternating", "extragradient", "alternating"]
        assert [found.arm_settings(arm).weight_clip for arm in found.arms] == [0.01, 0.01, 0]
    written = Experiment(name="dynamics", variants=names, views=["raw"], train={"order": "simultaneous"})
    assert {written.arm_shape(arm).order for arm in written.arms} == {"simultaneous"}
    assert spec.fingerprint != written.fingerprint


def test_needs_that_train_overrides_are_told() -> None:
    """Each variant, key and both values, once for all its views, also after JSON; equal values override nothing."""
    changes = {"train": {"order": "alternating", "beta1": 0, "weight_clip": 0.01, "beta2": 0.5}}
    names = ["extragradient", "minimax", "wgan_gp"]
    spec = Experiment(name="dynamics", variants=names, views=["raw", "sample"], **changes)
    for found in (spec, Experiment.from_json(spec.to_json())):
        assert {setting.text for setting in found.overridden} == {
            "extragradient needs order = 'extragradient', but [train] says order = 'alternating'",
            "extragradient needs beta1 = 0.5, but [train] says beta1 = 0.0",
            "extragradient needs beta2 = 0.9, but [train] says beta2 = 0.5",
            "wgan_gp needs beta2 = 0.9, but [train] says beta2 = 0.5",
        }
        assert len(found.overridden) == 4
    assert Experiment(name="dynamics", variants=names, views=["raw"]).overridden == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train": {"d_steps": 2}},
            r"'extragradient / raw': .*, not d_steps = 2 and g_steps = 1; extragradient needs order = 'extragradient'$",
        ),
        (
            {"search": {"trials": 2, "space": {"d_steps": {"choices": [1, 3]}}}},
            r"variants: 'extragradient / raw' with {'d_steps': 3} of \[search.space\]: .*takes d_steps = 1",
        ),
    ],
)
def test_needs_that_train_contradicts_are_refused(changes: dict[str, object], message: str) -> None:
    """Several updates of D beside a variant that looks ahead raise one line before anything starts."""
    with pytest.raises(InputError, match=message) as caught:
        Experiment(name="dynamics", variants=["extragradient"], views=["raw"], **changes)
    assert "\n" not in str(caught.value)


def test_presets_say_what_they_were_checked_against() -> None:
    """Each cites its method; where the published weight could not be looked up, the prediction says so."""
    for preset in PRESETS:
        assert preset.citation.authors
        assert preset.citation.year is not None
        assert preset.citation.checked or preset.name == "wgan_lp", preset.name
    for name in ("wgan_lp", "ns_zero_gp"):
        assert "could not be checked" in LOSSES[name].prediction.text
    assert set(Settings.model_fields) & set(Shape.model_fields) == set()
