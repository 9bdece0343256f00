"""Presets: formulas of another entry, with the settings without which a published method is not that method.

``needs`` holds those settings at their published values, for keys that [train] does not set. The published weights of
penalties were found on images scaled to [-1, 1], with networks of millions of parameters. They may not suit a law of
one number such as N(4, 1.25), so search them before you blame a method. ``losses.penalties``
says what the numbers mean. Rates are left to [train], but Adam's decays are part of a preset where published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from harness.losses.citations import (
    GULRAJANI_2017,
    KODALI_2017,
    MESCHEDER_2017,
    MESCHEDER_2018,
    MIYATO_2018,
    PETZKA_2018,
    SONDERBY_2017,
    THANH_TUNG_2019,
    WU_2018,
)
from harness.losses.families.hinge import HINGE
from harness.losses.families.relativistic import RPGAN
from harness.losses.families.vanilla import NON_SATURATING
from harness.losses.families.wasserstein import WASSERSTEIN
from harness.losses.metadata import Citation, Dirac, Equivalence, Prediction
from harness.losses.variant import Variant

ON_DIRAC = "Dirac-GAN with the same settings, linear discriminator, steps of 0.1"
CONVERGES = Dirac(alternating="converges", simultaneous="converges")
#: Adam's decays of Gulrajani et al. 2017, algorithm 1, and their updates of D for each of G.
_GULRAJANI: Mapping[str, float] = MappingProxyType({"d_steps": 5, "beta1": 0.0, "beta2": 0.9})


def preset(
    name: str,
    base: Variant,
    needs: Mapping[str, float | str],
    *,
    citation: Citation,
    prediction: Prediction,
    dirac: Dirac,
    confused_with: str,
) -> Variant:
    """The formulas of ``base`` under another name, with the settings that the method needs."""
    settings = ", ".join(f"{key} = {str(value).removesuffix('.0')}" for key, value in needs.items())
    return replace(
        base,
        name=name,
        family="preset",
        needs=needs,
        citation=citation,
        prediction=prediction,
        dirac=dirac,
        confused_with=confused_with,
        equivalences=(Equivalence(base.name, f"its formulas, under {settings}", settings=False),),
    )


WGAN_GP = preset(
    "wgan_gp",
    WASSERSTEIN,
    {"gp": 10.0, **_GULRAJANI},
    citation=GULRAJANI_2017.at(
        where="eq. 3, algorithm 1",
        checked="igul222/improved_wgan_training, gan_toy.py (the formulas; its toy weight is 0.1, not 10)",
    ),
    prediction=Prediction(
        "cycles",
        "The penalty holds the slope of D at 1, also where G is right, so G never rests (Mescheder et al. 2018): on "
        "Dirac it stops at |theta| = 2 lambda = 20, where D is flat because the penalty and the data pull alike. On "
        "N(4, 1.25), whose densities overlap, it should arrive and then wander about the target.",
        ON_DIRAC,
    ),
    dirac=Dirac(alternating="stalls", simultaneous="stalls"),
    confused_with="wasserstein, which clips weights, and wgan_lp, which only punishes slopes above 1.",
)

WGAN_LP = preset(
    "wgan_lp",
    WASSERSTEIN,
    {"one_sided_gp": 10.0, **_GULRAJANI},
    citation=PETZKA_2018,
    prediction=Prediction(
        "cycles",
        "Free below slope 1, so on Dirac it is the Wasserstein game there and circles with |psi| <= 1 for good. On "
        "N(4, 1.25) as wgan_gp, with a calmer D near the target. Weight and settings are those of wgan_gp; the "
        "paper's own could not be checked.",
        ON_DIRAC,
    ),
    dirac=Dirac(alternating="cycles", simultaneous="cycles"),
    confused_with="wgan_gp, whose penalty also raises slopes below 1.",
)

WGAN_DIV = preset(
    "wgan_div",
    WASSERSTEIN,
    {"wgan_div": 2.0},
    citation=WU_2018.at(checked="eriklindernoren/PyTorch-GAN, wgan_div.py (k = 2, p = 6, on real and fake data)"),
    prediction=Prediction(
        "rings",
        "The sixth power of the slope damps large slopes only: Dirac's circle shrinks ever more slowly (0.08 after "
        "20,000 alternating steps). On N(4, 1.25) it should arrive and ring for long.",
        ON_DIRAC,
    ),
    dirac=Dirac(alternating="rings", simultaneous="cycles"),
    confused_with="wgan_gp: here the slope is drawn to 0 and not to 1.",
)

R3GAN = preset(
    "r3gan",
    RPGAN,
    {"r1": 1.0, "r2": 1.0, "penalty_decay": 0.9, "beta1": 0.0, "beta2": 0.9},
    citation=Citation(
        key="huang2024gan",
        authors=("Yiwen Huang", "Aaron Gokaslan", "Volodymyr Kuleshov", "James Tompkin"),
        year=2024,
        title="The GAN is dead; long live the GAN! A Modern GAN Baseline",
        identifier="arXiv:2501.05441",
        checked="Lemutisme/R3GAN, R3GAN/Trainer.py (losses, gamma/2 on both data) and train.py (preset ImageNet-64: "
        "gamma from 1 to 0.1, Adam's decays 0 and 0.9; other presets start from 0.05 to 150)",
    ),
    prediction=Prediction(
        "converges",
        "R1 and R2 flatten D on both kinds of data, so the rotation is damped: Dirac ends on the target. N(4, 1.25) "
        "should settle without ringing. The authors also raise beta2 to 0.99, which is not done here.",
        ON_DIRAC,
    ),
    dirac=CONVERGES,
    confused_with="rpgan, the same losses without the penalties, which only spirals in.",
)

DRAGAN = preset(
    "dragan",
    NON_SATURATING,
    {"dragan": 10.0, "beta1": 0.5, "beta2": 0.9},
    citation=KODALI_2017.at(
        checked="kodalinaveen3/DRAGAN, DRAGAN.ipynb (cross-entropy, non-saturating G, weight 10, decays 0.5 and 0.9)"
    ),
    prediction=Prediction(
        "cycles",
        "As in wgan_gp the penalty asks for slope 1 where G is right, so D cannot rest there: at weight 1 Dirac stops "
        "at |theta| = 4, twice as far as wgan_gp, since the log loss pushes half as much at logit 0. At 10 steps of "
        "0.1 overshoot long before 40, so nothing is claimed. On N(4, 1.25) it should arrive and wander.",
        ON_DIRAC,
    ),
    dirac=Dirac(),
    confused_with="wgan_gp: here the points lie around real data, and the loss is cross-entropy.",
)

NS_R1 = preset(
    "ns_r1",
    NON_SATURATING,
    {"r1": 10.0},
    citation=MESCHEDER_2018.at(
        where="section 4.1",
        checked="LMescheder/GAN_stability, gan_training/train.py and configs/default.yaml (reg_param 10, there without "
        "the paper's 1/2)",
    ),
    prediction=Prediction(
        "converges",
        "The eigenvalues at equilibrium are -g/2 +- sqrt(g^2/4 - 1/4) for weight g, so from g = 1 on Dirac does not "
        "ring; at 10 it creeps, with rate 0.025. On N(4, 1.25) it should settle smoothly and late.",
        "the linearised Dirac-GAN of the paper, where |f'(0)| = 1/2",
    ),
    dirac=CONVERGES,
    confused_with=(
        "r3gan, which flattens D on generated data too, and the same number without the 1/2, as in the authors' "
        "program."
    ),
)

NS_ZERO_GP = preset(
    "ns_zero_gp",
    NON_SATURATING,
    {"zero_gp": 10.0},
    citation=THANH_TUNG_2019.at(
        checked="copies of the authors' function cal_gradpen with center = 0 (the penalty, not its weight)"
    ),
    prediction=Prediction(
        "converges",
        "Flattens D between the data, whole square without 1/2: on Dirac it is R1 with twice the weight, and settles. "
        "N(4, 1.25) should settle late. The weight 10 is that of ns_r1; the paper's own could not be checked.",
        ON_DIRAC,
    ),
    dirac=CONVERGES,
    confused_with="wgan_gp, which draws the slope on the same segments to 1.",
)

SNGAN = preset(
    "sngan",
    HINGE,
    {"spectral_norm": 1.0, **_GULRAJANI},
    citation=MIYATO_2018.at(
        where="eqs. 16-17",
        checked="pfnet-research/sngan_projection, configs/sn_cifar10_unconditional.yml (hinge, 5 updates of D, decays "
        "0 and 0.9)",
    ),
    prediction=Prediction(
        "cycles",
        "With every layer bounded by 1 the logits of N(4, 1.25) differ by about the distance of the values at most, so "
        "D stays inside the hinge's margins and the game is the Wasserstein game of a 1-Lipschitz D: it should arrive "
        "at constant speed and circle there, narrowly at small rates.",
        "the product of the layers' bounds, and hinge on Dirac",
    ),
    dirac=Dirac(),
    confused_with="hinge without the bound, whose D may grow as steep as it likes.",
)

NS_INSTANCE_NOISE = preset(
    "ns_instance_noise",
    NON_SATURATING,
    {"instance_noise": 1.0, "penalty_decay": 1.0},
    citation=SONDERBY_2017.at(
        checked="the authors' note inference.vc/instance-noise-a-trick-for-stabilising-gan-training (noise on both "
        "kinds of data, fading); the standard deviation 1, near the target's, is this project's choice"
    ),
    prediction=Prediction(
        "converges",
        "Noise makes the two laws overlap, and D's slope then costs it on both: Dirac spirals onto the target at an "
        "exponential rate. N(4, 1.25) overlaps anyway; the noise should calm the ringing early and be gone at the end.",
        "Mescheder et al. 2018, arXiv:1801.04406, section 3, and the Dirac-GAN with noise that does not fade",
    ),
    dirac=CONVERGES,
    confused_with="noise on the generator's input, and label noise (noisy or flipped labels of D).",
)

# Presets that change the steps of the players, not their losses. Each has the bound on D of the entry whose losses it
# takes, so that a comparison of the two shows the steps alone. Set another bound in [train], for both.

CONSENSUS = preset(
    "consensus",
    NON_SATURATING,
    {"consensus": 10.0, "order": "simultaneous"},
    citation=MESCHEDER_2017.at(
        checked="LMescheder/TheNumericsOfGANs, consensus_gan/optimizer.py, train.py and experiments/celebA/conopt.py "
        "(half the squared length, non-saturating loss, weight 10; RMSprop there)"
    ),
    prediction=Prediction(
        "converges",
        "Both players also descend the squared length of the joint gradient: the rotation turns into a contraction at "
        "rate weight/4 on Dirac. On N(4, 1.25) it should settle, perhaps early: any point where both gradients vanish "
        "attracts it, a bad one too.",
        ON_DIRAC,
    ),
    dirac=CONVERGES,
    confused_with="R1 and other penalties on D's slope in x: here the slope is in the parameters of both players.",
)

OPTIMISTIC = preset(
    "optimistic",
    WASSERSTEIN,
    {**WASSERSTEIN.needs, "optimizer": "optimistic_adam", "beta1": 0.5, "beta2": 0.9},
    citation=Citation(
        key="daskalakis2018training",
        authors=("Constantinos Daskalakis", "Andrew Ilyas", "Vasilis Syrgkanis", "Haoyang Zeng"),
        year=2018,
        title="Training GANs with Optimism",
        identifier="arXiv:1711.00141",
        where="algorithm 1",
        checked="vsyrgkanis/optimistic_GAN_training, script/optimizer.py (optimAdam) and cifar10.py (decays 0.5 and "
        "0.9; there with gradient penalty 10 in place of the clip)",
    ),
    prediction=Prediction(
        "converges",
        "The last gradient is subtracted once, which predicts the next: the bilinear game of Dirac, where plain steps "
        "circle, contracts. On N(4, 1.25) the mean should stop hovering, down to the noise of the minibatches.",
        ON_DIRAC,
    ),
    dirac=CONVERGES,
    confused_with="wasserstein with plain Adam, whose steps lag behind the game's rotation.",
)

EXTRAGRADIENT = preset(
    "extragradient",
    WASSERSTEIN,
    {**WASSERSTEIN.needs, "order": "extragradient", "beta1": 0.5, "beta2": 0.9},
    citation=Citation(
        key="gidel2019variational",
        authors=("Gauthier Gidel", "Hugo Berard", "Gaëtan Vignoud", "Pascal Vincent", "Simon Lacoste-Julien"),
        year=2019,
        title="A Variational Inequality Perspective on Generative Adversarial Networks",
        identifier="arXiv:1802.10551",
        checked="a fork of the authors' repository (latorrefabian/Variational-Inequality-GAN, train_extraadam.py: "
        "look ahead and step with Adam's decays 0.5 and 0.9, clip 0.01 or gradient penalty 10)",
    ),
    prediction=Prediction(
        "converges",
        "The gradients are those at a point one step ahead, which turns the circle of the bilinear game into a spiral "
        "inward; each step costs two gradients of each player. On N(4, 1.25) as optimistic.",
        ON_DIRAC,
    ),
    dirac=CONVERGES,
    confused_with="optimistic, which reuses the last gradient in place of a look ahead.",
)

VARIANTS = (
    *(WGAN_GP, WGAN_LP, WGAN_DIV, R3GAN, DRAGAN, NS_R1, NS_ZERO_GP, SNGAN, NS_INSTANCE_NOISE),
    *(CONSENSUS, OPTIMISTIC, EXTRAGRADIENT),
)
