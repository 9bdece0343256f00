"""Rows of members: scipy's scores of their samples, the same bits whoever trains beside them, and every bad end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_1samp

from harness.config import Settings, Shape
from harness.data.latent import NOISES, evenly_spread
from harness.data.rng import Stream, uniforms
from harness.data.target import Target
from harness.engines.base import Engine
from harness.engines.batched import BatchedEngine
from harness.engines.generate import SCORE_DRAWS, samples
from harness.engines.reference import ReferenceEngine
from harness.errors import InputError
from harness.losses import LOSSES, Variant, fake, fake_mean, real, real_mean, softplus
from harness.members import Member, generator_of, groups
from harness.store import QUANTILE_LEVELS, SCHEMA, SNAPSHOT_COLUMNS
from harness.sweep.training import Row, train

#: Not all of them end at the last step, and none at the end of a block of steps.
SHAPE = Shape(steps=45, batch=20, hidden=8, snapshots=(1, 7, 40, 45))

#: Another generator: its own width and depth, three dimensions of Gaussian noise.
WIDE = SHAPE.model_copy(update={"hidden_g": 6, "latent": 3, "noise": "normal", "activations_g": ("tanh",)})

#: Rates at which the squares of the logits overflow float32 within a few steps.
WILD = {"lr_d": 1e6, "lr_g": 1e6}


def member(
    seed: int = 0, loss: str = "minimax", shape: Shape = SHAPE, target: Target | None = None, **rest: Any
) -> Member:
    """One small GAN; what ``rest`` names are settings."""
    return Member(
        loss=loss,
        loss_params=(("a", 0.0), ("b", 1.0), ("c", 1.0)) if loss == "least_squares" else (),
        view="variances",
        target=target or Target(),
        study_seed=5,
        seed=seed,
        shape=shape,
        settings=Settings(**rest),
    )


#: Eight members of two losses, three shapes, many settings, one that diverges: four groups, interleaved.
COMPANY = (
    member(3, lr_g=1e-3),
    member(1, "least_squares", **WILD),
    member(3, "least_squares", lr_d=1e-3, ema=0.9),
    member(8, shape=Shape(steps=20, batch=10, hidden=5)),
    member(3, lr_g=1e-3, lr_decay=1.0),
    member(3, target=Target("logistic", {"loc": 1.0, "scale": 2.0})),
    member(2**32 - 1, weight_clip=0.05, beta1=0.0),
    member(3, shape=WIDE, gp=0.5),
)


def rows_of(members: tuple[Member, ...], engine: Engine | None = None) -> list[Row]:
    """The rows of the members, trained together on two threads."""
    return train(members, engine or BatchedEngine("cpu", threads=2), lambda steps: None)


@pytest.fixture(scope="module")
def company() -> list[Row]:
    """The rows of ``COMPANY``, in its order."""
    return rows_of(COMPANY)


def text(row: Row) -> dict[str, str]:
    """Every column so that different bits are different texts."""
    return {name: repr(value.tolist() if isinstance(value, np.ndarray) else value) for name, value in row.items()}


def test_scores_are_scipys_of_the_members_samples(company: list[Row]) -> None:
    """KS on evenly spread noise and KS test on independent draws, from the row's own generator, as scipy computes them.

    The samples are those of 10,000 even points and of 10,000 times Z Philox draws, sent through the noise's quantile
    function; KS differs from scipy's by rounding alone.
    """
    for one, row in zip(COMPANY, company, strict=True):
        if row["outcome"] != "scored":
            continue
        law, latent = one.shape.noise, one.shape.latent
        u = uniforms(5, torch.tensor([one.seed]), Stream.SCORE, range(1), SCORE_DRAWS * latent)[0, 0].double().numpy()
        noises = [evenly_spread(law, SCORE_DRAWS, latent), NOISES[law](u).reshape(SCORE_DRAWS, latent)]
        x_2S = samples(generator_of(one.shape), np.stack([row["generator"]] * 2), noises).astype(np.float64)
        fixed, test = (ks_1samp(x_S, one.target.frozen.cdf) for x_S in x_2S)
        assert row["ks"] == pytest.approx(fixed.statistic, abs=1e-14)
        assert row["ks_iid"] == pytest.approx(test.statistic, abs=1e-14)
        assert row["ks_pvalue"] == pytest.approx(test.pvalue, rel=1e-9, abs=1e-300)
        assert row["mean"] == pytest.approx(x_2S[0].mean(), rel=1e-12)
        assert row["sd"] == pytest.approx(x_2S[0].std(), rel=1e-9)
        middle = np.quantile(x_2S[0], QUANTILE_LEVELS, method="hazen")
        np.testing.assert_allclose(row["quantiles"], middle, rtol=1e-12)


@pytest.mark.promise("P5", "P10")
@pytest.mark.parametrize("slot", range(len(COMPANY)))
def test_alone_a_member_has_the_row_it_has_in_company(company: list[Row], slot: int) -> None:
    """Every column, bit for bit: neighbours of other losses, shapes and targets, diverging ones too, leave no trace."""
    (alone,) = rows_of((COMPANY[slot],))
    assert text(alone) == text(company[slot])


@pytest.mark.promise("P10")
@settings(max_examples=8)
@given(st.permutations(range(len(COMPANY))))
def test_order_of_members_is_irrelevant(company: list[Row], order: list[int]) -> None:
    """Rows come in the order asked for, and whatever the order, the same ones."""
    rows = rows_of(tuple(COMPANY[i] for i in order))
    assert [text(row) for row in rows] == [text(company[i]) for i in order]


def test_a_row_of_seventeen_is_that_of_one() -> None:
    """Seventeen members make two stacks of different widths; the first, the last of the first and the last agree."""
    many = tuple(member(seed) for seed in range(17))
    together = rows_of(many)
    for seed in (0, 15, 16):
        assert text(rows_of((many[seed],))[0]) == text(together[seed])


def test_a_member_named_twice_has_two_equal_rows() -> None:
    """A search may ask for the same setting again: one row for each time."""
    one, other = rows_of((COMPANY[0], COMPANY[0]))
    assert text(one) == text(other)


def test_rows_describe_their_member(company: list[Row]) -> None:
    """The columns of definition hold what was asked for, under the names of the schema, and nothing else is there."""
    for one, row in zip(COMPANY, company, strict=True):
        assert set(row) <= set(SCHEMA.names)
        assert set(SCHEMA.names) - set(row) <= {
            "stage",
            "round",
            "arm",
            "trial",
            "failure",
            "stopped_step",
            "stopped_tensor",
        }
        shape = one.shape.model_dump(mode="json", exclude={"snapshots"})
        asked = {**shape, **one.settings.model_dump(), "seed": one.seed}
        assert {name: row[name] for name in asked} == asked
        assert (row["loss"], row["loss_params"], row["study_seed"]) == (one.loss, dict(one.loss_params), 5)
        assert (row["target"], row["engine"]) == (one.target.text, "batched/1/cpu")


def test_snapshots_of_scored_members_are_finite(company: list[Row]) -> None:
    """A number in every column at every mark (these losses have all parts), but no penalty where there is none; the
    last KS is the score."""
    scored = [(one, row) for one, row in zip(COMPANY, company, strict=True) if row["outcome"] == "scored"]
    assert len(scored) == 7
    for one, row in scored:
        assert row["snapshot_step"] == list(one.shape.snapshots)
        for name in SNAPSHOT_COLUMNS:
            values = row[f"snapshot_{name}"]
            assert len(values) == len(one.shape.snapshots)
            if name == "penalty" and not one.settings.gp:
                assert values == [None] * len(values)
            else:
                assert all(math.isfinite(v) for v in values)
        assert row["snapshot_ks"][-1] == row["ks"]
        assert all(1 / (2 * SCORE_DRAWS) <= v <= 1 for v in row["snapshot_ks"])


def test_a_loss_without_parts_has_nulls_there() -> None:
    """A loss that compares real with generated decisions has no part that reads one of them alone."""
    discriminator = softplus(fake_mean - real) + softplus(fake - real_mean)
    paired = Variant(name="paired", family="mine", discriminator=discriminator, generator=softplus(-fake))
    with LOSSES.registered(paired):
        (row,) = rows_of((member(loss="paired"),))
    assert row["snapshot_loss_d_real"] == row["snapshot_loss_d_fake"] == [None] * 4
    assert all(math.isfinite(v) for v in row["snapshot_loss_d"])


@pytest.mark.promise("P5", "F16")
def test_a_diverged_member_has_the_worst_ks_and_nothing_to_average() -> None:
    """KS 1 and p-value 0, no distance, moment or quantile; where it stopped, and snapshots from before that step."""
    rows = rows_of(tuple(member(seed, "least_squares", **WILD) for seed in range(4)))
    for row in rows:
        assert row["outcome"] == "diverged"
        assert (row["ks"], row["ks_iid"], row["ks_pvalue"]) == (1.0, 1.0, 0.0)
        assert [row[name] for name in ("w1", "cvm", "ad", "mean", "sd", "quantiles")] == [None] * 6
        assert 1 <= row["stopped_step"] <= SHAPE.steps
        assert row["stopped_tensor"].startswith(("gradient of D.", "gradient of G.", "generated sample"))
        assert row["snapshot_step"] == [mark for mark in SHAPE.snapshots if mark < row["stopped_step"]]
        assert all(len(row[f"snapshot_{name}"]) == len(row["snapshot_step"]) for name in SNAPSHOT_COLUMNS)
        assert np.isfinite(row["generator"]).all()
        assert len(row["digest"]) == 64


def test_digest_is_of_both_players() -> None:
    """Members whose generators have the same bits and whose discriminators differ have different digests.

    With a generator's rate of 1e-30 no float32 weight of G changes in 45 steps, whatever D does.
    """
    still, other = rows_of((member(lr_g=1e-30), member(lr_g=1e-30, lr_d=1e-3)))
    assert still["generator"].tolist() == other["generator"].tolist()
    assert still["digest"] != other["digest"]


class Refusing(ReferenceEngine):
    """An engine that trains no more than 5 hidden units and tells if it was asked to train anything."""

    name = "refusing"

    def unsupported_reason(self, member: Member) -> str | None:
        return None if member.shape.hidden <= 5 else f"{member.shape.hidden} hidden units are too many"

    def train(self, *arguments: Any) -> Any:
        raise AssertionError("trained although another group is refused")


def test_a_refused_group_stops_all_before_anything_is_trained() -> None:
    """The engine's own words, and no group of the population is trained, not even those it would take."""
    assert len(groups(COMPANY)) == 4
    with pytest.raises(InputError, match="engine refusing: 8 hidden units are too many"):
        rows_of((COMPANY[3], COMPANY[0]), Refusing())
