"""Descriptions of variants: the catalogue, printed formulas, slopes and their limits, primitives."""

from __future__ import annotations

import dataclasses
import json

import pytest
import sympy

from harness.losses import (
    BUILT_IN,
    LOSSES,
    Parameter,
    Variant,
    catalogue,
    fake,
    floor_at,
    probability,
    real,
    relu,
    sigmoid,
    softplus,
    step,
)
from harness.losses.backends.torch_function import _mpmath_table, _torch_table
from harness.losses.derivatives import expectation
from harness.losses.describe import (
    describe,
    generator_slope_latex,
    generator_slope_text,
    limit,
    slope_at_infinity,
    slope_at_zero,
)
from harness.losses.notation import generator_latex, latex
from harness.losses.primitives import PRIMITIVES, fake_mean, log_mean_exp, real_mean

PLAIN = Variant(name="plain", family="test", discriminator=softplus(-real) + softplus(fake), generator=-fake)
CATALOGUE_KEYS = {
    "name", "family", "generator", "discriminator", "generator_latex", "discriminator_latex", "generator_slope",
    "slope_at_minus_infinity", "slope_at_plus_infinity", "slope_at_zero", "citation", "identifier", "parameters",
    "prediction", "equilibrium_logit", "needs", "confused_with",
}  # fmt: skip


def test_the_answer_to_the_question_is_proved() -> None:
    """If D is sure that a value is generated, the minimax slope vanishes and the non-saturating slope is -1."""
    assert slope_at_infinity(LOSSES["minimax"], -sympy.oo) == 0
    assert slope_at_infinity(LOSSES["non_saturating"], -sympy.oo) == -1


MEANS = {real_mean, fake_mean, log_mean_exp}
# Where two ways to write one limit are compared: rational, on no branch point.
TRIED = {
    "t": sympy.Rational(1, 3),
    "c": sympy.Rational(5, 7),
    "k": sympy.Integer(4),
    "alpha_g": sympy.Rational(3, 2),
}
# The slope at -oo, +oo and 0, derived by hand from sigmoid(-oo) = 0, sigmoid(oo) = 1, sigmoid(0) = 1/2. seed_exact:
# p (1 - p) falls below its floor on both sides, so its slope does too, to 0. A limit that depends on the sign of
# (alpha_g - 1)/alpha_g or of k - 1 is left open.
SLOPES_BY_HAND = {
    "minimax": ("0", "-1", "-1/2"),
    "non_saturating": ("-1", "0", "-1/2"),
    "generator_label": ("-t", "1 - t", "1/2 - t"),
    "negated_label": ("1", "0", "1/2"),
    "real_as_fake": ("-1", "0", "-1/2"),
    "flipped_labels": ("0", "1", "1/2"),
    "flipped_convention": ("0", "1", "1/2"),
    "swapped_targets": ("-1", "0", "-1/2"),
    "flipped_noise": ("-1", "0", "-1/2"),
    "minimax_noise": ("0", "-1", "-1/2"),
    "one_sided_smoothing": ("-1", "0", "-1/2"),
    "two_sided_smoothing": ("-1", "0", "-1/2"),
    "noisy_labels": ("-1", "0", "-1/2"),
    "seed_exact": ("0", "0", "-1/2"),
    "least_squares": ("-oo", "oo", "-c"),
    "ls_pearson": ("-oo", "oo", "0"),
    "ls_signed": ("-oo", "oo", "-1"),
    "ls_sigmoid": ("0", "0", "-1/8"),  # -s (1 - s)^2
    "geman_mcclure": ("0", "0", "-c/(1 + c**2)**2"),  # e/(1 + e^2)^2
    "hinge": ("-1", "-1", "-1"),
    "boundary_seeking": ("-oo", "oo", "0"),
    "f_kl": ("0", "-oo", "-exp(-1)"),  # -exp(v - 1)
    "f_reverse_kl": ("-1", "-1", "-1"),
    "f_pearson": ("oo", "-oo", "-1"),  # -v/2 - 1
    "f_neyman": ("-oo", "0", "-1"),  # -exp(-v/2)
    "f_hellinger": ("0", "-oo", "-1"),  # -exp(v)
    "f_js": ("0", "-1", "-1/2"),
    "f_gan": ("0", "-1", "-1/2"),
    "f_tv": ("0", "0", "-1/2"),  # -(1 - tanh(v)^2)/2
    "ns_kl": ("-1", "-1", "-1"),
    "ns_reverse_kl": ("-oo", "0", "-1"),  # -exp(-v)
    "ns_pearson": ("-1", "-1", "-1"),
    "ns_neyman": ("-oo", "0", "-1"),
    "ns_hellinger": ("-oo", "0", "-1"),
    "ns_js": ("-1", "0", "-1/2"),
    "ns_gan": ("-1", "0", "-1/2"),
    "ns_tv": ("0", "0", "-1/2"),
    "alpha_saturating": ("0", None, "-2**(1/alpha_g)/4"),  # -s (1 - s)^k, k = 1 - 1/alpha_g
    "alpha_non_saturating": (None, "0", "-2**(1/alpha_g)/4"),  # -(1 - s) s^k
    "lkgan": ("0", "0", "sign(1/2 - c)*Abs(1/2 - c)**(k - 1)/4"),  # sign(s - c) |s - c|^(k - 1) s (1 - s)
    "lk_probability": ("0", "0", "sign(1/2 - c)*Abs(1/2 - c)**(k - 1)/4"),
    "lk_logit": (None, None, "-sign(c)*Abs(c)**(k - 1)"),  # sign(v - c) |v - c|^(k - 1)
    "wasserstein": ("-1", "-1", "-1"),
}


def _one_logit(variant: Variant) -> bool:
    """True when the slope is a function of the fake logit alone, and not that of another entry with other settings."""
    shares = any(not e.settings for e in variant.equivalences)
    slope = variant.generator_derivative
    through = slope.through_mean != 0 or slope.through_lme != 0 or slope.own.free_symbols & {real, *MEANS}
    return variant.direct is None and not shares and not through


def test_limits_of_every_variant_are_those_found_by_hand() -> None:
    """SymPy's limits and values at 0 equal a table derived by hand, in which no slope of one logit is missing."""
    assert {v.name for v in BUILT_IN if _one_logit(v)} <= set(SLOPES_BY_HAND)
    for name, by_hand in SLOPES_BY_HAND.items():
        variant = LOSSES[name]
        symbols = {p.name: p.symbol for p in variant.parameters}
        values = {symbols[key]: value for key, value in TRIED.items() if key in symbols}
        found = [slope_at_infinity(variant, -sympy.oo), slope_at_infinity(variant, sympy.oo), slope_at_zero(variant)]
        for mine, theirs in zip(by_hand, found, strict=True):
            assert (mine is None) == (theirs is None), name
            if mine is not None and theirs is not None:
                expected = sympy.sympify(mine, locals=symbols)
                assert theirs == expected or sympy.simplify((theirs - expected).subs(values)) == 0, (name, theirs)


def test_limits_through_kinks() -> None:
    """relu, step and their kin take the branch they are on far out; a sign that depends on a parameter is left open."""
    a = Parameter("a", 0, -1, 1, "").symbol
    assert limit(relu(1 - fake), fake, sympy.oo) == 0
    assert limit(step(1 - fake) * sigmoid(fake), fake, -sympy.oo) == 0
    assert limit(relu(1 - fake) + fake, fake, -sympy.oo) == 1
    assert limit(floor_at(-fake, -3), fake, sympy.oo) == -3
    assert limit(step(a + sigmoid(fake)), fake, sympy.oo) is None


def test_equilibrium_logits_are_stationary() -> None:
    """At its equilibrium logit, on both data alike, D's expected slopes for real and fake cancel."""
    for variant in BUILT_IN:
        if variant.equilibrium_logit is None:
            continue
        for chosen in (0.25, 0.75):
            at = {p.symbol: p.low + chosen * (p.high - p.low) for p in variant.parameters}
            point = {real: variant.equilibrium_logit, fake: variant.equilibrium_logit}
            slopes = variant.real_derivative.own + variant.fake_derivative.own
            if variant.labels:
                slopes = expectation(slopes, variant.labels)
            value = slopes.subs(point).subs(at).rewrite("elementary")
            assert abs(float(value)) < 1e-12, variant.name


@pytest.mark.parametrize("primitive", PRIMITIVES, ids=lambda p: p.__name__)
def test_primitives_are_complete(primitive: type[sympy.Function]) -> None:
    """Each primitive can be computed by torch and by mpmath, and its derivative agrees with its elementary form's."""
    assert primitive.__name__ in _torch_table()
    assert primitive.__name__ in _mpmath_table("float32")
    x = sympy.Symbol("x", real=True)
    (arity,) = primitive.nargs
    expression = primitive(x, sympy.Rational(1, 3)) if arity == 2 else primitive(x)
    ordinary = sympy.Rational(1, 5), sympy.Rational(7, 5)  # on both sides of the bound 1/3, off every kink
    for point in ordinary:
        derived = expression.diff(x).subs(x, point).rewrite("elementary")
        step_ = sympy.Rational(1, 10**8)
        difference = (expression.subs(x, point + step_) - expression.subs(x, point - step_)).rewrite("elementary")
        assert abs((derived - difference / (2 * step_)).evalf(30)) < 1e-12


def test_catalogue_is_plain_data_with_fixed_keys() -> None:
    """Every variant is one JSON object with the agreed keys, complete sentences and a source."""
    rows = catalogue()
    assert [row["name"] for row in rows] == list(LOSSES)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    for row in rows:
        assert set(row) >= CATALOGUE_KEYS
        assert set(row) == set(rows[0])
        assert set(row["prediction"]) == {"outcome", "text", "source"}
        assert row["prediction"]["outcome"] != "unknown"
        assert row["confused_with"].endswith(".")
        assert "\n" not in row["confused_with"]
        for parameter in row["parameters"]:
            assert set(parameter) == {"name", "default", "low", "high", "interval", "meaning"}


def test_formulas_read_as_papers_write_them() -> None:
    """Text and LaTeX put real before fake data and name functions upright; symbols are \\ell_r and \\ell_f."""
    row = describe(LOSSES["minimax"])
    assert (row["discriminator"], row["generator"]) == ("softplus(-real) + softplus(fake)", "-softplus(fake)")
    assert row["generator_latex"] == r"- \operatorname{softplus}{\left(\ell_f \right)}"
    assert describe(LOSSES["hinge"])["discriminator"] == "relu(m_real - real) + relu(fake + m_fake)"
    assert generator_slope_text(LOSSES["generator_label"]) == "(1 - t)*sigmoid(fake) - t*sigmoid(-fake)"
    assert latex(floor_at(real, -100)) == r"\max\left(\ell_r, -100\right)"
    assert r"\ell_f" in generator_latex(LOSSES["least_squares"])


def test_slopes_through_means_are_marked() -> None:
    """A generator that reads its own batch mean shows that part of the slope as a mean, and claims no limits."""
    loss = softplus(real_mean - fake) + (sympy.Symbol("fake_mean") - real) ** 2
    relative = dataclasses.replace(PLAIN, generator=loss)
    assert generator_slope_text(relative) == "-sigmoid(real_mean - fake) + mean(-2*real + 2*fake_mean)"
    assert r"\overline{- 2 \ell_r + 2 \overline{\ell_f}}" in generator_slope_latex(relative)
    assert slope_at_infinity(relative, sympy.oo) is None
    assert slope_at_zero(relative) is None
    assert describe(relative)["slope_at_zero"] is None


def test_probability_is_the_sigmoid_over_the_reals() -> None:
    """Apart from rounding, ``probability`` and ``sigmoid`` have the same elementary form."""
    assert sympy.simplify((probability(real) - sigmoid(real)).rewrite("elementary")) == 0
