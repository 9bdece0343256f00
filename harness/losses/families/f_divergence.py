"""f-GAN: D estimates an f-divergence of data from generator, one row of a table for each divergence.

D_f(p, q) = E_q f(p/q) = sup_T E_p T - E_q f*(T), with f* the convex conjugate of f. T is a function of the logit v that
covers the domain of f*, and rises in v for every row, so that a high logit means real throughout; some codes have
falling rows. D minimises -T(real) + f*(T(fake)). The generator minimises -f*(T(fake)), the divergence itself (``f_*``),
or the heuristic -T(fake) (``ns_*``; Nowozin et al. 2016, sec. 3.2). With u = p_data/p_g, D's best T is f'(u).
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr, Integer, exp, log, tanh

from harness.losses.families.vanilla import DIRAC
from harness.losses.metadata import Citation, Dirac, Equivalence, Outcome, Prediction
from harness.losses.primitives import fake, real, softplus
from harness.losses.variant import Variant

NOWOZIN = Citation(
    key="nowozin2016fgan",
    authors=("Sebastian Nowozin", "Botond Cseke", "Ryota Tomioka"),
    year=2016,
    title="f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization",
    identifier="arXiv:1606.00709",
    where="table 6",
    checked="LynnHo/f-GAN-Tensorflow, utils.py; HyperGAN/HyperGAN, hypergan/losses/f_divergence_loss.py",
)
#: For the rows those two leave out, what was held against what.
SHAYNE = "shayneobrien/generative-models, src/f_gan.py"
CONJUGATE = "the row derived from f, in tests/losses/test_families.py"


@dataclass(frozen=True)
class Divergence:
    """One row: ``activation`` is T and ``conjugate`` f*(T), as expressions of the logit ``real``.

    ``logit`` is D's best logit at p_data/p_g = exp(L), in words; ``misfit`` what a generator does that cannot fit the
    data. ``equilibrium`` is the best logit where the laws agree, None if every logit is. ``paper`` and ``heuristic``
    are what is claimed of the two generators: on Dirac, then on N(4, 1.25) as outcome and sentence.
    """

    name: str
    title: str
    activation: Expr
    conjugate: Expr
    equilibrium: Expr | None
    logit: str
    misfit: str
    paper: tuple[Dirac, Outcome, str]
    heuristic: tuple[Dirac, Outcome, str]
    same: tuple[str, str] = ("", "")
    checked: str = NOWOZIN.checked


_SPIRAL = Dirac("rings", "cycles")
_LEAVES = Dirac("rings", "runs_away")
_CREEPS = Dirac("rings", "stalls")
_L = "L"

DIVERGENCES = (
    Divergence(
        "kl",
        "Kullback-Leibler divergence of the data from the generator, KL(data || generator)",
        activation=real,
        conjugate=exp(real - 1),
        equilibrium=Integer(1),
        logit="1 + L",
        misfit="covers all the mass of the data",
        paper=(
            _LEAVES,
            "rings",
            "The slope is exponential in the logit: it dies where D rejects, and a D that overrates fakes throws the "
            "generator far (Dirac with simultaneous steps diverges; alternating amplitude 0.21).",
        ),
        heuristic=(_SPIRAL, "rings", "A constant slope; the exponential in D's own loss damps (Dirac amplitude 0.05)."),
    ),
    Divergence(
        "reverse_kl",
        "reverse Kullback-Leibler divergence, KL(generator || data)",
        activation=-exp(-real),
        conjugate=real - 1,
        equilibrium=Integer(0),
        logit=_L,
        misfit="seeks one mode",
        paper=(
            Dirac("cycles", "runs_away"),
            "cycles",
            "Both slopes on generated data are constant, so nothing damps: Dirac circles at amplitude 1.0 for ever, "
            "and with simultaneous steps spirals out.",
        ),
        heuristic=(
            _SPIRAL,
            "rings",
            "The slope grows exponentially where D rejects, which arrives fast and is rough (Dirac amplitude 0.05).",
        ),
    ),
    Divergence(
        "pearson",
        "Pearson chi-squared divergence",
        activation=real,
        conjugate=real**2 / 4 + real,
        equilibrium=Integer(0),
        logit="2 (exp(L) - 1)",
        misfit="covers all the mass of the data, most strongly",
        paper=(
            _LEAVES,
            "rings",
            "The slope -(v/2 + 1) changes sign at v = -2, so a fake that D rejects is pushed away; at its best D "
            "never says less than -2 (Dirac amplitude 0.39, simultaneous steps diverge).",
        ),
        heuristic=(_SPIRAL, "rings", "A constant slope against a quadratic D (Dirac amplitude 0.07)."),
    ),
    Divergence(
        "neyman",
        "Neyman chi-squared divergence",
        activation=1 - exp(-real),
        conjugate=2 - 2 * exp(-real / 2),
        equilibrium=Integer(0),
        logit="2 L",
        misfit="seeks one mode, most strongly",
        paper=(
            _LEAVES,
            "rings",
            "The slope is large where D rejects and dies where D accepts (Dirac amplitude 0.35; "
            "simultaneous steps drift outward like a logarithm, to 3 by the end).",
        ),
        heuristic=(
            _SPIRAL,
            "rings",
            "The slope -exp(-v) of the reverse Kullback-Leibler heuristic (Dirac amplitude 0.06).",
        ),
        checked=CONJUGATE,
    ),
    Divergence(
        "hellinger",
        "squared Hellinger distance",
        activation=1 - exp(-real),
        conjugate=exp(real) - 1,
        equilibrium=Integer(0),
        logit="L/2",
        misfit="stands between covering and seeking",
        paper=(
            _LEAVES,
            "rings",
            "The slope dies where D rejects and is exponential where D accepts (Dirac amplitude 0.25, simultaneous "
            "steps diverge).",
        ),
        heuristic=(
            _SPIRAL,
            "rings",
            "The exponential loss for both players: rough where D rejects (Dirac amplitude 0.04).",
        ),
    ),
    Divergence(
        "js",
        "Jensen-Shannon divergence",
        activation=log(2) - softplus(-real),
        conjugate=softplus(real) - log(2),
        equilibrium=Integer(0),
        logit=_L,
        misfit="stands between covering and seeking",
        paper=(_CREEPS, "stalls", "Minimax up to constants."),
        heuristic=(_SPIRAL, "rings", "Non_saturating up to constants."),
        same=("minimax", "non_saturating"),
    ),
    Divergence(
        "gan",
        "divergence of the original GAN",
        activation=-softplus(-real),
        conjugate=softplus(real),
        equilibrium=Integer(0),
        logit=_L,
        misfit="stands between covering and seeking",
        paper=(_CREEPS, "stalls", "Minimax."),
        heuristic=(_SPIRAL, "rings", "Non_saturating."),
        same=("minimax", "non_saturating"),
    ),
    Divergence(
        "tv",
        "total variation distance",
        activation=tanh(real) / 2,
        conjugate=tanh(real) / 2,
        equilibrium=None,
        logit="infinite, with the sign of L",
        misfit="fits where it can and ignores the rest",
        paper=(
            Dirac("stalls", "stalls"),
            "stalls",
            "D is pushed to infinite logits, where every slope dies on both sides (Dirac stands near 1).",
        ),
        heuristic=(Dirac("stalls", "stalls"), "stalls", "f*(T) = T, so the heuristic is the same loss."),
        same=("", "f_tv"),
        checked=SHAYNE,
    ),
)


def _variant(row: Divergence, prefix: str, generator: Expr, claim: tuple[Dirac, Outcome, str], same: str) -> Variant:
    dirac, outcome, text = claim
    other = {"f": "ns", "ns": "f"}[prefix]
    where = {"f": "table 6", "ns": "sec. 3.2, with the functions of table 6"}[prefix]
    return Variant(
        name=f"{prefix}_{row.name}",
        family="f_divergence",
        discriminator=-row.activation + row.conjugate.subs(real, fake),
        generator=generator.subs(real, fake),
        citation=NOWOZIN.at(where=where, checked=row.checked),
        prediction=Prediction(
            outcome,
            f"The {row.title}: a generator that cannot fit {row.misfit}. N(4, 1.25) can be fitted, so only the "
            f"dynamics tell. {text} At its best D says {row.logit}, with L = log(p_data/p_g).",
            DIRAC,
        ),
        confused_with=f"{other}_{row.name}, the same discriminator with the other generator of the paper.",
        equilibrium_logit=row.equilibrium,
        dirac=dirac,
        equivalences=(Equivalence(same, "equal up to constants"),) if same else (),
    )


PAPER = tuple(_variant(row, "f", -row.conjugate, row.paper, row.same[0]) for row in DIVERGENCES)
HEURISTIC = tuple(_variant(row, "ns", -row.activation, row.heuristic, row.same[1]) for row in DIVERGENCES)

VARIANTS = (*PAPER, *HEURISTIC)
