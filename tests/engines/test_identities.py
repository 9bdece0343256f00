"""Declared identities are equal trajectories on the engines, and no two entries are equal without saying so."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from support.engines import negated_last_layer, trained
from support.members import member
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from harness.engines.base import Engine, TrainingResult
from harness.engines.batched import BatchedEngine
from harness.engines.reference import ReferenceEngine
from harness.losses import BUILT_IN, LOSSES, Equivalence, Variant, parse_variant, variant_text

JUDGED = [v for v in BUILT_IN if v.direct is None]
CLAIMS = [
    pytest.param(v, e, id=f"{variant_text(v.name, dict(e.params))} {e.relation} {e.other}")
    for v in BUILT_IN
    for e in v.equivalences
]

# --- trajectories ---------------------------------------------------------------------------------------------------

#: Rates at which 20 steps tell losses apart: at 0.003 Adam, which scales gradients away, leaves minimax and
#: non_saturating 1.4e-4 apart, at 0.03 it is 0.06.
SMALL: dict[str, Any] = {"steps": 20, "batch": 12, "hidden": 8, "lr_d": 0.03, "lr_g": 0.03}


def run(engine: Engine, name: str, params: dict[str, float], needs: dict[str, Any]) -> TrainingResult:
    return trained(engine, [member(name, 5, "sample", params=params, **SMALL | needs)])


def both(
    engine: Engine, variant: Variant, claim: Equivalence, monkeypatch: pytest.MonkeyPatch
) -> tuple[TrainingResult, TrainingResult]:
    """Results under the claimant and under the other loss, from D's negated last layer if so related."""
    equivalent, params = parse_variant(claim.other)
    if claim.settings:
        assert dict(variant.needs) == dict(equivalent.needs)
    claimant = run(engine, variant.name, variant.bind(dict(claim.params)), dict(variant.needs))
    with negated_last_layer(monkeypatch) if claim.relation == "negated" else nullcontext():
        equal = run(engine, equivalent.name, params, dict(variant.needs))
    return claimant, equal


@pytest.mark.parametrize(
    ("engine", "tolerance"),
    [
        pytest.param(ReferenceEngine(), 1e-9, id="reference"),
        pytest.param(BatchedEngine("cpu"), 1e-4, id="batched-cpu"),
    ],
)
@pytest.mark.parametrize(("variant", "claim"), CLAIMS)
def test_an_identity_is_one_trajectory(
    engine: Engine, tolerance: float, variant: Variant, claim: Equivalence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 20 steps both players' parameters agree: "same" as they are, "negated" with D's last layer negated.

    Both are trained with what the claimant needs; unless the claim is about losses alone, the other needs the same.
    """
    mine, theirs = both(engine, variant, claim, monkeypatch)
    assert not mine.stopped_step_P.any()
    np.testing.assert_allclose(theirs.theta_g_PW, mine.theta_g_PW, rtol=0, atol=tolerance)
    theta_d_PW = theirs.theta_d_PW.copy()
    if claim.relation == "negated":
        theta_d_PW[:, -SMALL["hidden"] - 1 :] *= -1
    np.testing.assert_allclose(theta_d_PW, mine.theta_d_PW, rtol=0, atol=tolerance)


def test_different_losses_are_different_trajectories() -> None:
    """The comparison can fail: in the same 20 steps neighbours in a family end more than 0.01 apart in G."""
    for pair in (("minimax", "non_saturating"), ("one_sided_smoothing", "two_sided_smoothing"), ("rpgan", "ragan")):
        one, other = (run(ReferenceEngine(), name, LOSSES[name].bind({}), {}) for name in pair)
        assert np.abs(one.theta_g_PW - other.theta_g_PW).max() > 0.01, pair


# --- no duplicate is undeclared -------------------------------------------------------------------------------------


def slopes(variant: Variant, sign: int) -> Tensor:
    """D's and G's slopes (3, 60, 5) at ``sign`` times random logits, times ``sign``, with drawn labels; K = 5.

    The scale of the logits goes from 0.5 to 30 over the rows, where a rounded probability is 0 or 1.
    """
    noise = torch.Generator().manual_seed(2)
    scale = torch.linspace(0.5, 30, 60, dtype=torch.float64)[:, None]
    r, f = sign * scale * torch.randn(2, 60, 5, generator=noise, dtype=torch.float64)
    u = torch.rand(2, 60, 5, generator=noise, dtype=torch.float64)
    labels = variant.draw_labels(*u) if variant.draws_labels else None
    return sign * torch.stack([*variant.discriminator_slopes(r, f, labels=labels), variant.generator_slope(r, f)])


def found_relations() -> set[tuple[str, str, str]]:
    """Every pair of entries, at default parameters, whose slopes are equal or negated, to 1e-9 of max(1, |slope|)."""
    plain, negated = ({v.name: slopes(v, sign) for v in JUDGED} for sign in (1, -1))
    found = set()
    for one, other in itertools.combinations([v.name for v in JUDGED], 2):
        for relation, theirs in (("same", plain[other]), ("negated", negated[other])):
            if float(((plain[one] - theirs).abs() / theirs.abs().clamp(min=1)).max()) < 1e-9:
                found.add((one, other, relation))
    return found


def declared_relations() -> set[tuple[str, str, str]]:
    """Every pair of entries joined by a chain of claims at their defaults; two negations cancel."""
    sign: dict[str, dict[str, int]] = {}
    for variant, claim in (case.values for case in CLAIMS):
        other, params = parse_variant(claim.other)
        here, there = variant_text(variant.name, dict(claim.params)), variant_text(other.name, params)
        step = -1 if claim.relation == "negated" else 1
        sign.setdefault(here, {})[there] = sign.setdefault(there, {})[here] = step
    defaults = {variant_text(v.name): v.name for v in JUDGED}
    order = [v.name for v in JUDGED]
    found = set()
    for start, name in defaults.items():
        reached, waiting = {start: 1}, [start]
        while waiting:
            at = waiting.pop()
            for there, step in sign.get(at, {}).items():
                if there not in reached:
                    reached[there] = reached[at] * step
                    waiting.append(there)
        for text, way in reached.items():
            if text in defaults and order.index(name) < order.index(defaults[text]):
                found.add((name, defaults[text], "same" if way == 1 else "negated"))
    return found


def test_equal_entries_are_exactly_those_that_say_so() -> None:
    """Over all pairs of entries: equal or negated slopes if and only if a chain of declared identities joins them.

    So there is no duplicate that nobody declared, and no declared identity that is none.
    """
    found, declared = found_relations(), declared_relations()
    assert declared - found == set()
    assert found - declared == set()
    assert len(found) >= 20


def test_direct_losses_differ() -> None:
    """The losses of generated values alone are different numbers on one minibatch, up to factors: none is another."""
    from harness.data.target import Target
    from harness.losses.direct_loss import TABLE, TargetQuantiles

    noise = torch.Generator().manual_seed(4)
    x, y = torch.randn(2, 1, 30, generator=noise, dtype=torch.float64) * 1.5 + 3
    grids = [torch.from_numpy(Target().quantile((np.arange(n) + 0.5) / n)) for n in (30, TABLE)]
    directs = {v.name: v.direct for v in BUILT_IN if v.direct is not None}
    found = {name: direct.slopes(x, y, TargetQuantiles(*grids))[1][0] for name, direct in directs.items()}
    for one, other in itertools.combinations(found, 2):
        assert float(torch.cosine_similarity(found[one], found[other], dim=0)) < 0.999, (one, other)


# --- every reading of "flipped labels" ------------------------------------------------------------------------------

Losses = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def towards(target: float) -> Callable[[Tensor], Tensor]:
    """Cross-entropy of logits with a fixed label, as a program states it; 1 is "real"."""
    return lambda logits: binary_cross_entropy_with_logits(
        logits, torch.full_like(logits, target), reduction="none"
    )  # fmt: skip


real_is, fake_is = towards(1.0), towards(0.0)

#: A reading -> its entry, and (D's loss, G's loss) written as labels. Random labels stand here with their means.
READINGS: dict[str, tuple[str, Losses]] = {
    "G's data are called real when G is trained": (
        "non_saturating", lambda r, f: (real_is(r) + fake_is(f), real_is(f)),
    ),
    "G's step also sees real data, called fake": (
        "real_as_fake", lambda r, f: (real_is(r) + fake_is(f), real_is(f) + fake_is(r)),
    ),
    "G's data are called fake when G is trained": (
        "flipped_labels", lambda r, f: (real_is(r) + fake_is(f), fake_is(f)),
    ),
    "the convention is swapped for both players": (
        "flipped_convention", lambda r, f: (fake_is(r) + real_is(f), fake_is(f)),
    ),
    "D's targets alone are swapped": (
        "swapped_targets", lambda r, f: (fake_is(r) + real_is(f), real_is(f)),
    ),
    "D's labels are flipped with probability 0.1": (
        "flipped_noise", lambda r, f: (towards(0.9)(r) + towards(0.1)(f), real_is(f)),
    ),
    "D's labels are flipped with probability 0.1, G is minimax": (
        "minimax_noise", lambda r, f: (towards(0.9)(r) + towards(0.1)(f), -fake_is(f)),
    ),
    "D's labels are drawn from U(0.7, 1.2) and U(0, 0.3)": (
        "noisy_labels", lambda r, f: (towards(0.95)(r) + towards(0.15)(f), real_is(f)),
    ),
    "D's real label is 0.9": (
        "one_sided_smoothing", lambda r, f: (towards(0.9)(r) + fake_is(f), real_is(f)),
    ),
    "D's labels are 0.9 and 0.1": (
        "two_sided_smoothing", lambda r, f: (towards(0.9)(r) + towards(0.1)(f), real_is(f)),
    ),
    "G's label is 1/2": (
        "generator_label", lambda r, f: (real_is(r) + fake_is(f), towards(0.5)(f)),
    ),
    "G's gradient has the wrong sign": (
        "negated_label", lambda r, f: (real_is(r) + fake_is(f), -real_is(f)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("reading", READINGS)
def test_a_reading_of_flipped_labels_is_its_entry(reading: str) -> None:
    """Both players' losses of the entry are the reading's labels put into torch's cross-entropy, in expectation."""
    name, losses = READINGS[reading]
    noise = torch.Generator().manual_seed(9)
    r, f = 4 * torch.randn(2, 1, 200, generator=noise, dtype=torch.float64)
    of_d, of_g = losses(r, f)
    torch.testing.assert_close(LOSSES[name].discriminator_loss(r, f), of_d, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(LOSSES[name].generator_loss(r, f), of_g, rtol=1e-12, atol=1e-12)


def test_readings_are_distinct_or_declared_equal() -> None:
    """No two readings share an entry, and those that train alike are declared: as drawn labels, none but these.

    (ii) is (i), since real data have no gradient in G; the convention swapped is (i) negated, D's targets swapped the
    flipped label negated.
    """
    names = [name for name, _ in READINGS.values()]
    assert len(set(names)) == len(names)
    mine = {relation for relation in found_relations() if set(relation[:2]) <= set(names)}
    assert mine <= declared_relations()
    assert {(frozenset(pair), how) for *pair, how in mine} == {
        (frozenset({"non_saturating", "real_as_fake"}), "same"),
        (frozenset({"non_saturating", "flipped_convention"}), "negated"),
        (frozenset({"real_as_fake", "flipped_convention"}), "negated"),
        (frozenset({"flipped_labels", "swapped_targets"}), "negated"),
    }
