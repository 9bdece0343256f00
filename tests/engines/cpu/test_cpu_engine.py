"""The cpu engine as a whole: what only it promises. What all engines promise is held by their common tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engines import bits, measured_mean, others, relative_error, trained
from support.members import member
from support.step_options import OPTIONS

from harness.data.views import VIEWS
from harness.engines.base import Segment
from harness.engines.cpu import CpuEngine
from harness.engines.cpu import engine as engine_module
from harness.engines.cpu.engine import PROGRESS_INTERVAL
from harness.engines.cpu.layout import MlpLayout
from harness.engines.cpu.numeric.jit import KERNELS
from harness.engines.cpu.state import State
from harness.engines.quantile_table import target_table
from harness.engines.reference import ReferenceEngine
from harness.losses import BUILT_IN
from harness.members import groups

SMALL: dict[str, Any] = {"lr_d": 1e-3, "lr_g": 1e-3, "batch": 20, "hidden": 8, "steps": 20}


def test_it_takes_all_but_what_needs_torch() -> None:
    """Every loss that is a formula, every view and every option but consensus; each refusal says why."""
    engine = CpuEngine()
    refused = {v.name for v in BUILT_IN if engine.unsupported_reason(member(v.name, **dict(v.needs)))}
    assert refused == {v.name for v in BUILT_IN if v.direct} | {"consensus"}
    assert not [view for view in VIEWS if engine.unsupported_reason(member(view=view))]
    turned_away = {name for name, changes in OPTIONS.items() if engine.unsupported_reason(member(**SMALL | changes))}
    assert turned_away == {name for name, changes in OPTIONS.items() if "consensus" in changes}
    assert "direct loss" in str(engine.unsupported_reason(member("w1_direct")))


@given(
    hidden=st.integers(1, 40),
    batch=st.integers(1, 30),
    latent=st.integers(1, 3),
    view=st.sampled_from(["raw", "variances", "diffs", "sorted", "sample", "pack(m=1)"]),
    layers=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    penalty=st.sampled_from([{}, {"r1": 0.3}, {"gp": 0.2, "instance_noise": 0.1}, {"spectral_norm": 1.0}]),
)
@settings(max_examples=int(os.environ.get("EXAMPLES", "25")))
def test_any_shape_is_the_references(
    hidden: int, batch: int, latent: int, view: str, layers: tuple[int, int], penalty: dict[str, float]
) -> None:
    """Whatever the widths, depths and views: four steps within 1e-4 of float64."""
    shape = {"activations_g": ["tanh"] * layers[0], "activations_d": ["elu"] * layers[1]}
    changes = {"hidden": hidden, "batch": batch, "latent": latent, "view": view, "steps": 4, **shape, **penalty}
    members = [member(seed=3, optimizer="sgd", beta1=0.5, lr_d=1e-2, lr_g=1e-2, **changes)]
    trained_here, expected = trained(CpuEngine(), members), trained(ReferenceEngine(), members)
    assert relative_error(trained_here.theta_g_PW, expected.theta_g_PW) < 1e-4
    assert relative_error(trained_here.theta_d_PW, expected.theta_d_PW) < 1e-4


def test_threads_do_not_show() -> None:
    """One thread or five, and so any order in which they take members: the same bits."""
    crowd = others(12, steps=30)
    one, many = trained(CpuEngine(threads=1), crowd), trained(CpuEngine(threads=5), crowd)
    assert all(bits(one, row) == bits(many, row) for row in range(12))


def test_where_the_data_come_from_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real values asked of the law one by one, and looked up in the table of all there are: the same bits."""
    monkeypatch.setattr(engine_module, "table_worth_having", lambda target, draws: None)
    asked = trained(CpuEngine(), [member(steps=30)])
    monkeypatch.setattr(engine_module, "table_worth_having", lambda target, draws: target_table(target))
    looked_up = trained(CpuEngine(), [member(steps=30)])
    assert bits(asked, 0) == bits(looked_up, 0)


def test_where_steps_are_cut_does_not_show() -> None:
    """A training longer than PROGRESS_INTERVAL has the bits of one with a snapshot at every other place."""
    steps = PROGRESS_INTERVAL + 20
    plain = trained(
        CpuEngine(), [member(steps=steps, snapshots=(steps,), **{k: SMALL[k] for k in ("batch", "hidden")})]
    )
    marks = (7, 100, PROGRESS_INTERVAL, steps)
    cut = trained(CpuEngine(), [member(steps=steps, snapshots=marks, **{k: SMALL[k] for k in ("batch", "hidden")})])
    assert cut.theta_g_PW.tobytes() == plain.theta_g_PW.tobytes()
    assert cut.theta_d_PW.tobytes() == plain.theta_d_PW.tobytes()


@pytest.mark.parametrize("option", ["r1", "rmsprop", "optimistic_adam", "activations_d", "spectral_norm", "ema"])
@pytest.mark.parametrize("view", ["variances", "sample"])
def test_padding_stays_zero(option: str, view: str) -> None:
    """After training, whatever the optimiser, every number between the parameters is 0, in moments and averages too.

    A padded sigmoid is 1/2: if anything read it, its weights would begin to learn.
    """
    subject = member(view=view, activations_g=["elu", "sigmoid", "sigmoid"], **SMALL | OPTIONS[option])
    (group,) = groups([subject])
    (state,) = CpuEngine().train(group, measured_mean, lambda steps: None, [Segment(0, 20)]).states
    assert isinstance(state, State)
    for player, network in ((state.g, group.generator), (state.d, group.discriminator)):
        between = MlpLayout.of(network).packed(np.ones(network.size, np.float32)) == 0
        assert between.any()
        for name, values in player._asdict().items():
            assert not values[between].any(), name
            assert np.isfinite(values).all()


def test_a_state_is_read_and_not_changed() -> None:
    """Two legs that start from one state end with the same bits."""
    (group,) = groups([member(**SMALL)])
    engine = CpuEngine()
    first = engine.train(group, measured_mean, lambda steps: None, [Segment(0, 10)])
    ends = [
        engine.train(group, measured_mean, lambda steps: None, [Segment(10, 20, first.states[0])]).theta_d_PW.tobytes()
        for _ in range(2)
    ]
    assert ends[0] == ends[1]


def test_nothing_is_compiled_anew_for_another_shape_or_loss() -> None:
    """The machine code of the first member serves a shape, a loss and options that it never saw."""
    trained(CpuEngine(), [member(**SMALL)])
    compiled = {kernel.symbol: len(kernel.dispatcher.overloads) for kernel in KERNELS}
    assert set(compiled.values()) == {1}
    trained(CpuEngine(), [member("rahinge", view="pack(m=3)", **SMALL | {"hidden": 13, "batch": 21, "r1": 1.0})])
    assert compiled == {kernel.symbol: len(kernel.dispatcher.overloads) for kernel in KERNELS}


PROGRAM = """
import logging, sys
logging.basicConfig(stream=sys.stdout)
import harness.engines.cpu  # declares every kernel
from harness.engines.cpu.numeric.jit import KERNELS, prepare
prepare()
print("read", sum(sum(k.dispatcher.stats.cache_hits.values()) for k in KERNELS), "of", len(KERNELS))
"""


def test_machine_code_is_kept_on_disk(tmp_path: Path) -> None:
    """A first process compiles and says so; a second, on the same folder, reads all of it and says nothing."""
    output = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert "compiling its training loop" in output[0]
    assert f"read 0 of {len(KERNELS)}" in output[0]
    assert output[1].strip() == f"read {len(KERNELS)} of {len(KERNELS)}"
