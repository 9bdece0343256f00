"""The difference of mean logits, an estimate of the Wasserstein-1 distance for a discriminator of bounded slope."""

from __future__ import annotations

from harness.losses.citations import ARJOVSKY_2017
from harness.losses.families.vanilla import DIRAC
from harness.losses.metadata import Dirac, Prediction
from harness.losses.primitives import fake, real
from harness.losses.variant import Variant

WASSERSTEIN = Variant(
    name="wasserstein",
    family="wasserstein",
    discriminator=-real + fake,
    generator=-fake,
    citation=ARJOVSKY_2017.at(
        where="algorithm 1",
        checked="martinarjovsky/WassersteinGAN, main.py (there with the sign of D turned: high means fake)",
    ),
    prediction=Prediction(
        "cycles",
        "With clipped weights Dirac ends in a limit cycle about as wide as the clip (0.30 at clip 0.3). On N(4, 1.25) "
        "the mean should hover around 4, at a distance set by clip and learning rates. The authors also take RMSprop "
        "and five updates of D for each of G, which are left to [train].",
        DIRAC,
    ),
    dirac=Dirac(alternating="cycles", simultaneous="cycles"),
    confused_with="wgan_gp and wgan_div, which replace the clip by penalties on the gradient of D.",
    needs={"weight_clip": 0.01},
)

VARIANTS = (WASSERSTEIN,)
