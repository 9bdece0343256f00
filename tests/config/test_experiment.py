"""Experiments: their arms, their settings, the search space, the fingerprint, and its two written forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.config import Arm, Experiment, Settings, Shape, diff_specs, load
from harness.config.fields import even_snapshots
from harness.data.target import Target
from harness.errors import InputError

relaxed = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

BASE: dict[str, Any] = {"name": "labels", "variants": ["minimax", "generator_label", "wasserstein"]}
SPACE = {"lr_g": {"low": 1e-5, "high": 1e-2, "log": True}, "d_steps": {"low": 1, "high": 5}}


def experiment(**changes: Any) -> Experiment:
    """The experiment of BASE with some top-level keys changed."""
    return Experiment.model_validate(BASE | changes)


def to_toml(table: Mapping[str, Any]) -> str:
    """A mapping as TOML: JSON's numbers and its strings without \\u-pairs are TOML's too; sub-tables go inline."""
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in table.items())


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def dump(spec: Experiment) -> str:
    """A file that says all of ``spec``; it leaves to the registry the settings that came from there."""
    plain = spec.to_json()
    needed = {key for settings_of_one in plain.pop("needs").values() for key in settings_of_one}
    train_keys = [*Shape.model_fields, *Settings.model_fields]
    train = {key: plain.pop(key) for key in train_keys}
    plain["train"] = {key: value for key, value in train.items() if key not in needed}
    plain["target"] = {"law": plain["target"]["law"], **plain["target"]["params"]}
    return to_toml(plain)


text = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=40)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,79}", fullmatch=True)
spans = {
    "lr_d": st.builds(lambda high: {"low": 1e-5, "high": high, "log": True}, st.floats(1e-3, 1e6)),
    "beta1": st.just({"choices": [0.9, 0, 0.5]}),
    "g_steps": st.builds(lambda high: {"low": 1, "high": high}, st.integers(2, 9)),
    "t": st.just({"low": 0, "high": 1}),
}


@st.composite
def raw_experiments(draw: st.DrawFn) -> dict[str, Any]:
    """Contents of valid files, with optional keys present or not."""
    train = st.fixed_dictionaries(
        {},
        optional={
            "steps": st.integers(1, 10**6),
            "batch": st.integers(1, 100),
            "lr_g": st.floats(1e-9, 1e6),
            "beta2": st.floats(0, 0.9999),
            "lr_decay": st.floats(0, 1) | st.integers(0, 1),
            "weight_clip": st.floats(0, 10),
        },
    )
    target = st.fixed_dictionaries({}, optional={"loc": st.floats(-9, 9), "scale": st.floats(0.1, 9)})
    variants = ["generator_label", "minimax", "wasserstein", "generator_label(t=0.25)"]
    keys = draw(st.sets(st.sampled_from(sorted(spans))))
    return {
        "name": draw(names),
        "question": draw(text),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "views": draw(st.lists(st.sampled_from(["raw", "variances", "sample"]), min_size=1, unique=True)),
        "variants": ["generator_label", *draw(st.lists(st.sampled_from(variants[1:]), unique=True))],
        "success_ks": draw(st.floats(0.001, 0.999)),
        "population": draw(st.integers(1, 300)),
        "target": draw(target),
        "train": draw(train),
        "search": {
            "sampler": draw(st.sampled_from(["tpe", "random", "sobol", "gp"])),
            "trials": draw(st.integers(0, 1000)) if keys else 0,
            "seeds": draw(st.integers(1, 20)),
            "space": {key: draw(spans[key]) for key in sorted(keys)},
        },
        "confirm": {"seeds": draw(st.integers(1, 99))},
    }


@relaxed
@given(raw_experiments())
def test_file_and_json_round_trip(tmp_path_factory: pytest.TempPathFactory, raw: dict[str, Any]) -> None:
    """An experiment is the same after being written as a file and loaded, and after being written as JSON and read."""
    spec = Experiment.model_validate(raw)
    path = tmp_path_factory.getbasetemp() / "round-trip.toml"
    path.write_text(dump(spec), encoding="utf-8")
    loaded = load(path)
    returned = Experiment.from_json(json.loads(json.dumps(spec.to_json(), allow_nan=False)))
    assert loaded == spec
    assert returned == spec
    assert loaded.fingerprint == returned.fingerprint == spec.fingerprint
    assert [returned.arm_settings(arm) for arm in returned.arms] == [spec.arm_settings(arm) for arm in spec.arms]


def test_defaults_are_the_scripts() -> None:
    """Keys that a file leaves out have the script's own values (10,000 steps in place of its 30,000)."""
    spec = experiment()
    shape = Shape(steps=10_000, batch=100, hidden=50, d_steps=1, g_steps=1, snapshots=tuple(range(1000, 10_001, 1000)))
    assert spec.train.shape == shape
    assert spec.train.settings == Settings(lr_d=2e-4, lr_g=2e-4, beta1=0.9, beta2=0.999, lr_decay=0, ema=0)
    assert spec.target == Target("norm", {"loc": 4.0, "scale": 1.25})
    assert spec.views == ("variances",)


def test_partial_target_keeps_the_rest() -> None:
    """One key of the target changes that key alone; another law starts from loc 0 and scale 1."""
    assert experiment(target={"scale": 2}).target.text == "norm(loc=4, scale=2)"
    assert experiment(target={"law": "gamma", "a": 3}).target.text == "gamma(a=3, loc=0, scale=1)"


def test_a_mixture_is_a_target_of_a_file(tmp_path: Path) -> None:
    """Its parameters stand in [target] as they are; nothing is added to them, and a fault is one line."""
    parts = {"weight1": 0.25, "loc1": -2, "scale1": 0.5, "weight2": 0.75, "loc2": 3, "scale2": 1}
    path = tmp_path / "mixture.toml"
    path.write_text(to_toml({**BASE, "target": {"law": "mixture", **parts}}))
    assert load(path).target == Target("mixture", parts)
    assert Experiment.from_json(load(path).to_json()) == load(path)
    with pytest.raises(InputError, match=r"mixture.toml: target: mixture has weights 0.5, 0.75, which sum to 1.25"):
        load(path, ["target.weight1=0.5"])


@pytest.mark.promise("P12")
@given(st.floats(0.05, 5))
def test_tails_that_overflow_float32_are_refused(b: float) -> None:
    """A Pareto law is refused exactly where 2^(24/b), its quantile at the greatest draw 1 - 2^-24, is above 1e18."""
    plain = {"target": {"law": "pareto", "b": b}}
    # 1 - 2^-24 is exact in float64, and so the quantile is right to some units in the last place of (1 - u)^(-1/b).
    if 2 ** (24 / b) > 1e18 * (1 + 1e-9):
        with pytest.raises(
            InputError, match=r"^target: pareto\(b=.*\) draws .*; allowed: a law whose draws are within"
        ):
            experiment(**plain)
    elif 2 ** (24 / b) < 1e18 * (1 - 1e-9):
        assert experiment(**plain).target.law == "pareto"


def test_tails_are_judged_on_both_sides_and_the_cauchy_law_passes() -> None:
    """The Cauchy law reaches 5e6; loggamma's lower quantile is log(u) / c for small c, -1.66e18 at 2^-24 and c = 1e-17.

    Its upper quantile is of order 1e10 there.
    """
    for one in ({"law": "cauchy"}, {"law": "t", "df": 1}):
        assert experiment(target=one).target.law == one["law"]
    with pytest.raises(InputError, match=r"^target: loggamma\(.*\) draws -1.66e\+18 "):
        experiment(target={"law": "loggamma", "c": 1e-17})


@given(st.integers(1, 10**7))
def test_default_snapshots(steps: int) -> None:
    """At most ten snapshots, ascending from 1 or later to exactly the last step, never unevenly by more than a step."""
    found = even_snapshots(steps)
    gaps = [b - a for a, b in zip((0, *found), found, strict=False)]
    assert len(found) == min(10, steps)
    assert found[-1] == steps
    assert max(gaps) - min(gaps) <= 1


def test_arms() -> None:
    """An arm is a variant with all its parameters under one view, named the same however it was written."""
    spec = experiment(variants=["minimax", " generator_label( t = 0.50 ) "], views=["raw", "variances"])
    assert [arm.text for arm in spec.arms] == [
        "minimax / raw",
        "minimax / variances",
        "generator_label(t=0.5) / raw",
        "generator_label(t=0.5) / variances",
    ]
    assert spec.arms[2] == Arm("generator_label", {"t": 0.5}, "raw")
    assert len({*spec.arms, *experiment(variants=["minimax"], views=["raw"]).arms}) == 4


def test_needs_fill_only_what_the_file_leaves_open() -> None:
    """A variant's own setting holds for its arms unless [train] says otherwise, also after a trip through JSON."""
    spec = experiment()
    clips = {arm.loss: spec.arm_settings(arm).weight_clip for arm in spec.arms}
    assert clips == {"minimax": 0.0, "generator_label": 0.0, "wasserstein": 0.01}
    written = experiment(train={"weight_clip": 0.0})
    assert {written.arm_settings(arm).weight_clip for arm in written.arms} == {0.0}
    returned = Experiment.from_json(written.to_json())
    assert {returned.arm_settings(arm).weight_clip for arm in returned.arms} == {0.0}
    assert diff_specs(spec.to_json(), written.to_json()) == ["needs.wasserstein.weight_clip: 0.01 -> (absent)"]


CHANGES: dict[str, dict[str, Any]] = {
    "seed": {"seed": 1},
    "views": {"views": ["raw"]},
    "variants": {"variants": ["minimax"]},
    "order of variants": {"variants": BASE["variants"][::-1]},
    "parameter": {"variants": ["minimax", "generator_label(t=0.6)", "wasserstein"]},
    "success_ks": {"success_ks": 0.1},
    "population": {"population": 65},
    "target": {"target": {"scale": 1.5}},
    "law": {"target": {"law": "laplace", "loc": 4, "scale": 1.25}},
    "mixture": {"target": {"law": "mixture", "weight1": 1, "loc1": 4, "scale1": 1.25}},
    "packed": {"views": ["pack(m=2)"]},
    "sampler": {"search": {"sampler": "sobol"}},
    "trials": {"search": {"trials": 8, "space": SPACE}},
    "space": {"search": {"space": SPACE}},
    "search seeds": {"search": {"seeds": 5}},
    "confirm seeds": {"confirm": {"seeds": 17}},
    "snapshots": {"train": {"snapshots": [5, 10_000]}},
    "needs": {"train": {"weight_clip": 0.0}},
    "activations": {"train": {"activations_g": ["tanh"]}},
    "no activations": {"train": {"activations_d": []}},
    "noise": {"train": {"noise": "normal"}},
    "optimizer": {"train": {"optimizer": "rmsprop"}},
    "simultaneous": {"train": {"order": "simultaneous"}},
    "schedule": {"train": {"schedule": "cosine"}},
    **{key: {"train": {key: 3}} for key in ("steps", "batch", "hidden", "hidden_g", "latent", "d_steps", "g_steps")},
    **{key: {"train": {key: 0.25}} for key in Settings.model_fields},
}


def test_fingerprint_changes_with_everything_that_determines_results() -> None:
    """No two of the experiment and its single changes share a fingerprint, and each change shows in the diff."""
    changed = {what: experiment(**change) for what, change in CHANGES.items()}
    assert len({spec.fingerprint for spec in (experiment(), *changed.values())}) == len(CHANGES) + 1
    for what, spec in changed.items():
        assert diff_specs(experiment().to_json(), spec.to_json()), what


@pytest.mark.parametrize(
    "same",
    [
        {"name": "other"},
        {"question": "Why?"},
        {"prediction": "It rings."},
        {"train": {"steps": 10_000, "lr_decay": -0.0}, "target": {"loc": 4}},
        {"variants": ["minimax()", "generator_label(t=0.50)", "wasserstein"]},
    ],
)
def test_fingerprint_ignores_words_and_spelling(same: dict[str, Any]) -> None:
    """Labels, defaults written out and other spellings of a number leave the fingerprint, and the diff is empty."""
    assert experiment(**same).fingerprint == experiment().fingerprint
    assert diff_specs(experiment().to_json(), experiment(**same).to_json()) == []


def test_fingerprint_ignores_the_order_of_the_space() -> None:
    """A space is a set of ranges: written in another order, it is the same experiment."""
    one, other = (experiment(search={"space": space}) for space in (SPACE, dict(reversed(SPACE.items()))))
    assert one.fingerprint == other.fingerprint
    assert list(one.search.space) == list(other.search.space)


@relaxed
@given(raw_experiments(), raw_experiments())
def test_diff_is_empty_exactly_for_equal_fingerprints(one: dict[str, Any], other: dict[str, Any]) -> None:
    """A refusal to resume always has something to show, and nothing is shown when there is no reason to refuse."""
    a, b = Experiment.model_validate(one), Experiment.model_validate(other)
    assert (diff_specs(a.to_json(), b.to_json()) == []) == (a.fingerprint == b.fingerprint)


def test_diff_names_keys_as_the_file_does() -> None:
    """A changed key is shown under the name it has in the file, old value first."""
    old, new = experiment(), experiment(train={"steps": 20}, search={"space": {"d_steps": {"low": 1, "high": 5}}})
    assert diff_specs(old.to_json(), new.to_json()) == [
        "search.space.d_steps.high: (absent) -> 5",
        "search.space.d_steps.log: (absent) -> false",
        "search.space.d_steps.low: (absent) -> 1",
        "train.snapshots: [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000] "
        "-> [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]",
        "train.steps: 10000 -> 20",
    ]


def test_frozen() -> None:
    """An experiment cannot be changed after it was checked."""
    with pytest.raises(ValidationError):
        experiment().seed = 3


@pytest.mark.promise("P8", "P12")
def test_from_json_refuses_what_to_json_did_not_write() -> None:
    """A damaged description is refused in one line, not half read."""
    plain = experiment().to_json()
    with pytest.raises(InputError, match=r"^train.batch: got 0; allowed: a whole number"):
        Experiment.from_json(plain | {"batch": 0})
    with pytest.raises(InputError, match=r"^unknown key 'extra'"):
        Experiment.from_json(plain | {"extra": 1})


def test_pruning_by_seed_is_read_where_it_was_off_and_refused_where_it_was_on() -> None:
    """Sweeps of earlier versions keep their spec and their fingerprint."""
    spec = Experiment(name="x", variants=("minimax",))
    plain = spec.to_json()
    assert plain["search"]["wilcoxon"] == 0.0
    assert Experiment.from_json(plain).fingerprint == spec.fingerprint
    with pytest.raises(InputError, match=r"search: wilcoxon: got 0\.1, but pruning by seed"):
        Experiment.from_json(plain | {"search": plain["search"] | {"wilcoxon": 0.1}})


def test_a_loss_parameter_may_not_share_a_name_with_a_setting() -> None:
    """A variant whose parameter is called like a key of [train] is refused: a search could not tell them apart."""
    from harness.losses import Parameter, Variant, fake, real, registered, softplus

    clashing = Variant(
        name="clashing",
        family="test",
        discriminator=softplus(-real) + softplus(fake),
        generator=softplus(-fake),
        parameters=(Parameter("hidden", 1.0, 0.0, 2.0, meaning="nothing"),),
    )
    with registered(clashing), pytest.raises(InputError, match="'hidden', which is a key of \\[train\\]"):
        Experiment.model_validate({"name": "x", "variants": ["clashing"]})
