"""Two constraints that are no function of D alone: noise on what it reads, and the length of the joint gradient.

Descriptions only: they need the draws and gradients of both players, so the engines carry them out.
"""

from __future__ import annotations

from harness.losses.citations import MESCHEDER_2017, SONDERBY_2017
from harness.losses.penalties.penalty import Penalty

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
