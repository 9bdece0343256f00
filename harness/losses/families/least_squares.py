"""Least squares on the logits with the targets as parameters, its published codings, and on the probability.

D's optimal logit is (a p_g + b p_data)/(p_g + p_data), so c = (a + b)/2 asks for the value at equilibrium.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Expr, Integer

from harness.losses.families.vanilla import DIRAC
from harness.losses.metadata import Citation, Dirac, Equivalence, Parameter, Prediction
from harness.losses.primitives import fake, real, sigmoid
from harness.losses.variant import Variant

_a = Parameter("a", 0.0, -10.0, 10.0, "D's target for fake data")
_b = Parameter("b", 1.0, -10.0, 10.0, "D's target for real data")
_c = Parameter("c", 1.0, -10.0, 10.0, "the generator's target")


def _discriminator(a: Expr, b: Expr) -> Expr:
    return (real - b) ** 2 / 2 + (fake - a) ** 2 / 2


def _generator(c: Expr) -> Expr:
    return (fake - c) ** 2 / 2


MAO = Citation(
    key="mao2016least",
    authors=(
        "Xudong Mao", "Qing Li", "Haoran Xie", "Raymond Y. K. Lau", "Zhen Wang", "Stephen Paul Smolley",
    ),
    year=2016,
    title="Least Squares Generative Adversarial Networks",
    identifier="arXiv:1611.04076",
    where="eq. 2",
    checked="the objective as paperswithcode.com/method/lsgan quotes it",
)  # fmt: skip

LEAST_SQUARES = Variant(
    name="least_squares",
    family="least_squares",
    discriminator=_discriminator(_a.symbol, _b.symbol),
    generator=_generator(_c.symbol),
    parameters=(_a, _b, _c),
    citation=MAO,
    prediction=Prediction(
        "rings",
        "At (a, b, c) = (0, 1, 1) as non_saturating (Dirac: mean 0, amplitude 0.04 after 20,000 steps); at (-1, 1, 0), "
        "where c = (a + b)/2, it approaches without ringing; with c = a it stalls beside the target. The same is "
        "expected on N(4, 1.25).",
        DIRAC,
    ),
    confused_with="ls_sigmoid, least squares on sigmoid(logit), which saturates on both sides.",
    equilibrium_logit=(_a.symbol + _b.symbol) / 2,
    dirac=Dirac("rings", "cycles"),
)

LS_PEARSON = Variant(
    name="ls_pearson",
    family="least_squares",
    discriminator=_discriminator(Integer(-1), Integer(1)),
    generator=_generator(Integer(0)),
    citation=replace(
        MAO,
        where="the coding with b - c = 1 and b - a = 2, which minimises a Pearson chi-squared divergence",
        checked="the values a = -1, b = 1, c = 0 as J. Hui's article on LSGAN (jonathan-hui.medium.com) quotes them",
    ),
    prediction=Prediction(
        "converges",
        "The generator asks for the logit of equilibrium, so near the target nothing turns: Dirac settles on 0 exactly "
        "in both orders. N(4, 1.25) should be reached without ringing, more slowly than with c = b.",
        DIRAC,
    ),
    confused_with="f_pearson, another way to a Pearson divergence, with a linear loss on real data.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("converges", "converges"),
    equivalences=(Equivalence("least_squares(a=-1, b=1, c=0)", "a published choice of the targets"),),
)

LS_SIGNED = Variant(
    name="ls_signed",
    family="least_squares",
    discriminator=_discriminator(Integer(-1), Integer(1)),
    generator=_generator(Integer(1)),
    citation=Citation(
        key="hypergan",
        authors=("HyperGAN",),
        year=None,
        title="HyperGAN, its least squares loss",
        identifier="github.com/HyperGAN/HyperGAN",
        where="the default labels of its least squares loss",
        checked="hypergan.gitbook.io, components, loss, least squares loss",
    ),
    prediction=Prediction(
        "rings",
        "Targets one apart from equilibrium on both sides, so it turns twice as fast as (0, 1, 1): Dirac spirals in "
        "(amplitude 0.04 after 20,000 steps), simultaneous steps of 0.1 leave a cycle of 0.5. N(4, 1.25) likewise.",
        DIRAC,
    ),
    confused_with="ls_pearson, whose generator asks for 0 where this one asks for 1.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "cycles"),
    equivalences=(Equivalence("least_squares(a=-1, b=1, c=1)", "another choice of the targets in use"),),
)

LS_SIGMOID = Variant(
    name="ls_sigmoid",
    family="least_squares",
    # (sigmoid(l) - 1)^2 = sigmoid(-l)^2, which does not cancel for large l.
    discriminator=sigmoid(-real) ** 2 / 2 + sigmoid(fake) ** 2 / 2,
    generator=sigmoid(-fake) ** 2 / 2,
    citation=Citation(
        key="kurach2018large",
        authors=("Karol Kurach", "Mario Lucic", "Xiaohua Zhai", "Marcin Michalski", "Sylvain Gelly"),
        year=2018,
        title="A Large-Scale Study on Regularization and Normalization in GANs",
        identifier="arXiv:1807.04720",
        where="the code published with it, google/compare_gan",
        checked="google/compare_gan, compare_gan/gans/loss_lib.py: least_squares takes d_real and d_fake in [0, 1]",
    ),
    prediction=Prediction(
        "rings",
        "Not the published least squares: the slope is at most 4/27 and dies on both sides. Near the target a slow "
        "non_saturating (Dirac: amplitude 0.14 after 20,000 steps); on N(4, 1.25) it may stall where D rejects, like "
        "minimax.",
        DIRAC,
    ),
    confused_with="least_squares, which compares the logits themselves with their targets.",
    equilibrium_logit=Integer(0),
    dirac=Dirac("rings", "rings"),
)

VARIANTS = (LEAST_SQUARES, LS_PEARSON, LS_SIGNED, LS_SIGMOID)
