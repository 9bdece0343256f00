"""The optimal discriminator of every entry, found numerically and held against theory, and what its loss measures.

At one point x that loss is p_data(x) on_real(l) + p_g(x) on_fake(l): but for the factor p_g a function of
L = log(p_data/p_g) and the logit l. Its minimum is found by bisection on the slope; theory's formula is in the tables
below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from torch import Tensor

from harness.losses import BUILT_IN, LOSSES, Variant
from harness.losses.families.f_divergence import DIVERGENCES, Divergence

Params = Mapping[str, float]
#: Logits between which minima are sought; the largest of those below is 2 (exp(3) - 1) = 38.2.
WIDEST = 60.0


def minimiser(variant: Variant, p: Tensor, q: Tensor, params: Params) -> Tensor:
    """The logit at which p on_real + q on_fake turns from falling to rising, elementwise; ends at +-WIDEST."""
    low, high = torch.full_like(p, -WIDEST), torch.full_like(p, WIDEST)
    for _ in range(80):
        middle = (low + high) / 2
        on_real, on_fake = variant.discriminator_slopes(middle, middle, **params)
        rising = p * on_real + q * on_fake > 0
        low, high = torch.where(rising, low, middle), torch.where(rising, middle, high)
    return (low + high) / 2


def expected(variant: Variant, logits: Tensor, p: Tensor, q: Tensor, params: Params) -> Tensor:
    """D's expected loss where data have density p and generated data q."""
    on_real, on_fake = variant.discriminator_parts(logits, logits, **params)
    assert on_real is not None
    assert on_fake is not None
    return p * on_real + q * on_fake


# --- the optimal logit as a function of L = log(p_data/p_g) ---------------------------------------------------------


def soft(a: float, b: float) -> Callable[[Tensor], Tensor]:
    """D* = (a p_data + b p_g)/(p_data + p_g) as a logit: labels a for real and b for fake data."""
    return lambda L: torch.log((a * L.exp() + b) / ((1 - a) * L.exp() + 1 - b))


#: By the entry that first has the discriminator; all with r = exp(L). Sources: D* = p_data/(p_data + p_g) is
#: proposition 1 of Goodfellow et al. 2014 (arXiv:1406.2661); (a p_data + b p_g)/(p_data + p_g) is Goodfellow 2016
#: (arXiv:1701.00160) on smoothing, with one-sided labels log(a r/((1 - a) r + 1)); (b r + a)/(r + 1) Mao et al. 2016
#: (arXiv:1611.04076); T(v) = f'(r) Nowozin et al. 2016 (arXiv:1606.00709), solved for v; alpha-loss
#: gives a posterior tilted to the power alpha, Kurri et al. 2021 (arXiv:2106.05232), so the logit alpha L; the
#: hinge's is either margin by the sign of L, Lim & Ye 2017 (arXiv:1705.02894). The square is proper, so that of the
#: probability has the optimum of cross-entropy.
THEORY: dict[str, Callable[[Tensor, Params], Tensor]] = {
    "minimax": lambda L, p: L,
    "flipped_convention": lambda L, p: -L,
    "flipped_noise": lambda L, p: soft(1 - p["p"], p["p"])(L),
    "one_sided_smoothing": lambda L, p: torch.log(p["a"] * L.exp() / ((1 - p["a"]) * L.exp() + 1)),
    "two_sided_smoothing": lambda L, p: soft(p["a"], p["b"])(L),
    "noisy_labels": lambda L, p: soft(0.95, 0.15)(L),
    "seed_exact": lambda L, p: L,
    "least_squares": lambda L, p: (p["b"] * L.exp() + p["a"]) / (L.exp() + 1),
    "ls_pearson": lambda L, p: torch.tanh(L / 2),
    "ls_sigmoid": lambda L, p: L,
    "hinge": lambda L, p: torch.full_like(L, p["m_real"]).where(L > 0, -p["m_fake"]),
    "f_kl": lambda L, p: 1 + L,
    "f_reverse_kl": lambda L, p: L,
    "f_pearson": lambda L, p: 2 * torch.expm1(L),
    "f_neyman": lambda L, p: 2 * L,
    "f_hellinger": lambda L, p: L / 2,
    "f_js": lambda L, p: L,
    "f_tv": lambda L, p: L.sign() * math.inf,
    "alpha_saturating": lambda L, p: p["alpha_d"] * L,
}
#: Why an entry has no such function.
WITHOUT = {
    "wasserstein": "linear in both logits: unbounded without the bound on D that it needs",
    "geman_mcclure": "the optimum is a root of a polynomial of fifth degree",
    "rpgan": "reads real and fake logits together", "ragan": "reads real and fake logits together",
    "rcgan": "reads real and fake logits together", "rpls": "reads real and fake logits together",
    "rals": "reads real and fake logits together", "rcls": "reads real and fake logits together",
    "rphinge": "reads real and fake logits together", "rahinge": "reads real and fake logits together",
    "rchinge": "reads real and fake logits together", "softmax": "reads real and fake logits together",
    "w1_direct": "has no discriminator",
}  # fmt: skip


def first_with_its_discriminator(variant: Variant) -> str:
    """The first entry of the two tables whose discriminator and labels are the variant's."""
    for name in (*THEORY, *WITHOUT):
        if (LOSSES[name].expected_discriminator, LOSSES[name].draws_labels) == (
            variant.expected_discriminator,
            variant.draws_labels,
        ):
            return name
    raise AssertionError(f"{variant.name}: neither a formula of the optimal logit nor a reason why there is none")


def test_every_discriminator_has_a_formula_or_a_reason() -> None:
    """No entry is left out: its discriminator has theory's formula in one table, or a reason in the other."""
    found = {first_with_its_discriminator(v) for v in BUILT_IN}
    assert found == {*THEORY, *WITHOUT}
    for name, reason in WITHOUT.items():
        parts = LOSSES[name].discriminator_parts(torch.zeros(1, 2), torch.zeros(1, 2))
        assert (parts[0] is None) == ("together" in reason), name


@pytest.mark.slow
@pytest.mark.parametrize("name", THEORY)
@given(data=st.data(), ratio=st.floats(-3, 3).filter(lambda L: abs(L) > 1e-3))
@settings(max_examples=25)
def test_the_best_logit_is_that_of_theory(name: str, data: st.DataObject, ratio: float) -> None:
    """The minimum of r on_real + on_fake is theory's, to 1e-6, for r from e^-3 to e^3 and any parameters.

    alpha_d goes to 5, where alpha L reaches 15: beyond, the slope of a probability near 1 is lost in rounding. No
    logit of a grid from -60 to 60 has a smaller loss.
    """
    variant = LOSSES[name]
    most = {"alpha_d": 5.0}
    params = {p.name: data.draw(st.floats(p.low, min(p.high, most.get(p.name, p.high)), exclude_min=p.low_open,
              exclude_max=p.high_open), p.name) for p in variant.parameters}  # fmt: skip
    L = torch.tensor([[ratio]], dtype=torch.float64)
    best, theory = minimiser(variant, L.exp(), torch.ones_like(L), params), THEORY[name](L, params)
    if torch.isfinite(theory):
        torch.testing.assert_close(best, theory, rtol=1e-6, atol=1e-6)
    else:
        # tanh is 1 in float64 from logit 19 on, where bisection sees no slope.
        assert float(best * theory.sign()) > 15
    grid = torch.linspace(-WIDEST, WIDEST, 481, dtype=torch.float64)[None, :]
    least = expected(variant, best, L.exp(), torch.ones_like(L), params)
    there = expected(variant, grid, L.exp(), torch.ones_like(L), params)
    assert bool((there >= least - 1e-9 * least.abs().clamp(min=1)).all())


# --- the value at the optimum: divergences between two Gaussians ----------------------------------------------------

#: p = N(0, 1) for data and q = N(0.5, 1.2^2) generated: every divergence below is finite.
M, S = 0.5, 1.2
X = torch.linspace(-12, 13, 25_001, dtype=torch.float64)
P, Q = (torch.from_numpy(stats.norm(loc, scale).pdf(X.numpy())) for loc, scale in ((0, 1), (M, S)))


def integral(values: Tensor) -> float:
    """The trapezoidal rule over X, which is exact to rounding for smooth functions that vanish at both ends."""
    return float(torch.trapezoid(values, X))


def kl(m1: float, s1: float, m2: float, s2: float) -> float:
    """KL(N(m1, s1^2), N(m2, s2^2)) in closed form."""
    return math.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5


def chi_squared(m: float, s: float, over: float) -> float:
    """The integral of N(0, over^2)^2/N(m, s^2), less 1: completing the square; needs over^2 < 2 s^2."""
    a, b = 2 / over**2 - 1 / s**2, m / s**2
    return s / (over**2 * math.sqrt(a)) * math.exp(m**2 / (2 * s**2) + b**2 / (2 * a)) - 1


def overlap() -> float:
    """The integral of min(p, q): between the crossings of the densities p is larger, and q outside."""
    crossings = np.roots([-0.5 + 1 / (2 * S**2), -M / S**2, M**2 / (2 * S**2) + math.log(S)])
    low, high = sorted(crossings)
    inside = stats.norm(M, S).cdf(high) - stats.norm(M, S).cdf(low)
    return float(inside + 1 - (stats.norm.cdf(high) - stats.norm.cdf(low)))


#: 1 - H^2/2, the Bhattacharyya coefficient of two normal laws.
BHATTACHARYYA = math.sqrt(2 * S / (1 + S**2)) * math.exp(-(M**2) / (4 * (1 + S**2)))
MIXTURE = (P + Q) / 2
JS = (integral(P * torch.log(P / MIXTURE)) + integral(Q * torch.log(Q / MIXTURE))) / 2

#: Entry -> the least expected loss of its D. Closed forms but for Jensen-Shannon and the triangular discrimination,
#: whose definitions are integrated. Sources: Goodfellow et al. 2014, theorem 1 (-2 JS + log 4); Nowozin et al. 2016,
#: table 1, the sign turned because D minimises; Lim & Ye 2017 (hinge: 2 min(p, q)); least squares: (b - a)^2/2 times
#: the integral of p q/(p + q).
LEAST: dict[str, float] = {
    "minimax": math.log(4) - 2 * JS,
    "f_gan": math.log(4) - 2 * JS,
    "f_js": -2 * JS,
    "f_kl": -kl(0, 1, M, S),
    "f_reverse_kl": -kl(M, S, 0, 1),
    "f_pearson": -chi_squared(M, S, over=1),
    "f_neyman": -chi_squared(-M, 1, over=S),
    "f_hellinger": -2 * (1 - BHATTACHARYYA),
    "f_tv": -(1 - overlap()),
    "hinge": 2 * overlap(),
    "ls_pearson": 2 * integral(P * Q / (P + Q)),
    "ls_sigmoid": integral(P * Q / (P + Q)) / 2,
    "alpha_saturating": 0.0,
}


@pytest.mark.parametrize("name", [n for n in LEAST if LEAST[n]])
def test_the_least_loss_is_the_divergence(name: str) -> None:
    """Integrated over x with D at its numerical optimum, D's loss is the divergence between the two laws, to 1e-6."""
    variant = LOSSES[name]
    best = minimiser(variant, P, Q, {})
    assert integral(expected(variant, best, P, Q, {})) == pytest.approx(LEAST[name], abs=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 0.7, 1.0, 3.0])
def test_the_least_alpha_loss_is_the_arimoto_divergence(alpha: float) -> None:
    """alpha/(alpha - 1) (2 - integral of (p^alpha + q^alpha)^(1/alpha)), and log 4 - 2 JS at alpha = 1, to 1e-6.

    Source: Kurri, Sypherd, Sankar 2021 (arXiv:2106.05232), whose value is the negative of D's loss.
    """
    variant, params = LOSSES["alpha_saturating"], {"alpha_d": alpha}
    least = integral(expected(variant, minimiser(variant, P, Q, params), P, Q, params))
    together = integral((P**alpha + Q**alpha) ** (1 / alpha))
    theory = LEAST["minimax"] if alpha == 1 else alpha / (alpha - 1) * (2 - together)
    assert least == pytest.approx(theory, abs=1e-6)


@pytest.mark.parametrize("row", DIVERGENCES, ids=lambda r: r.name)
def test_the_papers_generator_plays_a_zero_sum_game(row: Divergence) -> None:
    """The generator's slope of the paper is D's on fake data with the sign turned, so it descends what D measures.

    At logits from -8 to 8, to 1e-12 of the slope. The heuristic generator's differs, but where f*(T) = T.
    """
    logits = torch.linspace(-8, 8, 65, dtype=torch.float64)[None, :]
    paper, heuristic = LOSSES[f"f_{row.name}"], LOSSES[f"ns_{row.name}"]
    _, on_fake = paper.discriminator_slopes(logits, logits)
    torch.testing.assert_close(paper.generator_slope(None, logits), -on_fake, rtol=1e-12, atol=1e-12)
    apart = float((heuristic.generator_slope(None, logits) + on_fake).abs().max())
    assert (apart < 1e-12) == (row.activation == row.conjugate)


# --- a target that the generator cannot fit -------------------------------------------------------------------------

GRID = torch.linspace(-9, 9, 3601, dtype=torch.float64)
TWO = torch.from_numpy(sum(0.5 * stats.norm(c, 0.5).pdf(GRID.numpy()) for c in (-2.0, 2.0)))


def estimated(name: str, mean: float, sd: float) -> float:
    """The divergence of N(mean, sd^2) from the two-component mixture, as the entry's D at its optimum estimates it."""
    q = torch.from_numpy(stats.norm(mean, sd).pdf(GRID.numpy())).clamp(min=1e-280)
    L = torch.log(TWO.clamp(min=1e-280)) - torch.log(q)
    variant = LOSSES[f"f_{name}"]
    best = THEORY[f"f_{name}"](L, {}).clamp(-600, 600)
    values = expected(variant, best, TWO, q, {})
    return -float(torch.trapezoid(values, GRID))


def fitted(name: str) -> tuple[float, float, float]:
    """Mean, sd and divergence of the best normal law: x = a z + b, over starts in the middle and on a mode."""

    def objective(v: np.ndarray) -> float:
        return estimated(name, float(v[0]), math.exp(float(v[1])))

    tries = [
        optimize.minimize(objective, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
        for start in ((0.1, math.log(2.0)), (1.9, math.log(0.6)))
    ]
    best = min(tries, key=lambda found: found.fun)
    return float(best.x[0]), math.exp(float(best.x[1])), float(best.fun)


def test_kl_covers_the_mixture_and_matches_its_moments() -> None:
    """The least KL(p_data, p_g) of a normal law has the mixture's mean 0 and sd sqrt(2^2 + 0.5^2) = 2.0616, exactly.

    The cross-entropy of a normal law depends on the data's first two moments alone.
    """
    mean, sd, _ = fitted("kl")
    assert mean == pytest.approx(0, abs=1e-3)
    assert sd == pytest.approx(math.sqrt(4.25), abs=1e-3)


def test_reverse_kl_sits_on_one_mode() -> None:
    """The least KL(p_g, p_data) has mean near +-2, sd near 0.5 and the value log 2.

    The other mode is 8 sd away: log(p_g/p_data) is the log of its missing half.
    """
    mean, sd, value = fitted("reverse_kl")
    assert abs(mean) == pytest.approx(2, abs=0.01)
    assert sd == pytest.approx(0.5, abs=0.01)
    assert value == pytest.approx(math.log(2), abs=0.01)


@pytest.mark.parametrize("row", DIVERGENCES, ids=lambda r: r.name)
def test_misfits_are_as_the_rows_say(row: Divergence) -> None:
    """A row that "covers all the mass" fits an sd above 1.5, the distance of a mode being 2; one that seeks a mode
    fits an sd below 0.75, a mode's being 0.5.
    """
    if "covers" in row.misfit:
        assert fitted(row.name)[1] > 1.5
    elif "seeks" in row.misfit:
        assert fitted(row.name)[1] < 0.75
    else:
        assert "between" in row.misfit or "ignores" in row.misfit
