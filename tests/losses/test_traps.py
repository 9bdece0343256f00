"""Mistakes of published programs in the losses themselves: each is written here once, and the harness is not it.

``trapped_*`` is the mistaken program. Every test shows that the harness equals the right formula, and that the mistake
would have been seen: the trapped program is far from it at the same logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from harness.losses import LOSSES, Variant

Program = Callable[[Tensor, Tensor], Tensor]

R = torch.tensor([[0.3, -1.1, 2.0, 0.7, -0.4]], dtype=torch.float64)
F = torch.tensor([[-0.8, 0.5, -2.2, 1.4, 0.1]], dtype=torch.float64)

#: The scalar function of each relativistic ending: small where the difference y is large.
SCALARS: dict[str, Callable[[Tensor], Tensor]] = {
    "gan": lambda y: softplus(-y),
    "ls": lambda y: (y - 1) ** 2,
    "hinge": lambda y: torch.relu(1 - y),
}
RELATIVISTIC = [prefix + ending for ending in SCALARS for prefix in ("rp", "ra", "rc")]


def difference(name: str, r: Tensor, f: Tensor) -> Tensor:
    """D's published loss of a minibatch: how much less real fakes are than real data, by three forms."""
    scalar = SCALARS[name[2:]]
    if name[:2] == "rp":
        return scalar(r - f).mean()
    rest = (f.mean(), r.mean()) if name[:2] == "ra" else ((r.mean() + f.mean()) / 2,) * 2
    return (scalar(r - rest[0]) + scalar(rest[1] - f)).mean() / 2


def slope(program: Program, r: Tensor, f: Tensor, of: int) -> Tensor:
    """K times the derivative of a minibatch's loss in its real (0) or fake (1) logits: that of the summed loss."""
    at = [r.clone().requires_grad_(), f.clone().requires_grad_()]
    (found,) = torch.autograd.grad(program(*at), at[of], materialize_grads=True)
    return found * r.shape[1]


def apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


# --- relativistic losses --------------------------------------------------------------------------------------------


def trapped_overwritten(r: Tensor, f: Tensor) -> Tensor:
    """G's loss if the relativistic one is computed, and then overwritten by the plain non-saturating one."""
    return softplus(-f).mean()


def trapped_one_term(r: Tensor, f: Tensor) -> Tensor:
    """Of G's average loss only the term with fakes above the mean of real data is kept."""
    return softplus(-(f - r.mean())).mean()


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_g_keeps_its_relativistic_loss(name: str) -> None:
    """G's slope is that of the published loss with both kinds of data swapped; it moves with the real logits.

    The plain non-saturating loss, and the average form with one of two terms, are more than 0.05 away.
    """
    found = LOSSES[name].generator_slope(R, F)
    right = slope(lambda r, f: difference(name, f, r), R, F, of=1)
    torch.testing.assert_close(found, right, rtol=1e-12, atol=1e-12)
    assert apart(LOSSES[name].generator_slope(R + 3, F), found) > 0.05
    for trap in (trapped_overwritten, trapped_one_term):
        assert apart(slope(trap, R, F, of=1), found) > 0.05, trap.__name__
    assert apart(slope(trapped_overwritten, R + 3, F, of=1), slope(trapped_overwritten, R, F, of=1)) == 0


def trapped_after_sigmoid(r: Tensor, f: Tensor) -> Tensor:
    """Differences of probabilities instead of logits, and a second term that is no difference at all."""
    p, q = r.sigmoid(), f.sigmoid()
    return -((p - q.mean()).sigmoid().log() + (1 - q).sigmoid().log()).mean() / 2


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_d_compares_logits_and_nothing_else(name: str) -> None:
    """D's loss stays the same when all logits move together, to rounding; the trapped one moves by more than 0.05."""
    variant = LOSSES[name]
    losses = [variant.discriminator_loss(R + shift, F + shift).mean() for shift in (0, 5)]
    torch.testing.assert_close(losses[0], difference(name, R, F), rtol=1e-12, atol=1e-12)
    assert apart(*losses) < 1e-12
    assert apart(trapped_after_sigmoid(R, F), trapped_after_sigmoid(R + 5, F + 5)) > 0.05


def trapped_real_minus_real(r: Tensor, f: Tensor) -> Tensor:
    """The paired difference taken between real data and themselves."""
    return softplus(-(r - r)).mean()


def trapped_one_real_for_all(r: Tensor, f: Tensor) -> Tensor:
    """Every fake compared with the first real decision of the minibatch."""
    return softplus(-(r[:, :1] - f)).mean()


@pytest.mark.parametrize("name", [n for n in RELATIVISTIC if n.endswith("gan")])
def test_every_decision_counts(name: str) -> None:
    """Each real and each fake logit has a slope in D's loss: more than 0.01 in every one of five pairs.

    Subtracted from themselves, real data have none at all; with one real decision for all fakes, four of five.
    """
    on_real, on_fake = LOSSES[name].discriminator_slopes(R, F)
    for found, of in ((on_real, 0), (on_fake, 1)):
        torch.testing.assert_close(found, slope(lambda r, f: difference(name, r, f), R, F, of), rtol=1e-12, atol=1e-12)
        assert float(found.abs().min()) > 0.01
    assert float(slope(trapped_real_minus_real, R, F, of=0).abs().max()) == 0
    assert float(slope(trapped_real_minus_real, R, F, of=1).abs().max()) == 0
    assert int((slope(trapped_one_real_for_all, R, F, of=0) != 0).sum()) == 1


# --- smoothing ------------------------------------------------------------------------------------------------------


def label_asked_for(variant: Variant, **params: float) -> float:
    """The probability of real data at which D's slope on them is 0: their label."""
    logits = torch.linspace(-6, 6, 12_001, dtype=torch.float64)[None, :]
    on_real, _ = variant.discriminator_slopes(logits, logits, **params)
    return float(logits[0, on_real.abs().argmin()].sigmoid())


def trapped_towards_one_half(amount: float) -> float:
    """The label that a program makes of "smoothing = amount" if it smooths towards 1/2: 0.25 becomes 0.875."""
    return 1 - amount / 2


def trapped_taken_off(amount: float) -> float:
    """The label that a program makes of "smoothing = amount" if it takes it off: 0.2 becomes 0.8."""
    return 1 - amount


@pytest.mark.parametrize("name", ["one_sided_smoothing", "two_sided_smoothing"])
@pytest.mark.parametrize("a", [0.6, 0.75, 0.9])
def test_the_number_is_the_label_itself(name: str, a: float) -> None:
    """The parameter a is the label of real data: D rests on them at probability a, to the grid's 0.001.

    Read as an amount of smoothing, by either convention, the same number would ask for another probability.
    """
    found = label_asked_for(LOSSES[name], a=a)
    assert found == pytest.approx(a, abs=5e-4)
    assert abs(trapped_towards_one_half(a) - found) > 0.01
    assert abs(trapped_taken_off(a) - found) > 0.01
    assert (trapped_towards_one_half(0.25), trapped_taken_off(0.2)) == (0.875, 0.8)


def trapped_class_weight(r: Tensor, f: Tensor) -> Tensor:
    """log D(real) times 0.95, which weighs the class and leaves its label at 1; the sigmoid's raw logarithm besides."""
    return (-0.95 * torch.log(r.sigmoid()) - torch.log(1 - f.sigmoid())).mean()


def test_a_class_weight_is_no_smoothing() -> None:
    """At logit 10 on real data a label of 0.95 draws back, with slope sigmoid(10) - 0.95 = 0.04995; a weight does not.

    The raw logarithm of a float32 sigmoid is infinite from logit -104 down; the harness has 0.95 * 120 = 114 there.
    """
    sure = torch.full((1, 3), 10.0, dtype=torch.float64)
    smoothing = LOSSES["one_sided_smoothing"]
    on_real, _ = smoothing.discriminator_slopes(sure, -sure, a=0.95)
    assert float(on_real[0, 0]) == pytest.approx(0.04995, abs=1e-5)
    assert float(slope(trapped_class_weight, sure, -sure, of=0)[0, 0]) < 0
    far = torch.full((1, 1), -120.0)
    assert math.isinf(float(trapped_class_weight(far, far)))
    assert float(smoothing.discriminator_loss(far, far, a=0.95)) == pytest.approx(114, rel=1e-6)


# --- probabilities in place of logits -------------------------------------------------------------------------------


def trapped_guarded_log(f: Tensor) -> Tensor:
    """-log(probability + 1e-8): a guard against log 0 that also takes the gradient away."""
    return -torch.log(f.sigmoid() + 1e-8).sum()


def test_no_guard_takes_the_slope_away() -> None:
    """If D rejects, non_saturating has slope -1 to 1e-6; behind a guard of 1e-8 it is -.92, -.17 and -.001.

    With s = sigmoid(l): s (1 - s)/(s + 1e-8) at l = -16, -20, -25 is .918, .171 and .00139. Minimax has s there.
    """
    far = torch.tensor([[-16.0, -20.0, -25.0]])
    at = far.clone().requires_grad_()
    (guarded,) = torch.autograd.grad(trapped_guarded_log(at), at)
    torch.testing.assert_close(guarded, torch.tensor([[-0.918, -0.171, -0.00139]]), rtol=0.01, atol=0)
    torch.testing.assert_close(
        LOSSES["non_saturating"].generator_slope(None, far), -torch.ones(1, 3), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(LOSSES["minimax"].generator_slope(None, far), -far.exp(), rtol=1e-6, atol=0)


def trapped_bce(logits: Tensor, label: float) -> Tensor:
    """Cross-entropy of a sigmoid that is rounded first, as torch's BCELoss takes it."""
    return torch.nn.functional.binary_cross_entropy(
        logits.sigmoid(), torch.full_like(logits, label), reduction="sum"
    )  # fmt: skip


def test_only_the_seeds_own_loss_saturates_by_rounding() -> None:
    """In float32 a fake accepted at logit 20 costs D 100 and has slope 0 if probabilities are rounded; else 20 and 1.

    seed_exact has that on purpose, because the script has it; all others of its formula must not.
    """
    accepted = torch.full((1, 1), 20.0)
    at = accepted.clone().requires_grad_()
    loss = trapped_bce(at, 0.0)
    (trapped,) = torch.autograd.grad(loss, at)
    assert (loss.item(), trapped.item()) == (100.0, 0.0)
    for name in ("minimax", "non_saturating", "flipped_labels", "ns_gan", "real_as_fake", "seed_exact"):
        _, on_fake = LOSSES[name].discriminator_slopes(accepted, accepted)
        _, cost = LOSSES[name].discriminator_parts(accepted, accepted)
        assert cost is not None
        expected = (0.0, 100.0) if name == "seed_exact" else (1.0, 20.0)
        assert (on_fake.item(), cost.item()) == pytest.approx(expected, rel=1e-6), name


# --- logits of f-GAN ------------------------------------------------------------------------------------------------


def trapped_logit(v: Tensor) -> Tensor:
    """The end of a D that has a sigmoid there, so that what the formula takes for its logit lies in (0, 1)."""
    return v.sigmoid()


@pytest.mark.parametrize("name", ["f_kl", "f_reverse_kl", "f_pearson", "f_neyman", "f_hellinger", "f_js"])
def test_f_gan_reads_unbounded_logits(name: str) -> None:
    """Two laws apart by L = log 20 and -log 20 on halves of the mass: D's best loss is minus the divergence.

    Data have masses (20, 1)/21 and generated values (1, 20)/21, so the divergence is the sum of q f(p/q), which logits
    in (0, 1) do not reach: they miss at least 0.05 of it, at the best of a grid.
    """
    p, q = torch.tensor([[20 / 21], [1 / 21]]).double(), torch.tensor([[1 / 21], [20 / 21]]).double()
    u = p / q
    f = {
        "f_kl": u * u.log(),
        "f_reverse_kl": -u.log(),
        "f_pearson": (u - 1) ** 2,
        "f_neyman": (1 - u) ** 2 / u,
        "f_hellinger": (u.sqrt() - 1) ** 2,
        "f_js": u * u.log() - (u + 1) * ((u + 1) / 2).log(),
    }[name]
    divergence = float((q * f).sum())
    variant, grid = LOSSES[name], torch.linspace(-45, 45, 90_001, dtype=torch.float64)[None, :]

    def best(logits: Tensor) -> float:
        on_real, on_fake = variant.discriminator_parts(logits, logits)
        assert on_real is not None
        assert on_fake is not None
        return float((p * on_real + q * on_fake).amin(dim=1).sum())

    assert -best(grid) == pytest.approx(divergence, rel=1e-4)
    assert -best(trapped_logit(grid)) < divergence - 0.05


@pytest.mark.parametrize("name", ["f_js", "ns_js"])
def test_jensen_shannon_keeps_its_logarithms(name: str) -> None:
    """At equal laws D's loss is 0, the divergence; without the log 2 of its activation and conjugate it is log 4."""
    zero = torch.zeros(1, 1, dtype=torch.float64)
    assert float(LOSSES[name].discriminator_loss(zero, zero)) == pytest.approx(0, abs=1e-15)
    trapped = softplus(-zero) + softplus(zero)
    assert float(trapped) == pytest.approx(math.log(4))
