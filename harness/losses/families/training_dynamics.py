"""Presets that change how the players move, not what they minimise: another entry's losses, taken in other steps.

Each stands beside the entry whose losses it has, with the same bound on D if there is one, so that a comparison of the
two shows the steps alone. For other bounds on D, such as the gradient penalty, set them in [train] for both.
"""

from __future__ import annotations

from harness.losses.citations import MESCHEDER_2017
from harness.losses.families.presets import CONVERGES, ON_DIRAC, preset
from harness.losses.families.vanilla import NON_SATURATING
from harness.losses.families.wasserstein import WASSERSTEIN
from harness.losses.metadata import Citation, Prediction

CONSENSUS = preset(
    "consensus",
    NON_SATURATING,
    {"consensus": 10.0, "order": "simultaneous"},
    MESCHEDER_2017.at(
        checked="LMescheder/TheNumericsOfGANs, consensus_gan/optimizer.py, train.py and experiments/celebA/conopt.py "
        "(half the squared length, non-saturating loss, weight 10; RMSprop there)"
    ),
    Prediction(
        "converges",
        "Both players also descend the squared length of the joint gradient: the rotation turns into a contraction at "
        "rate weight/4 on Dirac. On N(4, 1.25) it should settle, perhaps early: any point where both gradients vanish "
        "attracts it, a bad one too.",
        ON_DIRAC,
    ),
    CONVERGES,
    "R1 and other penalties on D's slope in x: here the slope is in the parameters of both players.",
)

OPTIMISTIC = preset(
    "optimistic",
    WASSERSTEIN,
    {**WASSERSTEIN.needs, "optimizer": "optimistic_adam", "beta1": 0.5, "beta2": 0.9},
    Citation(
        key="daskalakis2018training",
        authors=("Constantinos Daskalakis", "Andrew Ilyas", "Vasilis Syrgkanis", "Haoyang Zeng"),
        year=2018,
        title="Training GANs with Optimism",
        identifier="arXiv:1711.00141",
        where="algorithm 1",
        checked="vsyrgkanis/optimistic_GAN_training, script/optimizer.py (optimAdam) and cifar10.py (decays 0.5 and "
        "0.9; there with gradient penalty 10 in place of the clip)",
    ),
    Prediction(
        "converges",
        "The last gradient is subtracted once, which predicts the next: the bilinear game of Dirac, where plain steps "
        "circle, contracts. On N(4, 1.25) the mean should stop hovering, down to the noise of the minibatches.",
        ON_DIRAC,
    ),
    CONVERGES,
    "wasserstein with plain Adam, whose steps lag behind the game's rotation.",
)

EXTRAGRADIENT = preset(
    "extragradient",
    WASSERSTEIN,
    {**WASSERSTEIN.needs, "order": "extragradient", "beta1": 0.5, "beta2": 0.9},
    Citation(
        key="gidel2019variational",
        authors=("Gauthier Gidel", "Hugo Berard", "Gaëtan Vignoud", "Pascal Vincent", "Simon Lacoste-Julien"),
        year=2019,
        title="A Variational Inequality Perspective on Generative Adversarial Networks",
        identifier="arXiv:1802.10551",
        checked="a fork of the authors' repository (latorrefabian/Variational-Inequality-GAN, train_extraadam.py: "
        "look ahead and step with Adam's decays 0.5 and 0.9, clip 0.01 or gradient penalty 10)",
    ),
    Prediction(
        "converges",
        "The gradients are those at a point one step ahead, which turns the circle of the bilinear game into a spiral "
        "inward; each step costs two gradients of each player. On N(4, 1.25) as optimistic.",
        ON_DIRAC,
    ),
    CONVERGES,
    "optimistic, which reuses the last gradient in place of a look ahead.",
)

VARIANTS = (CONSENSUS, OPTIMISTIC, EXTRAGRADIENT)
