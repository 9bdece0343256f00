"""Controls without a discriminator: direct distances between a generated minibatch and the target.

They separate the fault of a loss from the limits of the generator, the batch and the optimiser. Two know the target
itself (``w1_direct``, ``cvm_direct``), three the real minibatch that D would have seen.

Each function takes fake_PB (P, B) and real_PB (P, B) and returns loss_P. It reduces along the last axis only, so a row
does not depend on the others. Loss and slopes are finite also for a constant minibatch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sympy import Integer

from harness.losses.citations import SALIMANS_2016
from harness.losses.direct_loss import Direct, TargetQuantiles
from harness.losses.metadata import Citation, Outcome, Prediction
from harness.losses.variant import Variant

if TYPE_CHECKING:
    from torch import Tensor

#: Bandwidths of ``mmd_direct``, in standard deviations of the real minibatch.
BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


def w1(fake_PB: Tensor, real_PB: Tensor, target: TargetQuantiles) -> Tensor:
    """Mean |x_(i) - Q((i - 1/2)/B)|: the Wasserstein-1 distance of the minibatch to B quantiles of the target.

    Source: Vallender 1974, for two laws of B equal masses; the real minibatch is not read.
    """
    ordered_PB = fake_PB.sort(dim=-1, stable=True).values
    return (ordered_PB - target.quantiles_B.to(fake_PB)).abs().mean(dim=-1)


def cvm(fake_PB: Tensor, real_PB: Tensor, target: TargetQuantiles) -> Tensor:
    """1/(12 B^2) + mean (F(x_(i)) - (i - 1/2)/B)^2: the Cramér-von Mises statistic divided by B.

    F is interpolated linearly in ``target.table_N`` and constant outside it, so a value beyond the 1/(2N) tails has
    slope 0. The real minibatch is not read.
    """
    import torch

    table_N = target.table_N.to(fake_PB)
    size, count = table_N.shape[-1], fake_PB.shape[-1]
    inside_PB = fake_PB.sort(dim=-1, stable=True).values.clamp(table_N[0], table_N[-1])
    above_PB = torch.searchsorted(table_N, inside_PB.detach().contiguous()).clamp(1, size - 1)
    low_PB, high_PB = table_N[above_PB - 1], table_N[above_PB]
    # Equal neighbours occur only where float cannot tell two quantiles apart.
    width_PB = (high_PB - low_PB).clamp(min=torch.finfo(fake_PB.dtype).tiny)
    level_PB = (above_PB - 0.5 + (inside_PB - low_PB) / width_PB) / size
    wanted_B = (torch.arange(count, dtype=fake_PB.dtype, device=fake_PB.device) + 0.5) / count
    return (level_PB - wanted_B).square().mean(dim=-1) + 1 / (12 * count**2)


def energy(fake_PB: Tensor, real_PB: Tensor, target: TargetQuantiles) -> Tensor:
    """2 E|x - y| - E|x - x'| - E|y - y'| over pairs of different values: the energy distance, unbiased.

    Pairs of a value with itself are left out, so the expectation over minibatches is 2 times the integral of
    (G - F)^2, and a single estimate may be negative. With them the best spread would be too small, by 2% at B = 100.
    Computed in B log B: 2 times the integral of the squared difference of the empirical distribution functions, less
    (E|x - x'| + E|y - y'|)/(B - 1), the means over all pairs. With B = 1 the latter is left out.
    """
    import torch

    count = fake_PB.shape[-1]
    pooled_PN, order_PN = torch.cat([fake_PB, real_PB], dim=-1).sort(dim=-1, stable=True)
    apart_PN = torch.where(order_PN < count, 1.0, -1.0).to(fake_PB).cumsum(dim=-1) / count
    gaps_PN = pooled_PN[..., 1:] - pooled_PN[..., :-1]
    biased_P = 2 * (gaps_PN * apart_PN[..., :-1].square()).sum(dim=-1)
    return biased_P - (_mean_difference(fake_PB) + _mean_difference(real_PB)) / max(count - 1, 1)


def _mean_difference(x_PB: Tensor) -> Tensor:
    """The mean of |x_i - x_j| over all pairs: 2/B^2 times the sum of (2 i - 1 - B) x_(i)."""
    import torch

    count = x_PB.shape[-1]
    rank_B = 2 * torch.arange(count, dtype=x_PB.dtype, device=x_PB.device) + 1 - count
    return 2 * (rank_B * x_PB.sort(dim=-1, stable=True).values).sum(dim=-1) / count**2


def mmd(fake_PB: Tensor, real_PB: Tensor, target: TargetQuantiles) -> Tensor:
    """The squared maximum mean discrepancy, unbiased, with a sum of Gaussian kernels.

    E k(x, x') + E k(y, y') - 2 E k(x, y), where pairs of a value with itself are left out of the first two (with
    B = 1 they count as 0). k(u) = sum over ``BANDWIDTHS`` b of exp(-u^2/(2 (b s)^2)), s the standard deviation of the
    real minibatch. Differentiable once, in the fakes. Holds 2 P B^2 numbers at a time.
    """
    import torch

    count = fake_PB.shape[-1]
    pairs = max(count * (count - 1), 1)
    with torch.no_grad():
        scale_P1 = _spread(real_PB)
        x_PB, y_PB = fake_PB / scale_P1, real_PB / scale_P1
        within_P, within_slope_PB = _kernel_sum(x_PB, x_PB)
        across_P, across_slope_PB = _kernel_sum(x_PB, y_PB)
        # The B pairs of a value with itself hold 1 for each bandwidth.
        distinct_P = (within_P + _kernel_sum(y_PB, y_PB)[0] - 2 * len(BANDWIDTHS) * count) / pairs
        # Each fake stands on either side of a pair of fakes.
        slope_PB = 2 * (within_slope_PB / pairs - across_slope_PB / count**2) / scale_P1
        loss_P = distinct_P - 2 * across_P / count**2
    # Autograd would keep every kernel of every pair. The second term is 0 and brings in the slope alone.
    return loss_P + (slope_PB * (fake_PB - fake_PB.detach())).sum(dim=-1)


def _kernel_sum(x_PB: Tensor, y_PB: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of k(x_i - y_j) over all pairs (P,), and its slope in each x_i on the left (P, B); no autograd."""
    gap_PBB = x_PB.unsqueeze(-1) - y_PB.unsqueeze(-2)
    total_PB, slope_PB = x_PB.new_zeros(x_PB.shape), x_PB.new_zeros(x_PB.shape)
    for bandwidth in BANDWIDTHS:
        kernel_PBB = gap_PBB.square().mul_(-0.5 / bandwidth**2).exp_()
        # One axis after the other: a sum of B^2 numbers is split among threads, which rounds by their number.
        total_PB += kernel_PBB.sum(dim=-1)
        slope_PB -= kernel_PBB.mul_(gap_PBB).sum(dim=-1) / bandwidth**2
        del kernel_PBB  # before the next is made
    return total_PB.sum(dim=-1), slope_PB


def moments(fake_PB: Tensor, real_PB: Tensor, target: TargetQuantiles) -> Tensor:
    """Sum over k = 1..4 of (mean u(x)^k - mean u(y)^k)^2 with u(x) = (x - mean y)/sd y: feature matching.

    As published the square is of means of minibatches, so it is biased by their variances, of order 1/B.

    Source: Salimans et al. 2016, arXiv:1606.03498, section 3.1, with the features x, x^2, x^3, x^4 in place of an
    intermediate layer of D, standardised by the real minibatch so that their scales agree.
    """
    import torch

    centre_P1, scale_P1 = real_PB.mean(dim=-1, keepdim=True), _spread(real_PB)
    fake_PB, real_PB = (fake_PB - centre_P1) / scale_P1, (real_PB - centre_P1) / scale_P1
    gaps = [x.mean(dim=-1) - y.mean(dim=-1) for x, y in zip(_powers(fake_PB), _powers(real_PB), strict=True)]
    return torch.stack(gaps, dim=-1).square().sum(dim=-1)


def _powers(u_PB: Tensor) -> tuple[Tensor, ...]:
    """u, u^2, u^3, u^4 by products: ``pow`` rounds differently at the end of a tensor than in its middle."""
    square_PB = u_PB * u_PB
    return u_PB, square_PB, square_PB * u_PB, square_PB * square_PB


def _spread(y_PB: Tensor) -> Tensor:
    """The standard deviation (P, 1) of each row, divisor B; 1 where it is 0 but for rounding."""
    import torch

    away_PB = y_PB - y_PB.mean(dim=-1, keepdim=True)
    sd_P1 = (away_PB * away_PB).mean(dim=-1, keepdim=True).sqrt()
    rounding_P1 = 16 * torch.finfo(y_PB.dtype).eps * y_PB.abs().amax(dim=-1, keepdim=True)
    return torch.where(sd_P1 > rounding_P1, sd_P1, torch.ones_like(sd_P1))


#: What the KS distances in the predictions were found by.
_TRIAL = (
    "one trial each, apart from the engines: 50 ELU and 50 sigmoid units, U(0, 1) noise, Adam 2e-4, B = 100, "
    "10,000 steps, KS on 10,000 evenly spread points"
)


def _control(
    name: str,
    direct: Direct,
    citation: Citation,
    *,
    text: str,
    confused_with: str,
    outcome: Outcome = "converges",
) -> Variant:
    return Variant(
        name=name,
        family="control",
        discriminator=Integer(0),
        generator=Integer(0),
        direct=direct,
        citation=citation,
        prediction=Prediction(outcome, text, _TRIAL),
        confused_with=confused_with,
    )


W1_DIRECT = _control(
    "w1_direct",
    Direct(
        formula=r"\frac{1}{B} \sum_i \left| x_{(i)} - Q\left(\tfrac{i - 1/2}{B}\right) \right|",
        text="mean |x_(i) - Q((i - 1/2)/B)|",
        loss=w1,
    ),
    Citation(
        key="vallender1974calculation",
        authors=("S. S. Vallender",),
        year=1974,
        title="Calculation of the Wasserstein Distance Between Probability Distributions on the Line",
        checked="scipy.stats.wasserstein_distance, numerically",
    ),
    text=(
        "Every value has the slope +-1/B until it passes its quantile, so the generator arrives at constant speed. "
        "The law of single order statistics leaves a bias of order 1/B in the tails. On N(4, 1.25) KS should end "
        "near 0.07, still falling as the tails grow (seen in one run, not kept: 0.072)."
    ),
    confused_with="wasserstein, which estimates the same distance with a discriminator of bounded slope.",
)

CVM_DIRECT = _control(
    "cvm_direct",
    Direct(
        formula=r"\frac{1}{12 B^2} + \frac{1}{B} \sum_i \left( F(x_{(i)}) - \tfrac{i - 1/2}{B} \right)^2",
        text="1/(12 B^2) + mean (F(x_(i)) - (i - 1/2)/B)^2",
        loss=cvm,
    ),
    Citation(
        key="csorgo1996exact",
        authors=("Sándor Csörgő", "Julian J. Faraway"),
        year=1996,
        title="The Exact and Asymptotic Distributions of Cramér-von Mises Statistics",
        checked="scipy.stats.cramervonmises, numerically",
    ),
    text=(
        "The slope carries the target's density, so it is small far out, and 0 outside the table of quantiles, with "
        "a bias of order 1/B towards the middle. Adam hides the small slopes: on N(4, 1.25) KS should end where "
        "w1_direct does (seen in one run, not kept: 0.080)."
    ),
    confused_with=(
        "energy_direct, which integrates the squared difference over x instead of over the target's probability."
    ),
)

ENERGY_DIRECT = _control(
    "energy_direct",
    Direct(
        formula=r"2\, \overline{|x_i - y_j|} - \overline{|x_i - x_j|}_{i \ne j} - \overline{|y_i - y_j|}_{i \ne j}",
        text="2 mean |x_i - y_j| - mean |x_i - x_j| (i != j) - mean |y_i - y_j| (i != j)",
        loss=energy,
    ),
    Citation(
        key="bellemare2017cramer",
        authors=(
            "Marc G. Bellemare", "Ivo Danihelka", "Will Dabney", "Shakir Mohamed", "Balaji Lakshminarayanan",
            "Stephan Hoyer", "Rémi Munos",
        ),
        year=2017,
        title="The Cramer Distance as a Solution to Biased Wasserstein Gradients",
        identifier="arXiv:1705.10743",
        checked="scipy.stats.energy_distance, numerically",
    ),
    text=(
        "Its minibatch slope is unbiased for the distance between the laws, so it settles on the target itself, with "
        "noise from both minibatches. On N(4, 1.25) KS should end near 0.07 (seen in one run, not kept: 0.069)."
    ),
    confused_with="the Cramér GAN, which takes the same distance between outputs of a discriminator.",
)  # fmt: skip

MMD_DIRECT = _control(
    "mmd_direct",
    Direct(
        formula=r"\overline{k(x_i - x_j)}_{i \ne j} + \overline{k(y_i - y_j)}_{i \ne j} - 2\, \overline{k(x_i - y_j)}",
        text="mean k(x_i - x_j) (i != j) + mean k(y_i - y_j) (i != j) - 2 mean k(x_i - y_j), k a sum of Gaussians of "
        f"{', '.join(f'{b:g}' for b in BANDWIDTHS)} sd y",
        loss=mmd,
        version=2,
        quadratic=2,
    ),
    Citation(
        key="dziugaite2015training",
        authors=("Gintare Karolina Dziugaite", "Daniel M. Roy", "Zoubin Ghahramani"),
        year=2015,
        title="Training generative neural networks via Maximum Mean Discrepancy optimization",
        identifier="arXiv:1505.03906",
        checked="the closed form of the discrepancy of two normal laws, numerically",
    ),
    text="Unbiased as energy_direct. Values further from the data than a few of the widest bandwidth (4 standard "
    "deviations) feel no slope; N(4, 1.25) starts within reach (seen in one run, not kept: KS 0.071). Shapes "
    "finer than 1/4 of one are "
    "hardly seen.",
    confused_with="the MMD GAN, which learns the kernel by a discriminator.",
)

MOMENTS_DIRECT = _control(
    "moments_direct",
    Direct(
        formula=r"\sum_{k=1}^{4} \left( \overline{u(x)^k} - \overline{u(y)^k} \right)^2, \quad "
        r"u(x) = \frac{x - \overline{y}}{\operatorname{sd} y}",
        text="sum over k = 1..4 of (mean u(x)^k - mean u(y)^k)^2, u(x) = (x - mean y)/sd y",
        loss=moments,
    ),
    SALIMANS_2016.at(
        where="section 3.1",
        checked="programs that take the mean square of the difference of mean features, not the authors' own",
    ),
    text="An untrained generator, almost constant, first finds the best point mass: u^2 = 1.31, a root of "
    "4 w^3 + 3 w^2 - 10 w - 1, so x = 2.57 on N(4, 1.25). That is a saddle, left slowly because the slope in the "
    "spread is proportional to it (seen in one run, not kept: KS 0.82 after 10,000 steps). Beyond it, whatever "
    "shares four moments looks the same.",
    confused_with="the view of four moments, where a discriminator judges them.",
    outcome="stalls",
)

VARIANTS = (W1_DIRECT, CVM_DIRECT, ENERGY_DIRECT, MMD_DIRECT, MOMENTS_DIRECT)
