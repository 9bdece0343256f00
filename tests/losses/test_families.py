"""The families of losses against the mathematics they come from: divergences, declared identities, powers, labels."""

from __future__ import annotations

import math

import mpmath
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st
from sympy.parsing.sympy_parser import implicit_multiplication, parse_expr, standard_transformations
from torch import Tensor

from harness.losses import BUILT_IN, LOSSES, Equivalence, Variant, abs_power, deformed, parse_variant, signed_power
from harness.losses.backends.torch_function import precise, torch_function
from harness.losses.families.f_divergence import DIVERGENCES, Divergence
from harness.losses.primitives import elementary, real

u = sympy.Symbol("u", positive=True)
# f of each divergence, as Nowozin et al. 2016 (arXiv:1606.00709) state them in table 1 and its appendix; f(1) = 0 but
# for gan, whose f(1) = -log 4 is the constant of the original GAN.
CONVEX = {
    "kl": u * sympy.log(u),
    "reverse_kl": -sympy.log(u),
    "pearson": (u - 1) ** 2,
    "neyman": (1 - u) ** 2 / u,
    "hellinger": (sympy.sqrt(u) - 1) ** 2,
    "js": u * sympy.log(u) - (u + 1) * sympy.log((u + 1) / 2),
    "gan": u * sympy.log(u) - (u + 1) * sympy.log(u + 1),
}
RATIOS = [sympy.Rational(1, 7), sympy.Rational(4, 5), sympy.Integer(1), sympy.Rational(5, 2), sympy.Integer(9)]
ROWS = {row.name: row for row in DIVERGENCES}


def _best_logit(row: Divergence, ratio: sympy.Expr) -> sympy.Expr:
    """D's best logit at a ratio p_data/p_g, by the words of the row."""
    transformations = (*standard_transformations, implicit_multiplication)
    return parse_expr(row.logit, transformations=transformations).subs("L", sympy.log(ratio))


def _number(expression: sympy.Expr) -> float:
    return float(elementary(sympy.sympify(expression)).evalf(30))


@pytest.mark.parametrize("name", CONVEX)
def test_rows_of_f_divergences_follow_from_f(name: str) -> None:
    """At the row's best logit T is f'(u), and f*(T) is u f'(u) - f(u), Fenchel's equality, for ratios u from 1/7 to 9.

    So D's best value there is the divergence: u T - f*(T) = f(u).
    """
    row, f = ROWS[name], CONVEX[name]
    for ratio in RATIOS:
        at = {real: _best_logit(row, ratio)}
        slope = f.diff(u).subs(u, ratio)
        assert _number(row.activation.subs(at) - slope) == pytest.approx(0, abs=1e-20)
        assert _number(row.conjugate.subs(at) - (ratio * slope - f.subs(u, ratio))) == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("name", CONVEX)
def test_the_best_logit_is_stationary(name: str) -> None:
    """D's slopes on real and generated data, weighted as p_data to p_g, cancel at the row's best logit alone."""
    for prefix in ("f", "ns"):
        variant = LOSSES[f"{prefix}_{name}"]
        for ratio in RATIOS:
            best = float(_best_logit(ROWS[name], ratio).evalf(30))
            logits = torch.tensor([best - 0.1, best, best + 0.1], dtype=torch.float64)
            on_real, on_fake = variant.discriminator_slopes(logits, logits)
            pull = float(ratio) * on_real + on_fake
            assert pull[0] < -1e-4
            assert abs(float(pull[1])) < 1e-12
            assert pull[2] > 1e-4


def test_total_variation_has_its_conjugate() -> None:
    """f(u) = |u - 1|/2 has f*(t) = t for |t| < 1/2, where tanh(v)/2 lies: the largest u t - f(u) is at u = 1.

    The supremum is taken over u = 0, 0.01, ..., 50.
    """
    row = ROWS["tv"]
    assert row.conjugate == row.activation
    grid = [i / 100 for i in range(5001)]
    for v in (-2.0, 0.0, 0.5, 3.0):
        t = math.tanh(v) / 2
        assert max(x * t - abs(x - 1) / 2 for x in grid) == pytest.approx(t, abs=1e-12)


@pytest.mark.parametrize("row", DIVERGENCES, ids=lambda row: row.name)
def test_a_high_logit_means_real_in_every_row(row: Divergence) -> None:
    """T rises with the logit and f*(T) does not fall, so D raises real logits and lowers generated ones (Pearson: from
    -2 upward, where its best logits lie).
    """
    grid = [sympy.Rational(i, 4) for i in range(-8, 21)]
    assert all(_number(row.activation.diff(real).subs(real, v)) > 0 for v in grid)
    assert all(_number(row.conjugate.diff(real).subs(real, v)) >= 0 for v in grid)


CLAIMS = [
    pytest.param(v, e, id=f"{LOSSES.text(v.name, dict(e.params))} {e.relation} {e.other}")
    for v in BUILT_IN
    if v.direct is None
    for e in v.equivalences
]


def _slopes(variant: Variant, params: dict[str, float], r: Tensor, f: Tensor, noise: Tensor) -> list[Tensor]:
    labels = variant.draw_labels(*noise, **params) if variant.draws_labels else None
    on_real, on_fake = variant.discriminator_slopes(r, f, labels=labels, **params)
    return [on_real, on_fake, variant.generator_slope(r, f, **params)]


def _differ(variant: Variant, params: dict[str, float], claim: Equivalence) -> float:
    """Largest difference of the slopes at logits within 8 of 0, relative to max(1, |slope|)."""
    random = torch.Generator().manual_seed(3)
    r, f = (8 * (2 * torch.rand(2, 5, 64, generator=random, dtype=torch.float64) - 1)).unbind(0)
    noise = torch.rand(2, 5, 64, generator=random, dtype=torch.float64)
    sign = -1 if claim.relation == "negated" else 1
    mine = _slopes(variant, params, r, f, noise)
    theirs = _slopes(*parse_variant(claim.other), sign * r, sign * f, noise)
    return max(float(((m - sign * t).abs() / t.abs().clamp(min=1)).max()) for m, t in zip(mine, theirs, strict=True))


@pytest.mark.parametrize(("variant", "claim"), CLAIMS)
def test_declared_identities_hold(variant: Variant, claim: Equivalence) -> None:
    """Every declared equivalence has equal slopes at 320 random logits and drawn labels, to 1e-12 in float64."""
    assert _differ(variant, variant.bind(dict(claim.params)), claim) < 1e-12


@pytest.mark.parametrize(("variant", "claim"), [case for case in CLAIMS if case.values[1].params])
def test_identities_at_parameters_do_not_hold_elsewhere(variant: Variant, claim: Equivalence) -> None:
    """A claim that names parameters is false a quarter into their range, so the comparison above can fail."""
    ranges = {p.name: p for p in variant.parameters}
    moved = {name: ranges[name].low + 0.27 * (ranges[name].high - ranges[name].low) for name, _ in claim.params}
    assert _differ(variant, variant.bind(moved), claim) > 1e-3


def test_each_identity_is_declared_once() -> None:
    """No two claims join the same two arms, in either direction."""
    pairs = []
    for variant in BUILT_IN:
        for claim in variant.equivalences:
            other, params = parse_variant(claim.other)
            here = LOSSES.text(variant.name, dict(claim.params))
            there = f"{other.name}{sorted(params.items())}"
            pairs.append((frozenset({here, there}), claim.relation))
    assert len(pairs) == len(set(pairs))


@given(sixty_fourths=st.integers(-1920, 1920), k=st.floats(-1, 1).filter(lambda k: k == 0 or abs(k) > 2**-54))
def test_deformed_is_accurate_for_every_deformation(sixty_fourths: int, k: float) -> None:
    """deformed(x, k) in float64 equals its 40-digit value to 1e-14 of itself and of the exponential within.

    |x| up to 30; k is 0 or at least 2^-54, as (alpha - 1)/alpha is.
    """
    x = sixty_fourths / 64
    a, b = sympy.symbols("a b", real=True)
    expression = deformed(a, b)
    tensors = (torch.tensor([x], dtype=torch.float64), torch.tensor([k], dtype=torch.float64))
    (exact,) = precise(expression, values={a: x, b: k}, digits=40)
    found = float(torch_function(expression, (a, b))(*tensors))
    assert found == pytest.approx(float(exact), rel=1e-14 * (1 + abs(k * x)), abs=1e-300)


def test_deformed_passes_through_the_identity() -> None:
    """deformed(x, 0) is x, with the slope 1 by formula and by autograd, beside elements whose k is not 0."""
    a, b = sympy.symbols("a b", real=True)
    assert deformed(a, sympy.Integer(0)) == a
    x = torch.tensor([-3.0, 2.0, 2.0], dtype=torch.float64, requires_grad=True)
    k = torch.tensor([0.0, 0.0, 1e-9], dtype=torch.float64)
    value = torch_function(deformed(a, b), (a, b))(x, k)
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert value[:2].tolist() == [-3.0, 2.0]
    assert slope[:2].tolist() == [1.0, 1.0]
    assert value[2].item() == pytest.approx(2.0, abs=1e-8)
    assert slope[2].item() == pytest.approx(1.0, abs=1e-8)


def test_powers_have_a_finite_slope_at_their_kink() -> None:
    """|x|^k at 0 has slope 0 for k = 1, 1.5 and 3, by formula and by autograd; SymPy's own form divides by 0 there."""
    a = sympy.Symbol("a", real=True)
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    for k in (1, sympy.Rational(3, 2), 3):
        loss = abs_power(a, sympy.sympify(k))
        assert loss.diff(a) == k * signed_power(a, k - 1)
        assert torch_function(loss.diff(a), (a,))(x).tolist() == [0.0]
        (slope,) = torch.autograd.grad(torch_function(loss, (a,))(x).sum(), x)
        assert slope.tolist() == [0.0]
    assert (sympy.Abs(a) ** sympy.Symbol("k", real=True)).diff(a).has(1 / sympy.Abs(a))


def test_alpha_loss_is_the_published_power_of_the_probability() -> None:
    """alpha/(alpha - 1) (1 - p^((alpha - 1)/alpha)) for p = sigmoid(l), at alpha = 1/2, 0.7, 3 and 10, to 30 digits."""
    variant = LOSSES["alpha_non_saturating"]
    for alpha in (0.5, 0.7, 3.0, 10.0):
        for logit in (-5.0, 0.0, 2.5):
            values = {p.symbol: alpha for p in variant.parameters} | {sympy.Symbol("fake", real=True): logit}
            (found,) = precise(variant.generator, values=values, digits=40)
            with mpmath.workdps(40):
                p, a = 1 / (1 + mpmath.exp(-mpmath.mpf(logit))), mpmath.mpf(alpha)
                assert abs(found - a / (a - 1) * (1 - p ** ((a - 1) / a))) < mpmath.mpf(10) ** -30


def test_noisy_labels_fill_their_intervals() -> None:
    """Stratified uniforms give real labels from 0.7 to 1.2 and fake ones from 0 to 0.3, with means 0.95 and 0.15."""
    noise = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    on_real, on_fake = LOSSES["noisy_labels"].draw_labels(noise, noise)
    assert float(on_real.mean()) == pytest.approx(0.95, abs=1e-12)
    assert float(on_fake.mean()) == pytest.approx(0.15, abs=1e-12)
    # The midpoints of 1000 strata: half a stratum, 0.00025 and 0.00015, inside the ends.
    assert (float(on_real.min()), float(on_real.max())) == pytest.approx((0.70025, 1.19975), abs=1e-12)
    assert (float(on_fake.min()), float(on_fake.max())) == pytest.approx((0.00015, 0.29985), abs=1e-12)


def test_random_labels_have_the_mean_of_smoothing() -> None:
    """In expectation flipped_noise at p and noisy_labels have the slopes of two-sided smoothing with their means."""
    x = torch.linspace(-8, 8, 33, dtype=torch.float64)
    smoothing = LOSSES["two_sided_smoothing"]
    for name, a, b in (("flipped_noise", 0.9, 0.1), ("noisy_labels", 0.95, 0.15)):
        for mine, theirs in zip(
            LOSSES[name].discriminator_slopes(x, -x), smoothing.discriminator_slopes(x, -x, a=a, b=b), strict=True
        ):
            torch.testing.assert_close(mine, theirs, rtol=1e-13, atol=1e-13)


def test_geman_mcclure_is_the_bounded_square() -> None:
    """The generator loss is e^2/(1 + e^2)/2: half the square near the target, at most 1/2, steepest at 1/sqrt(3)."""
    variant = LOSSES["geman_mcclure"]
    e = torch.linspace(-6, 6, 1201, dtype=torch.float64)
    found = variant.generator_loss(None, e + 1)
    torch.testing.assert_close(found, e**2 / (1 + e**2) / 2, rtol=1e-13, atol=1e-15)
    slope = variant.generator_slope(None, e + 1)
    assert float(e[slope.argmax()]) == pytest.approx(1 / math.sqrt(3), abs=0.01)
    near = e.abs() < 0.02
    torch.testing.assert_close(found[near], e[near] ** 2 / 2, rtol=5e-4, atol=1e-15)
