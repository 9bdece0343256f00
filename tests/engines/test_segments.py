"""Training cut into segments: the same bits as in one go, on every engine, whoever trains beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.engines import ENGINE_PARAMS, bits, measured_mean, others
from support.members import member
from support.step_options import OPTIONS, SMALL

from harness.engines.base import Engine, Segment, TrainingResult, segments_of
from harness.engines.reference import ReferenceEngine
from harness.members import Member, groups

#: Ends of segments, one at a snapshot; the last segment is longer than a block of the batched engine, 32 steps.
STOPS = (3, 5, 38)
SHAPE: dict[str, Any] = {**SMALL, "steps": STOPS[-1], "snapshots": (2, 5, 30)}

#: For the reference, which has no blocks and takes milliseconds a step.
SHORT_STOPS = (3, 5, 9)
SHORT_SHAPE: dict[str, Any] = {**SMALL, "steps": SHORT_STOPS[-1], "snapshots": (2, 5, 7)}

#: At these rates an affine D of least squares grows by a factor a step, until float32 or float64 overflows.
SICK: dict[str, Any] = {"optimizer": "sgd", "beta1": 0.0, "activations_d": [], "batch": 10, "hidden": 4, "steps": 400}


def along(engine: Engine, members: list[Member], segments: list[Segment] | None) -> TrainingResult:
    """The members, which are a group in this order, trained along their segments."""
    (group,) = groups(members)
    assert group.members == tuple(members)
    return engine.train(group, measured_mean, lambda steps: None, segments)


def company(engine: Engine, own: Member, size: int, start: int, stop: int) -> tuple[list[Member], list[Segment]]:
    """Other members of ``own``'s loss and shape at the seed's setting, with segments from ``start`` to ``stop``."""
    crowd = [member(own.loss, 50 + i, own.view, **own.shape.model_dump()) for i in range(size)]
    if not crowd:
        return [], []
    states = along(engine, crowd, [Segment(0, start)] * size).states if start else [None] * size
    return crowd, [Segment(start, stop, state) for state in states]


def in_segments(engine: Engine, own: Member, stops: tuple[int, ...]) -> list[TrainingResult]:
    """One member's segments up to each stop, the n-th beside n // 2 others, ``own`` last."""
    found: list[TrainingResult] = []
    start, state = 0, None
    for n, stop in enumerate(stops):
        crowd, segments = company(engine, own, n // 2, start, stop)
        found.append(along(engine, [*crowd, own], [*segments, Segment(start, stop, state)]))
        start, state = stop, found[-1].states[-1]
    return found


def together(parts: list[TrainingResult]) -> dict[str, bytes]:
    """The last member's snapshots over all its segments; each must be filled in one segment at most."""
    found: dict[str, bytes] = {}
    for name in parts[0].snapshots:
        values = np.stack([part.snapshots[name][-1] for part in parts])
        known = np.isfinite(values)
        assert (known.sum(axis=0) <= 1).all(), name
        found[name] = np.where(known.any(axis=0), np.nansum(values, axis=0), np.nan).tobytes()
    return found


@pytest.mark.promise("P10")
@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_segments_give_the_bits_of_one_go_with_every_option(engine: Engine) -> None:
    """Three segments, each beside other members, end with the bits of one training, option by option."""
    stops, shape = (SHORT_STOPS, SHORT_SHAPE) if isinstance(engine, ReferenceEngine) else (STOPS, SHAPE)
    tested = 0
    for option, changes in {"plain": {}, **OPTIONS}.items():
        own = member(view="sample", **shape | changes)
        if engine.unsupported_reason(own) is not None:
            continue
        tested += 1
        whole, parts = along(engine, [own], None), in_segments(engine, own, stops)
        assert parts[-1].theta_g_PW[-1].tobytes() == whole.theta_g_PW[0].tobytes(), option
        assert parts[-1].theta_d_PW[-1].tobytes() == whole.theta_d_PW[0].tobytes(), option
        assert together(parts) == {name: values[0].tobytes() for name, values in whole.snapshots.items()}, option
        assert whole.states == ()
    assert tested >= len(OPTIONS) // 2


@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_members_of_one_call_keep_their_own_step_counters(engine: Engine) -> None:
    """Segments of different starts and stops in one call, of more members than a stack has: each as in one go."""
    count = 5 if isinstance(engine, ReferenceEngine) else 20  # the reference has no stacks
    members = others(count, **{key: value for key, value in SHAPE.items() if key != "lr_g"})
    cuts = [1 + 9 * (i % 5) for i in range(count)]  # 1, 10, 19, 28, 37
    first = along(engine, members, [Segment(0, cut) for cut in cuts])
    second = along(engine, members, [Segment(cut, 38, state) for cut, state in zip(cuts, first.states, strict=True)])
    mixed = [
        Segment(cut, 38, state) if cut > 20 else Segment(0, cut) for cut, state in zip(cuts, first.states, strict=True)
    ]
    third = along(engine, members, mixed)
    whole = along(engine, members, None)
    for row, cut in enumerate(cuts):
        assert second.theta_d_PW[row].tobytes() == whole.theta_d_PW[row].tobytes()
        assert second.theta_g_PW[row].tobytes() == whole.theta_g_PW[row].tobytes()
        expected = second if cut > 20 else first
        assert bits(third, row) == bits(expected, row)


@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_a_state_can_be_used_again(engine: Engine) -> None:
    """A segment changes nothing of the state it starts from: the same segment twice gives the same bits."""
    own = member(view="sample", **SHAPE | OPTIONS["ema"])
    state = along(engine, [own], [Segment(0, 7)]).states[0]
    one, other = (along(engine, [own], [Segment(7, 38, state)]) for _ in range(2))
    assert bits(one, 0) == bits(other, 0)


@pytest.mark.promise("P5", "F16")
@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_a_member_that_stops_leaves_no_state(engine: Engine) -> None:
    """It names the step counted from its first, also in a later segment; its healthy neighbour goes on."""
    pair = [member("least_squares", seed, lr_d=rate, **SICK) for seed, rate in enumerate((1e-4, 10.0))]
    whole = along(engine, pair, None)
    step = int(whole.stopped_step_P[1])
    assert step > 1
    assert whole.stopped_step_P[0] == 0
    first = along(engine, pair, [Segment(0, step - 1)] * 2)
    second = along(engine, pair, [Segment(step - 1, step + 9, state) for state in first.states])
    assert first.stopped_step_P.tolist() == [0, 0]
    assert second.stopped_step_P.tolist() == [0, step]
    assert second.stopped_tensor == whole.stopped_tensor
    assert second.states[0] is not None
    assert second.states[1] is None
    assert second.theta_d_PW[1].tobytes() == whole.theta_d_PW[1].tobytes()


@pytest.mark.parametrize("engine", ENGINE_PARAMS)
def test_progress_counts_the_steps_of_the_segments(engine: Engine) -> None:
    """Reported steps add up to the lengths of the segments."""
    told: list[int] = []
    (group,) = groups(others(2, steps=60, batch=10, hidden=4))
    engine.train(group, measured_mean, told.append, [Segment(0, 50), Segment(0, 3)])
    assert sum(told) == 53


def test_a_segment_says_what_is_wrong_with_it() -> None:
    """A segment without steps, with a state too many or too few, past the end, or of nobody is no segment."""
    (group,) = groups(others(2, steps=10))
    for wrong in ((5, 5, "state"), (-1, 5, None), (0, 5, "state"), (3, 5, None)):
        with pytest.raises(ValueError, match="a segment from step"):
            Segment(*wrong)
    with pytest.raises(ValueError, match="1 segments for 2 members"):
        segments_of(group, [Segment(0, 5)])
    with pytest.raises(ValueError, match="after the last step, 10"):
        segments_of(group, [Segment(0, 11), Segment(0, 5)])
    assert segments_of(group, None) == [Segment(0, 10)] * 2
