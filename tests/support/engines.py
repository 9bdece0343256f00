"""The engines as test parameters, and what their results are compared by."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from harness.data.mlp import Mlp
from harness.engines.base import Engine, TrainingResult
from harness.engines.batched import BatchedEngine
from harness.engines.cpu import CpuEngine
from harness.engines.reference import ReferenceEngine
from harness.members import Member, groups
from support.members import member

ENGINE_PARAMS = [
    pytest.param(ReferenceEngine(), id="reference"),
    pytest.param(BatchedEngine("cpu"), id="batched-cpu"),
    pytest.param(BatchedEngine("cuda"), id="batched-cuda", marks=pytest.mark.gpu),
    pytest.param(CpuEngine(), id="cpu"),
]
BATCHED_PARAMS = ENGINE_PARAMS[1:3]
#: Those that promise a member's bits in any company.
FAST_PARAMS = ENGINE_PARAMS[1:]


def measured_mean(theta_PW: np.ndarray) -> dict[str, np.ndarray]:
    """A cheap stand-in for KS: any number that depends on every parameter."""
    return {"ks": np.asarray(theta_PW, dtype=np.float64).mean(axis=1)}


def trained(engine: Engine, members: list[Member]) -> TrainingResult:
    """The result of one group, rows in the order of the group's members; a test of what is refused is skipped."""
    for reason in filter(None, map(engine.unsupported_reason, members)):
        pytest.skip(f"{engine.identity} refuses: {reason}")
    (group,) = groups(members)
    return engine.train(group, measured_mean, lambda steps: None)


def bits(result: TrainingResult, row: int) -> tuple[object, ...]:
    """Everything that a result says of one member, as bytes."""
    snapshots = tuple(result.snapshots[name][row].tobytes() for name in sorted(result.snapshots))
    ends = (int(result.stopped_step_P[row]), result.stopped_tensor[row])
    return (result.theta_g_PW[row].tobytes(), result.theta_d_PW[row].tobytes(), *ends, *snapshots)


def others(count: int, **changes: object) -> list[Member]:
    """Members with various hyper-parameters, all of one shape and loss."""
    rng = np.random.default_rng(7)
    return [member(seed=100 + i, lr_g=float(10 ** rng.uniform(-5, -2)), **changes) for i in range(count)]


def relative_error(value: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, in units of the largest expected value; where all of those are 0, in units of 1."""
    return float(np.abs(value - expected).max() / (np.abs(expected).max() or 1.0))


@contextlib.contextmanager
def negated_last_layer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start every discriminator with the negative of its last layer."""
    original = Mlp.initial

    def initial(self: Mlp, u_PW: torch.Tensor) -> torch.Tensor:
        theta = original(self, u_PW)
        if self.activations == ("elu", "elu"):
            theta[:, self.layers[-1].start :] *= -1
        return theta

    with monkeypatch.context() as patch:
        patch.setattr(Mlp, "initial", initial)
        yield
