"""Penalties on the slope of D at data, between and around them; instance noise; consensus optimisation."""

from __future__ import annotations

import sympy
import torch
from sympy import Expr
from torch import Tensor

from harness.losses.citations import (
    GULRAJANI_2017,
    KODALI_2017,
    MESCHEDER_2017,
    MESCHEDER_2018,
    PETZKA_2018,
    SONDERBY_2017,
    THANH_TUNG_2019,
    WU_2018,
)
from harness.losses.metadata import Citation
from harness.losses.penalties.penalty import GradientPenalty, Penalty, Site, norm
from harness.losses.primitives import elementary, relu

#: How far ``around`` goes from the data, in standard deviations of the real features.
SPREAD = 0.5


def segments(real_PKN: Tensor, fake_PKN: Tensor, u_PK: Tensor) -> Tensor:
    """A point (P, K, N) between each real decision and the fake one of the same index: fake + u (real - fake).

    u in [0, 1] is one number a decision, so that the point lies on the segment and not elsewhere in the box.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1, line 6.
    """
    return fake_PKN + u_PK.unsqueeze(-1) * (real_PKN - fake_PKN)


def around(real_PKN: Tensor, u_PKN: Tensor) -> Tensor:
    """A point (P, K, N) near each real decision: real + SPREAD * sd * ndtri(u), with u in (0, 1) and no gradient.

    sd is the standard deviation (divisor n) of all K*N real features of the member, so the law is
    N(real, (SPREAD * sd)^2) in each number.

    Source: Kodali et al. 2017, arXiv:1705.07215: noise of constant scale around real data. Their program adds
    uniform noise on [0, sd/2], which only looks to one side, and scales it by a second uniform number.
    """
    real_PKN = real_PKN.detach()
    sd_P = real_PKN.flatten(1).std(dim=1, correction=0)
    point_PKN: Tensor = real_PKN + SPREAD * sd_P[:, None, None] * torch.special.ndtri(u_PKN)
    return point_PKN


def _entry(name: str, phi: Expr, sites: tuple[Site, ...], **rest: str | Citation) -> GradientPenalty:
    latex = sympy.latex(elementary(phi), symbol_names={norm: r"\lVert\nabla_x D\rVert"})
    return GradientPenalty(
        name=name,
        phi=phi,
        sites=sites,
        text=" + ".join(f"mean over {site.value} of {phi}" for site in sites),
        latex=" + ".join(rf"\mathbb{{E}}_{{\text{{{site.value}}}}}\left[{latex}\right]" for site in sites),
        **rest,  # type: ignore[arg-type]
    )


MESCHEDER_2018 = MESCHEDER_2018.at(
    where="section 4.1",
    checked="LMescheder/GAN_stability, gan_training/train.py: the same sum of squares for each sample",
)
_HALF = (
    "gamma of gamma/2: the weight multiplies half the squared norm, as in StudioGAN and R3GAN. GAN_stability's "
    "multiplies the whole square, so its 10 is 20 here."
)

R1 = _entry(
    "r1",
    norm**2 / 2,
    (Site.REAL,),
    title="R1",
    meaning="Flattens D on real data, so that D is at rest where G is right. Roth et al. 2017 (arXiv:1705.09367) weigh "
    "the square by (1 - probability)^2 on real and probability^2 on fake data; R1 has no such factor.",
    convention=_HALF,
    citation=MESCHEDER_2018,
)
R2 = _entry(
    "r2",
    norm**2 / 2,
    (Site.FAKE,),
    title="R2",
    meaning="R1's twin: flattens D on generated data.",
    convention=_HALF,
    citation=MESCHEDER_2018,
)
ZERO_GP = _entry(
    "zero_gp",
    norm**2,
    (Site.SEGMENT,),
    title="0-GP",
    meaning="Flattens D between real and generated data, so that it cannot learn single samples by heart.",
    convention="lambda, without 1/2: it multiplies the whole square.",
    citation=THANH_TUNG_2019.at(
        checked="htt210/GeneralizationAndStabilityInGANs, GradientPenaltiesGAN.py: cal_gradpen with center = 0"
    ),
)
GP = _entry(
    "gp",
    (norm - 1) ** 2,
    (Site.SEGMENT,),
    title="gradient penalty",
    meaning="Draws the slope of D to 1 between real and generated data: a 1-Lipschitz D whose slope is 1 there is the "
    "best for the Wasserstein loss.",
    convention="lambda, without 1/2. The paper's images take 10; its programs take 0.1 on toy data.",
    citation=GULRAJANI_2017.at(where="eq. 3", checked="igul222/improved_wgan_training, gan_toy.py"),
)
ONE_SIDED_GP = _entry(
    "one_sided_gp",
    relu(norm - 1) ** 2,
    (Site.SEGMENT,),
    title="one-sided gradient penalty",
    meaning="WGAN-LP: punishes slopes of D above 1 and leaves smaller ones alone, which is all that 1-Lipschitz asks.",
    convention="lambda, without 1/2.",
    citation=PETZKA_2018.at(
        checked="mikigom/WGAN-LP-tensorflow, reg_losses.py: a reproduction, not the authors' program"
    ),
)
DRAGAN = _entry(
    "dragan",
    (norm - 1) ** 2,
    (Site.AROUND,),
    title="DRAGAN",
    meaning="Draws the slope of D to 1 around real data alone. Here the points are real + sd/2 * N(0, 1), sd over "
    "all real features of a minibatch.",
    convention="lambda, without 1/2; the authors' program takes 10. It adds uniform noise on [0, sd/2], times a second "
    "uniform number; the noise here is normal.",
    citation=KODALI_2017.at(
        checked="kodalinaveen3/DRAGAN, DRAGAN.ipynb: the square and sd/2; not the law of the noise"
    ),
)
WGAN_DIV = _entry(
    "wgan_div",
    norm**6 / 2,
    (Site.REAL, Site.FAKE),
    title="WGAN-div",
    meaning="Makes the Wasserstein loss a divergence without a Lipschitz bound: slopes of D cost their 6th power.",
    convention="k with power p = 6 and the 1/2 that averages the two sites: k = 2 is the usual value. The authors' "
    "program takes the mean on segments instead, without 1/2.",
    citation=WU_2018.at(checked="musikisomorphie/wgan-div, wgan_div.py: the 6th power; not the sites"),
)

#: A penalty needs, beside its line here, a weight of the same name in ``Settings`` (config/fields.py) and in the row
#: (store/schema.py).
GRADIENT_PENALTIES = (R1, R2, ZERO_GP, GP, ONE_SIDED_GP, DRAGAN, WGAN_DIV)

# The engines carry these two out: they need the draws and the gradients of both players.

INSTANCE_NOISE = Penalty(
    name="instance_noise",
    title="instance noise",
    meaning="Widens both laws that D compares by the same normal law, so that they overlap. Drawn anew at each update "
    "and added to the values before the view, real and generated, in the updates of D and of G. Arjovsky & Bottou "
    "2017 (arXiv:1701.04862) arrive at it from theory.",
    text="x <- x + sigma * N(0, 1) for everything that D reads",
    latex=r"x \leftarrow x + \sigma\, \epsilon, \quad \epsilon \sim \mathcal{N}(0, 1)",
    convention="sigma, a standard deviation (not a variance) in units of x; penalty_decay lets it fade.",
    citation=SONDERBY_2017.at(
        checked="the authors' note inference.vc/instance-noise-a-trick-for-stabilising-gan-training"
    ),
)
CONSENSUS = Penalty(
    name="consensus",
    title="consensus optimisation",
    meaning="Both players also descend the length of the joint gradient field v (D's gradient of its loss, G's of its "
    "own; penalties not counted), which turns rotations around an equilibrium into spirals that end there.",
    text="|v|^2/2, v = (dL_d/dtheta_d, dL_g/dtheta_g), added to the losses of both players",
    latex=r"\tfrac{1}{2} \lVert v \rVert^2, \quad v = (\nabla_{\theta_d} L_d, \nabla_{\theta_g} L_g)",
    convention="gamma, with the 1/2: the weight multiplies half the squared length, for D and G alike.",
    citation=MESCHEDER_2017.at(checked="LMescheder/TheNumericsOfGANs, consensus_gan/optimizer.py: ConsensusOptimizer"),
)
