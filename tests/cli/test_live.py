"""The display of a running sweep: scoreboard, rate, the live view at any size, plain lines, how to continue."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from support.clocks import Clock
from support.mlflow_store import wait_until
from support.sweeps import STEPS, experiment

from harness.cli.live.rate import WINDOW_SECONDS, StepRate
from harness.cli.live.reporter import Reporter
from harness.cli.live.scoreboard import COLUMNS, Scoreboard, committed_steps
from harness.cli.live.view import MAX_ARMS, LiveView
from harness.cli.sweep import resume_command
from harness.store import Store
from harness.sweep.plan import gan_steps, planned, round_steps

SEEDS = 4


def rows_of(arm: str, trial: int, scores: Sequence[float | None], stage: str = "search") -> list[dict[str, Any]]:
    """A trial's rows, one a seed; a seed without a score has diverged."""
    return [
        {"stage": stage, "round": trial, "arm": arm, "trial": trial, "seed": seed, "ks": ks}
        | {"outcome": "diverged" if ks is None else "scored"}
        for seed, ks in enumerate(scores)
    ]


def frame(board: Scoreboard | None, rate: StepRate, width: int, height: int, last: str = "") -> list[str]:
    """The lines of a frame, as they stand on a terminal of this size."""
    console = Console(file=io.StringIO(), width=width, height=height, soft_wrap=True, force_terminal=True)
    lines = console.render_lines(LiveView(rate, board, last, 30.0, height), pad=False)
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


def halfway() -> StepRate:
    """500 of 1,000 steps in 30 s: 16.7 a second, 30 s left."""
    rate = StepRate(1000, 0.0)
    for second in range(1, 31):
        rate.advance(500 // 30 if second < 30 else 500 - 29 * (500 // 30), float(second))
    return rate


# --- scoreboard ---------------------------------------------------------------------------------------------------


@given(
    scores=st.lists(st.lists(st.none() | st.floats(0, 1), min_size=SEEDS, max_size=SEEDS), min_size=1, max_size=6),
    cut=st.integers(1, 7),
)
def test_the_best_is_the_lowest_mean_over_all_seeds_however_populations_are_cut(
    scores: list[list[float | None]], cut: int
) -> None:
    """Trials that lie across populations count once all seeds are there; who diverged counts 1, and is counted."""
    rows = [row for trial, ks in enumerate(scores) for row in rows_of("a", trial, ks)]
    board = Scoreboard(["a", "b"], 9, SEEDS)
    for index, start in enumerate(range(0, len(rows), cut)):
        board.add(index, rows[start : start + cut])
    means = [sum(1.0 if ks is None else ks for ks in trial) / SEEDS for trial in scores]
    first, second = board.ranking()
    assert (first.arm, first.best, first.trial) == ("a", min(means), means.index(min(means)))
    assert first.lost == board.lost()["diverged"] == sum(ks is None for trial in scores for ks in trial)
    assert (second.best, second.lost) == (None, 0)


def test_part_of_a_trial_and_a_pruned_one_are_no_best() -> None:
    """Three seeds of four say nothing yet; a trial that lost a race has no score."""
    board = Scoreboard(["a"], 9, SEEDS)
    board.add(0, rows_of("a", 0, [0.01] * 3))
    board.add(1, [{**row, "outcome": "pruned"} for row in rows_of("a", 1, [0.02] * SEEDS)])
    assert board.ranking()[0].best is None
    board.add(2, rows_of("a", 2, [0.5] * SEEDS))
    assert board.ranking()[0].best == 0.5


def test_a_later_revision_of_a_population_replaces_what_it_lost() -> None:
    """Two diverged members that are trained again and scored are lost no more."""
    board = Scoreboard(["a"], 9, SEEDS)
    board.add(0, rows_of("a", 0, [None, None, 0.25, 0.25]))
    assert (board.ranking()[0].lost, board.ranking()[0].best) == (2, 0.625)
    board.add(0, rows_of("a", 0, [0.5, 0.5, 0.25, 0.25]))
    assert (board.ranking()[0].lost, board.lost()["diverged"], board.committed) == (0, 0, 1)
    assert board.ranking()[0].best == 0.375


def test_confirm_medians_rank_once_every_arm_has_one() -> None:
    """Until then the trials do, so that whoever is confirmed first is not shown as the best."""
    board = Scoreboard(["a", "b"], 9, SEEDS)
    board.add(0, rows_of("a", 0, [0.3] * SEEDS) + rows_of("b", 0, [0.1] * SEEDS))
    assert [reached.arm for reached in board.ranking()] == ["b", "a"]
    board.add(1, rows_of("a", 0, [0.2, None, 0.4], stage="confirm"))
    assert [(r.arm, r.median) for r in board.ranking()] == [("b", None), ("a", 0.4)]
    board.add(2, rows_of("b", 0, [0.5, None, 0.6], stage="confirm"))
    assert [(r.arm, r.median) for r in board.ranking()] == [("a", 0.4), ("b", 0.6)]


def test_steps_found_are_those_of_the_committed_populations(finished_sweep: Store) -> None:
    """A finished sweep has found all of its steps, and a part of it its own members' steps."""
    spec = experiment()
    steps = {this.number: round_steps(spec, this) for this in planned(spec)}
    assert committed_steps(planned(spec), steps, finished_sweep.committed()) == gan_steps(spec)
    assert committed_steps(planned(spec), steps, [0]) == finished_sweep.population(0, COLUMNS).num_rows * STEPS


# --- rate ---------------------------------------------------------------------------------------------------------


@given(per_second=st.floats(1, 1e7), seconds=st.integers(2, 300), committed=st.integers(0, 10**9))
def test_a_steady_rate_is_measured_whatever_was_committed_before(
    per_second: float, seconds: int, committed: int
) -> None:
    """Steps that were committed before the start make nothing faster; what is left is left at the measured rate."""
    rate = StepRate(committed + 10**12, 0.0, committed)
    rate.advance(committed, 0.0)
    trained = 0
    for second in range(1, seconds + 1):
        rate.advance(round(per_second * second) - trained, float(second))
        trained = round(per_second * second)
    measured = rate.per_second(float(seconds))
    assert measured == pytest.approx(per_second, rel=0.5 / min(seconds, WINDOW_SECONDS), abs=1)
    assert rate.seconds_left(float(seconds)) == pytest.approx((10**12 - trained) / measured)


def test_the_rate_follows_an_engine_that_slows_down() -> None:
    """Ten minutes at 1,000 a second and two windows at 10: the rate is 10, and nothing is told before a first step."""
    rate = StepRate(10**6, 0.0)
    assert (rate.per_second(5.0), rate.seconds_left(5.0)) == (None, None)
    for second in range(1, 601):
        rate.advance(1000, float(second))
    for second in range(601, 601 + 2 * int(WINDOW_SECONDS)):
        rate.advance(10, float(second))
    assert rate.per_second(600 + 2 * WINDOW_SECONDS) == pytest.approx(10, rel=0.02)


# --- the live view ------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(width=st.integers(40, 200), height=st.integers(10, 60), arms=st.integers(1, 70), confirmed=st.booleans())
def test_a_frame_fits_any_terminal(width: int, height: int, arms: int, confirmed: bool) -> None:
    """From 40 x 10 on no frame is wider or higher than the terminal; the best arms are shown, the rest counted."""
    names = [f"generator_label(0.{k:02d}) / pack(m=4)" for k in range(arms)]
    board = Scoreboard(names, 31, 1)
    board.add(0, [row for k, name in enumerate(names[: arms // 2 + 1]) for row in rows_of(name, 0, [(k + 1) / 71])])
    if confirmed:
        board.add(1, rows_of(names[0], 0, [0.001] * 8, stage="confirm"))
    lines = frame(board, halfway(), width, height, last="24 members in 3.1 s, 0 diverged or failed")
    assert max(map(len, lines)) <= width
    assert len(lines) <= height
    shown = [line for line in lines if line.startswith("gener")]
    assert 1 <= len(shown) <= MAX_ARMS
    assert "0.0141" in shown[0]  # 1/71, never cut short
    left = [int(found[1]) for line in lines if (found := re.match(r"and (\d+) more", line))]
    assert len(shown) + sum(left) == arms


def test_a_frame_tells_stage_progress_rate_and_losses() -> None:
    """Everything that was asked for stands there at 100 columns; a run that is no sweep shows its rate alone."""
    board = Scoreboard(["a", "b"], 31, SEEDS)
    board.add(0, rows_of("b", 3, [0.1, 0.2, None, 0.3]))
    lines = frame(board, halfway(), 100, 24, last="24 members in 3.1 s")
    assert lines[0] == "search round 3, population 1/31 committed, 1 diverged"
    assert re.search(r"50% 17 GAN-steps/s, about 30.0 s left, 30.0 s so far$", lines[1])
    assert [line.split() for line in lines[2:5]] == [
        ["variant", "best", "KS", "trial", "lost"],
        ["b", "0.4000", "#3", "1"],
        ["a", "-", "-", "0"],
    ]
    assert lines[5] == "last: 24 members in 3.1 s"
    assert frame(None, halfway(), 100, 24)[0] == "training"


# --- as a user meets it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_words", "session", "expected"),
    [
        (["sweep", "a.toml"], None, "harness sweep a.toml"),
        (["sweep", "my file.toml", "--set", "train.snapshots=[1, 2]", "--fresh", "--engine=cpu"], None,
         "harness sweep 'my file.toml' --set 'train.snapshots=[1, 2]' --engine=cpu"),
        (["sweep", "a.toml", "--fresh"], "sweep", "nox -s sweep -- a.toml"),
        (["sweep", "a.toml"], "tests", "harness sweep a.toml"),
    ],
)  # fmt: skip
def test_the_command_to_go_on_is_the_one_that_was_given(
    given_words: Sequence[str], session: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every option as a shell takes it, without --fresh, which would set the sweep aside; through nox, nox's."""
    monkeypatch.delenv("NOX_CURRENT_SESSION", raising=False)
    if session:
        monkeypatch.setenv("NOX_CURRENT_SESSION", session)
    assert resume_command(given_words) == expected


def test_a_log_has_lines_between_commits(
    finished_sweep: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal the rate is told at its interval, with the best arm once there is one; no control codes."""
    monkeypatch.setattr("harness.cli.live.reporter.LOG_SECONDS", 0.01)
    spec, clock, log = experiment(), Clock(), [""]
    rounds = [round_ for round_ in planned(spec) for _ in round_.populations]
    scoreboard = Scoreboard([arm.text for arm in spec.arms], len(rounds), spec.search.seeds)

    def logged(pattern: str) -> bool:
        log[0] += capsys.readouterr().err
        return re.search(pattern, log[0], re.MULTILINE) is not None

    with Reporter(2000, scoreboard=scoreboard, clock=clock) as reporter:
        wait_until(lambda: logged(r"^  0%  no GAN-steps yet$"))
        clock.advance(10)
        reporter.advanced(500)
        wait_until(lambda: logged(r"^ 25%  50 GAN-steps/s, about 30\.0 s left$"))
        for index in (0, 1):
            reporter.committed(rounds[index], index, finished_sweep.population(index).to_pylist(), 1.5)
        wait_until(lambda: logged(r"left; 2 of \d+ populations; best trial of .+ / variances: \d\.\d{4}$"))
    assert logged(r"^population 2/\d+  search round 0: \d members in 1\.5 s .*; best KS 0\.\d{4} by ")
    assert "\x1b" not in log[0]


def test_what_was_committed_before_is_on_the_board_of_the_next_run(finished_sweep: Store) -> None:
    """A board that hears a finished sweep's files stands as the sweep's own search left it."""
    frame_ = finished_sweep.frame()
    arms = sorted(frame_["arm"].unique())
    board = Scoreboard(arms, len(finished_sweep.committed()), 2)
    for index in finished_sweep.committed():
        board.add(index, finished_sweep.population(index, COLUMNS).to_pylist())
    search, confirm = (frame_[frame_["stage"] == stage] for stage in ("search", "confirm"))
    best: Mapping[str, float] = search.groupby(["arm", "trial"])["ks"].mean().groupby("arm").min().to_dict()
    assert {reached.arm: reached.best for reached in board.ranking()} == pytest.approx(best)
    assert {r.arm: r.median for r in board.ranking()} == pytest.approx(confirm.groupby("arm")["ks"].median().to_dict())
    assert board.stage == "confirm stage"
