"""The CUDA engine, run by its host build: the kernel's own source, compiled by g++, against the float64 reference.

The host build executes every phase of the kernel thread by thread, so it shows that the arithmetic, the draws, the
order of phases and what is kept between launches are right. Races within a phase show when the threads run backwards.
What it cannot show is speed, and what a device's compiler makes of the source (test_compile.py).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from support.engines import bits, measured_mean, others, relative_error, trained
from support.kernel_kinds import KINDS, NEARLY_EVERYTHING, member_of_kind
from support.members import member
from support.paths import ROOT
from support.step_options import OPTIONS, SMALL

from harness.data.target import Target
from harness.data.views import VIEWS
from harness.engines.base import Engine, Segment, TrainingResult
from harness.engines.cuda import CudaEngine, HostBuild
from harness.engines.cuda.host_build import HostDevice
from harness.engines.cuda.kernel_spec import KernelSpec, kernel_options
from harness.engines.cuda.launch import KernelBatch
from harness.engines.cuda.layout import candidates
from harness.engines.reference import ReferenceEngine
from harness.losses import BUILT_IN, LOSSES
from harness.members import groups

no_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not on the PATH")
host = pytest.param(CudaEngine(HostBuild(level=0)), id="host", marks=no_compiler)
gpu = pytest.param(CudaEngine(), id="gpu", marks=pytest.mark.gpu)

TRAINABLE = [v for v in BUILT_IN if v.direct is None]

#: Those whose formulas are no other's: a preset is another entry with settings, which are options here.
FORMULAS = [v for v in TRAINABLE if v.family != "preset"]

#: Options with which the kernel refuses a member.
REFUSED = {"consensus", "everything"}


def compare(result: TrainingResult, expected: TrainingResult, tolerance: float = 1e-4) -> None:
    """Both players' parameters, and every recorded number within ten times the tolerance."""
    assert result.stopped_step_P.tolist() == expected.stopped_step_P.tolist()
    assert relative_error(result.theta_g_PW, expected.theta_g_PW) < tolerance
    assert relative_error(result.theta_d_PW, expected.theta_d_PW) < tolerance
    for name, values in expected.snapshots.items():
        known = np.isfinite(values)
        assert np.array_equal(np.isfinite(result.snapshots[name]), known), name
        if known.any():
            assert relative_error(result.snapshots[name][known], values[known]) < 10 * tolerance, name


@pytest.mark.parametrize("engine", [host, gpu])
def test_every_variant_agrees_with_the_reference_for_fifty_steps(engine: Engine) -> None:
    """One launch mixes all variants; each stays within 1e-4 of reference, both players (seen: 5e-6).

    With gradient descent, which is linear in the gradient: Adam makes whole steps of a gradient that is 0 but for
    rounding, as that of D's last bias is for every loss of differences of logits.
    """
    plain = {**SMALL, "steps": 50, "snapshots": (25, 50), "optimizer": "sgd", "lr_d": 3e-3, "lr_g": 3e-3}
    members = [member(v.name, 0, "sample", **plain) for v in FORMULAS]
    result, expected = trained(engine, members), trained(ReferenceEngine(), members)
    (group,) = groups(members)
    for row, one in enumerate(group.members):
        for ours, theirs in ((result.theta_g_PW, expected.theta_g_PW), (result.theta_d_PW, expected.theta_d_PW)):
            assert relative_error(ours[row], theirs[row]) < 1e-4, one.loss
    compare(result, expected)


@pytest.mark.parametrize("engine", [pytest.param(CudaEngine(HostBuild()), id="host", marks=no_compiler), gpu])
def test_generators_agree_under_adam_at_the_seeds_shape(engine: Engine) -> None:
    """100 values, 50 units, variances, Adam: 50 steps with the seed's loss and others, generators within 1e-4."""
    losses = ("seed_exact", "non_saturating", "wasserstein", "rpgan", "softmax")
    members = [member(loss, steps=50, snapshots=(50,), lr_g=1e-3) for loss in losses]
    result, expected = trained(engine, members), trained(ReferenceEngine(), members)
    assert relative_error(result.theta_g_PW, expected.theta_g_PW) < 1e-4
    for name in ("loss_d", "loss_g", "fake_mean", "fake_sd", "real_mean"):
        assert relative_error(result.snapshots[name], expected.snapshots[name]) < 1e-3, name


@no_compiler
@pytest.mark.parametrize(("option", "view"), [(o, ("variances", "sample")[i % 2]) for i, o in enumerate(OPTIONS)])
def test_every_option_agrees_with_the_reference_or_is_refused(option: str, view: str) -> None:
    """As test_step_options.py asks of the batched engine: twenty steps within 1e-4, numbers within 1e-3."""
    engine, one = CudaEngine(HostBuild(level=0)), member(view=view, **SMALL | OPTIONS[option])
    assert (engine.unsupported_reason(one) is not None) == (option in REFUSED)
    if option not in REFUSED:
        compare(trained(engine, [one]), trained(ReferenceEngine(), [one]))


@no_compiler
@pytest.mark.parametrize("view", [v for v in VIEWS if v not in ("variances", "sample")])
def test_every_view_agrees_with_the_reference(view: str) -> None:
    """All forms of views, at a batch that fills no last pack of rows, and packs of two."""
    one = member(view=view, **SMALL | {"batch": 18, "hidden": 7})
    compare(trained(CudaEngine(HostBuild(level=0)), [one]), trained(ReferenceEngine(), [one]))


@no_compiler
@pytest.mark.parametrize("view", ["sample", "sorted"])
def test_penalties_noise_replay_and_normalisation_together(view: str) -> None:
    """Every option but consensus at once; 100 decisions of the view "sample" are penalised in two portions."""
    shape = {"batch": 100, "steps": 6} if view == "sample" else {"batch": 20, "steps": 12}
    one = member(view=view, **SMALL | NEARLY_EVERYTHING | shape)
    compare(trained(CudaEngine(HostBuild(level=0)), [one]), trained(ReferenceEngine(), [one]))


# -- what must not show ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [host, gpu])
@pytest.mark.parametrize("kind", KINDS)
def test_population_and_slot_do_not_show(engine: Engine, kind: str) -> None:
    """Alone, among others of its kind, of other losses and of other kinds: bit for bit the same."""
    one = member_of_kind(kind)
    expected = bits(trained(engine, [one]), 0)
    shape = one.shape.model_dump()
    alike = [member("non_saturating", 40 + i, one.view, **shape, **one.settings.model_dump()) for i in range(2)]
    noisy = member("flipped_noise", 50, one.view, **shape)
    (group,) = groups([*alike, noisy, one])
    together = engine.train(group, measured_mean, lambda steps: None)
    assert bits(together, group.members.index(one)) == expected


@pytest.mark.parametrize("engine", [host, gpu])
@pytest.mark.parametrize("kind", KINDS)
def test_launch_length_does_not_show(engine: CudaEngine, kind: str) -> None:
    """Launches of one step, of five and of all: what is kept between them is everything."""
    expected = bits(trained(engine, [member_of_kind(kind)]), 0)
    for steps in (1, 5):
        assert bits(trained(CudaEngine(engine.backend, steps), [member_of_kind(kind)]), 0) == expected, steps


@no_compiler
@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_threads_does_not_show(kind: str) -> None:
    """Each phase from the last thread to the first: no thread reads what another writes in the same phase."""
    forwards, backwards = (CudaEngine(HostBuild(backwards=b, level=0)) for b in (False, True))
    assert bits(trained(backwards, [member_of_kind(kind)]), 0) == bits(trained(forwards, [member_of_kind(kind)]), 0)


@no_compiler
def test_optimisation_does_not_show() -> None:
    """g++ at no level and at the third: what else is compiled into a kernel cannot change a member's bits."""
    plain, optimised = (trained(CudaEngine(HostBuild(level=level)), [member_of_kind("factored")]) for level in (0, 3))
    assert bits(plain, 0) == bits(optimised, 0)


@no_compiler
@pytest.mark.parametrize("kind", KINDS)
def test_the_layout_does_not_show(kind: str) -> None:
    """All in shared memory, moments or D's parameters outside, the gradient overlaid or not: the same bits."""
    (group,) = groups([member_of_kind(kind)])
    expected = bits(trained(CudaEngine(HostBuild(level=0)), [member_of_kind(kind)]), 0)
    layouts = list(candidates(KernelSpec.of(group, group.members)))
    assert len(layouts) == 8
    for layout in layouts[1:] if kind == "factored" else layouts[-1:]:
        assert (
            bits(trained(CudaEngine(HostBuild(layout.shared_bytes, level=0)), [member_of_kind(kind)]), 0) == expected
        ), layout.name


class TwoDevices(HostBuild):
    """A machine with two equal devices."""

    def devices(self) -> Sequence[HostDevice]:
        return [Numbered(self.memory, self.level, name) for name in ("first", "second")]


class Numbered(HostDevice):
    """One of several devices, whose memory is the host's."""

    def __init__(self, memory: int, level: int, name: str) -> None:
        super().__init__(memory, backwards=False, level=level)
        self.name = name


@no_compiler
def test_the_number_of_devices_does_not_show() -> None:
    """Five members over two devices, each in a thread: the bits and the order of one device."""
    members = [member(seed=seed, **{**SMALL, "steps": 12, "lr_g": 10.0 ** -(2 + seed % 3)}) for seed in range(5)]
    one, two = trained(CudaEngine(HostBuild(level=0)), members), trained(CudaEngine(TwoDevices(level=0)), members)
    assert [bits(one, row) for row in range(5)] == [bits(two, row) for row in range(5)]


# -- stops, and segments -----------------------------------------------------------------------------------------

SICK: dict[str, Any] = {"loss": "least_squares", "params": {"a": 0.0, "b": 1.0, "c": 1.0}, "lr_d": 14.0, "lr_g": 14.0}


@pytest.mark.parametrize("engine", [host, gpu])
def test_a_sick_member_stops_alone_and_finite(engine: Engine) -> None:
    """It stops with step and tensor named, its parameters those of the step before; its neighbours keep their bits."""
    shape = {"steps": 60, "snapshots": (1, 30, 60)}
    healthy = others(2, loss="least_squares", params=SICK["params"], **shape)
    alone = [bits(trained(engine, [one]), 0) for one in healthy]
    result = trained(engine, [healthy[0], member(seed=2, **SICK, **shape), healthy[1]])
    step = int(result.stopped_step_P[1])
    assert 1 < step < 60
    assert result.stopped_tensor[1].startswith("gradient of ")
    assert np.isfinite(result.theta_g_PW[1]).all()
    assert np.isfinite(result.theta_d_PW[1]).all()
    assert [bits(result, 0), bits(result, 2)] == alone
    short = trained(engine, [member(seed=2, **SICK, steps=step)])
    assert short.theta_g_PW[0].tobytes() == result.theta_g_PW[1].tobytes()
    assert short.stopped_tensor[0] == result.stopped_tensor[1]
    assert np.isnan(result.snapshots["ks"][1]).tolist() == [False, step <= 30, True]


@pytest.mark.parametrize("engine", [host, gpu])
def test_the_first_tensor_that_overflows_is_named(engine: Engine) -> None:
    """Data of size 1e100, infinite in float32, stop D at its first weight in the first step, as in every engine."""
    huge = Target("norm", {"scale": 1e100})
    result = trained(engine, [member("least_squares", params=SICK["params"], target=huge, **SMALL)])
    assert result.stopped_step_P.tolist() == [1]
    assert result.stopped_tensor == ("gradient of D.weight1",)
    assert np.isfinite(result.theta_d_PW).all()


@no_compiler
@pytest.mark.parametrize("order", ["alternating", "simultaneous", "extragradient"])
def test_a_sick_member_stops_before_its_update_in_every_order(order: str) -> None:
    """A linear D at a rate of 1e6 under the penalty of the sixth power: the step is named, parameters stay finite."""
    wild = {"optimizer": "sgd", "lr_d": 1e6, "lr_g": 1e6, "wgan_div": 1.0, "activations_d": []}
    result = trained(CudaEngine(HostBuild(level=0)), [member(order=order, steps=20, batch=10, hidden=8, **wild)])
    assert 1 <= result.stopped_step_P[0] <= 20
    assert result.stopped_tensor[0].startswith("gradient of ")
    assert np.isfinite(result.theta_g_PW).all()
    assert np.isfinite(result.theta_d_PW).all()


@pytest.mark.parametrize("engine", [host, gpu])
def test_segments_have_the_bits_of_one_go(engine: Engine) -> None:
    """A member of everything in two segments, the second beside one at its first: parameters, snapshots, progress."""
    one, fresh = member_of_kind("everything"), member_of_kind("everything", lr_g=5e-4)
    whole = trained(engine, [one])
    reported: list[int] = []
    (group,) = groups([one])
    first = engine.train(group, measured_mean, reported.append, [Segment(0, 5)])
    (pair,) = groups([one, fresh])
    second = engine.train(pair, measured_mean, reported.append, [Segment(5, 12, first.states[0]), Segment(0, 3)])
    assert sum(reported) == 5 + 7 + 3
    assert second.theta_g_PW[0].tobytes() == whole.theta_g_PW[0].tobytes()
    assert second.theta_d_PW[0].tobytes() == whole.theta_d_PW[0].tobytes()
    for name, values in whole.snapshots.items():
        np.testing.assert_array_equal([first.snapshots[name][0, 0], second.snapshots[name][0, 1]], values[0], name)
        assert np.isnan([first.snapshots[name][0, 1], second.snapshots[name][0, 0]]).all(), name


@no_compiler
def test_progress_counts_every_step_once_and_an_interrupt_is_heard() -> None:
    """Steps reported add up, also after an early stop; what progress raises ends the training."""
    members = [*others(2, steps=70, loss="least_squares", params=SICK["params"]), member(seed=2, **SICK, steps=70)]
    (group,) = groups(members)
    reported: list[int] = []
    engine = CudaEngine(HostBuild(level=0), steps=20)
    engine.train(group, measured_mean, reported.append)
    assert sum(reported) == 3 * 70

    def interrupt(steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.train(group, measured_mean, interrupt)


@no_compiler
def test_what_fills_packs_and_gaps_stays_zero() -> None:
    """After 12 steps of 7 values and 5 units, where arrays end within a pack, no float between arrays is set.

    An unused unit that learned something would show here: there is none, since sizes are compiled in exactly.
    """
    one = member_of_kind("factored", batch=7, hidden=5, snapshots=(12,))
    (group,) = groups([one])
    batch = KernelBatch(group, [0], [Segment(0, 12)], HostDevice(232_448, backwards=False, level=0))
    while not batch.finished:
        batch.launch(500, measured_mean)
    state, used = batch.memory()[0], np.zeros(batch.layout.state, bool)
    for placed in batch.layout.arrays.values():
        if placed.state is not None:
            used[placed.state : placed.state + placed.array.floats] = True
    assert 0 < (~used).sum() < 40
    assert not state[~used].any()
    assert np.isfinite(state).all()
    assert state[used].any()


# -- what is refused ---------------------------------------------------------------------------------------------


@no_compiler
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"loss": "w1_direct"}, "its direct loss is a torch function"),
        ({"consensus": 0.1}, "consensus takes second derivatives of both networks, which the kernel has not"),
        ({"batch": 1000, "hidden": 200}, "bytes of shared memory a block, and the device grants 232,448"),
    ],
)
def test_refusals_say_why(changes: Mapping[str, Any], reason: str) -> None:
    """A member that the kernel cannot train is refused with a sentence."""
    assert reason in str(CudaEngine(HostBuild(level=0)).unsupported_reason(member(**changes)))


@no_compiler
def test_what_is_not_refused_trains() -> None:
    """Every loss with its needs, under both kinds of view, is refused or trains: refusals are exact."""
    engine = CudaEngine(HostBuild(level=0))
    taken = [
        v.name
        for v in BUILT_IN
        if engine.unsupported_reason(member(v.name, view="sample", **SMALL | dict(v.needs))) is None
    ]
    assert set(taken) == {v.name for v in TRAINABLE} - {"consensus"}
    for name in ("r3gan", "optimistic"):
        one = member(name, view="sample", **SMALL | dict(LOSSES[name].needs) | {"steps": 3})
        compare(trained(engine, [one]), trained(ReferenceEngine(), [one]))


def test_without_a_device_everything_is_refused() -> None:
    """The engine itself is cheap to make, and says what is missing."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert CudaEngine().unsupported_reason(member()) == "torch sees no CUDA device"
    assert (CudaEngine().name, CudaEngine().device) == ("cuda", "cuda")


def test_labels_do_not_split_a_launch() -> None:
    """Variants of random labels go with those of none; a penalty, noise or real logits make another kernel."""
    plain = kernel_options(member())
    assert kernel_options(member("flipped_noise")) == plain
    assert plain not in (
        kernel_options(member("rpgan")),
        kernel_options(member(gp=0.1)),
        kernel_options(member(instance_noise=0.1)),
    )


@pytest.mark.gpu
def test_the_device_computes_the_bits_of_the_host_build() -> None:
    """The source fixes every rounding, so a GPU and g++ agree in every bit, for every kind of phase."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not on the PATH")
    for kind in KINDS:
        on_device, on_host = (
            trained(engine, [member_of_kind(kind)]) for engine in (CudaEngine(), CudaEngine(HostBuild(level=0)))
        )
        assert on_device.theta_g_PW.tobytes() == on_host.theta_g_PW.tobytes(), kind
        assert on_device.theta_d_PW.tobytes() == on_host.theta_d_PW.tobytes(), kind


@pytest.mark.gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_compute_sanitizer_finds_nothing(tool: str) -> None:
    """Three steps of each kind of member under NVIDIA's checkers of memory accesses and of races in shared memory."""
    if shutil.which("compute-sanitizer") is None:
        pytest.skip("compute-sanitizer is not on the PATH")
    code = (
        "import sys; sys.path.insert(0, 'tests'); from support.kernel_kinds import KINDS, member_of_kind; "
        "from support.engines import trained; "
        "from harness.engines.cuda import CudaEngine; "
        "[trained(CudaEngine(), [member_of_kind(kind, steps=3, snapshots=(3,))]) for kind in KINDS]"
    )
    command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "1", sys.executable, "-c", code]
    root = ROOT
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
