"""Estimates of memory, held against the tensors that training makes."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.members import member
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from harness.config import Experiment, Settings, Shape
from harness.data.mlp import perceptron
from harness.data.views import VIEWS, View
from harness.engines.base import BLOCK, REPLAY_BUFFER
from harness.engines.batched.inputs import Draws
from harness.engines.memory import check_memory, drawn_bytes, member_bytes
from harness.engines.step_options import StepOptions
from harness.errors import InputError
from harness.losses import LOSSES
from harness.losses.direct_loss import TABLE, TargetQuantiles
from harness.losses.families import direct
from harness.members import groups

PLAIN = LOSSES["minimax"]


def experiment(**changes: Any) -> Experiment:
    """An experiment of three variants under the seed's view, with some top-level keys changed."""
    return Experiment.model_validate({"name": "memory", "variants": ["minimax", "wasserstein"]} | changes)


@given(
    batch=st.integers(1, 150).map(lambda half: 2 * half),
    hidden=st.integers(1, 200),
    hidden_g=st.integers(0, 200),
    latent=st.integers(1, 20),
    layers=st.lists(st.sampled_from(["elu", "tanh"]), max_size=4),
    view=st.sampled_from(list(VIEWS.values())),
)
def test_member_bytes_covers_the_parameters(
    batch: int, hidden: int, hidden_g: int, latent: int, layers: list[str], view: View
) -> None:
    """The estimate is at least six copies of both networks in 4 bytes (value, gradient, moments, average, update).

    A penalty that looks again adds D's judgements once more: 3 numbers of 4 bytes for each unit and decision, twice.
    """
    shape = Shape(batch=batch, hidden=hidden, hidden_g=hidden_g, latent=latent, activations_g=("elu",))
    shape = shape.model_copy(update={"activations_d": tuple(layers)})
    d = perceptron(view.inputs(batch), hidden, layers)
    size = perceptron(latent, hidden_g or hidden, ("elu",)).size + d.size
    once, again = (member_bytes(shape, view, PLAIN, Settings(r1=r1)) for r1 in (0.0, 1.0))
    assert once >= 24 * size
    assert again - once == 4 * 3 * 2 * view.decisions(batch) * sum(d.widths)


DRAWN: dict[str, dict[str, Any]] = {
    "plain": {},
    "noise of 5 dimensions, 3 updates of D": {"latent": 5, "d_steps": 3},
    "2 updates of G": {"g_steps": 2},
    "look ahead": {"order": "extragradient"},
    "labels": {"loss": "noisy_labels"},
    "instance noise": {"instance_noise": 0.1},
    "replay": {"replay": 0.5},
    "segments": {"gp": 1.0},
    "segments of zero_gp": {"zero_gp": 1.0},
    "neighbourhoods": {"dragan": 1.0},
    "all": {"loss": "noisy_labels", "instance_noise": 0.1, "replay": 0.5, "gp": 1.0, "dragan": 1.0},
}


@pytest.mark.parametrize("view", ["variances", "sample"])
@pytest.mark.parametrize("case", DRAWN)
def test_the_draws_of_a_block_are_counted(case: str, view: str) -> None:
    """Twice the tensors of a block of draws are within the count, and the count is at most 8 times them.

    The rest is what their making takes: 8 numbers for each of the largest stream, which may be most of the block.
    """
    one = member(view=view, steps=BLOCK, batch=60, **DRAWN[case])
    (group,) = groups([one])
    block = Draws(group, [one], StepOptions.of(one), "cpu").block(range(BLOCK))
    made = sum(tensor.untyped_storage().nbytes() for tensor in block.values())
    history = 4 * REPLAY_BUFFER * 60 if one.settings.replay else 0
    counted = drawn_bytes(one.shape, VIEWS[view], LOSSES[one.loss], one.settings) - history
    assert 2 * made <= counted <= 8 * made


class Live(TorchDispatchMode):
    """The most bytes that tensors of at least ``least`` bytes, made inside, held at one time."""

    def __init__(self, least: int) -> None:
        super().__init__()
        self.least, self.most = least, 0
        self.alive: list[weakref.ref[Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **kwargs or {})
        self.alive += [weakref.ref(one) for one in (found,) if isinstance(one, Tensor)]
        tensors = [tensor for tensor in (ref() for ref in self.alive) if tensor is not None]
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
        self.most = max(self.most, sum(size for size in storages.values() if size >= self.least))
        return found


@pytest.mark.parametrize("variant", direct.VARIANTS, ids=lambda v: v.name)
@pytest.mark.parametrize("batch", [64, 200])
def test_the_squares_of_a_direct_loss_are_counted(variant: Any, batch: int) -> None:
    """Loss and slopes of 3 members hold as many tensors of 3 B^2 numbers at a time as ``quadratic`` says, no more."""
    square = 4 * 3 * batch**2
    fake_PB, real_PB = torch.randn(2, 3, batch, generator=torch.Generator().manual_seed(0)).unbind(0)
    truth = TargetQuantiles(torch.linspace(0, 1, batch), torch.linspace(0, 1, TABLE))
    with Live(square) as live:
        variant.direct.slopes(fake_PB, real_PB, truth)
    assert live.most == variant.direct.quadratic * square
    shape = Shape(batch=batch)
    view, settings = VIEWS["sample"], Settings()
    more = member_bytes(shape, view, variant, settings) - member_bytes(shape, view, PLAIN, settings)
    assert more == live.most / 3


@pytest.mark.promise("P8", "F18")
def test_a_stack_must_fit_into_memory() -> None:
    """The limit is the available memory over the largest member's estimate times 16, whatever the population."""
    space = {"hidden": {"low": 50, "high": 80}, "gp": {"low": 0, "high": 1}, "d_steps": {"low": 1, "high": 5}}
    spec = experiment(population=17, views=["raw", "variances"], search={"space": space})
    largest = member_bytes(Shape(hidden=80, d_steps=5), VIEWS["variances"], PLAIN, Settings(gp=1))
    check_memory(spec, available=16 * largest)
    with pytest.raises(InputError, match=r"train: members of about .* MiB in a stack of 16, .* need about 0.\d GiB, 0"):
        check_memory(spec, available=16 * largest - 1)
    # hidden = 100,000: W is about 2e10 numbers, 16 of which no machine that runs tests holds: 2e10 * 24 bytes each.
    with pytest.raises(InputError, match=r"large.toml: train: members of about .*GiB are available"):
        check_memory(experiment(train={"hidden": 100_000}), file="large.toml")
    check_memory(experiment(population=1_000_000))
