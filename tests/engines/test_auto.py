"""``auto``: every member by the fastest engine that takes it, under that engine's name; sweeps know which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.members import member
from support.sweeps import InterruptingListener, assert_same_rows, carry_on, experiment

from harness import engines
from harness.engines import FASTEST_FIRST, choose
from harness.engines.auto import Auto, assign_engines, engine_for, joint_identity
from harness.engines.base import Engine
from harness.engines.batched import BatchedEngine
from harness.engines.reference import ReferenceEngine
from harness.errors import InputError
from harness.members import Member
from harness.store import Store
from harness.sweep.dry_run import assignment_text, experiment_engines
from harness.sweep.lookup import find_member
from harness.sweep.replay import replay
from harness.sweep.training import train

SMALL = {"batch": 10, "hidden": 4, "steps": 6}


class Picky(BatchedEngine):
    """An engine for minimax alone, up to 16 hidden units: what a fused engine's refusals look like."""

    name = "picky"

    def __init__(self) -> None:
        super().__init__("cpu")
        self.identity = "picky/3"

    def unsupported_reason(self, member: Member) -> str | None:
        if member.loss != "minimax":
            return f"{member.loss} is not minimax"
        return "more than 16 hidden units are too many" if member.shape.hidden > 16 else None


MAKERS: dict[str, Callable[[], Engine]] = {"picky": Picky, "batched-cpu": lambda: BatchedEngine("cpu")}


def auto() -> Auto:
    """The picky engine first, the batched one for all others."""
    return Auto({**MAKERS, "reference": ReferenceEngine})


def mixed() -> list[Member]:
    """Members of one shape, of two losses, in turn."""
    return [member(loss, seed, **SMALL) for seed in range(3) for loss in ("minimax", "least_squares")]


def test_each_member_is_trained_by_its_own_engine() -> None:
    """In the order given, with the row that its engine gives it alone; the key and the column name that engine."""
    members = mixed()
    rows = train(members, auto(), lambda steps: None)
    assert [row["engine"] for row in rows] == ["picky/3", "batched/1/cpu"] * 3
    for one, row in zip(members, rows, strict=True):
        engine = Picky() if one.loss == "minimax" else BatchedEngine("cpu")
        assert repr(train([one], engine, lambda steps: None)) == repr([row])
        assert row["key"] == one.key(engine.identity)


def test_what_serves_whom_is_said_with_the_reasons() -> None:
    """Counts by engine in the order of the engines; each reason once, three at most."""
    found = assign_engines(auto(), [(one, 2) for one in mixed()])
    assert [(s.engine.identity, s.count) for s in found] == [("picky/3", 6), ("batched/1/cpu", 6)]
    assert found[0].text("member") == "picky/3: 6 members"
    assert found[1].text("member") == "batched/1/cpu: 6 members, because picky/3: least_squares is not minimax"
    losses = ("hinge", "least_squares", "wasserstein", "non_saturating", "f_kl")
    (others,) = assign_engines(auto(), [(member(loss, **SMALL), 1) for loss in losses])
    assert others.text("member").endswith("and 2 more such reasons")
    (one,) = assign_engines(BatchedEngine("cpu"), [(mixed()[0], 1)])
    assert one.text("member") == "batched/1/cpu: 1 member"


def test_the_identity_of_the_whole_names_those_that_serve() -> None:
    """One that serves all is the whole; an engine that serves nobody is not named."""
    assert joint_identity(assign_engines(auto(), [(mixed()[0], 1)])) == "picky/3"
    assert joint_identity(assign_engines(auto(), [(one, 1) for one in mixed()])) == "auto(picky/3, batched/1/cpu)"


def test_an_engine_that_nobody_needs_is_not_made() -> None:
    """Engines after the one that takes a member are left alone; they may have to load a compiler."""

    def never() -> Engine:
        raise AssertionError("made although nobody needed it")

    trainer = Auto({"picky": Picky, "never": never})
    assert engine_for(trainer, mixed()[0]).identity == "picky/3"


def test_a_member_that_all_refuse_is_refused_with_every_reason() -> None:
    """Before anything is trained."""
    trainer = Auto({"picky": Picky})
    with pytest.raises(InputError, match="no engine trains least_squares: picky/3: least_squares is not minimax"):
        train(mixed(), trainer, lambda steps: None)


def test_the_order_is_fastest_first() -> None:
    """GPU before CPU, fused before batched, and the reference, which takes everything, last."""
    assert list(FASTEST_FIRST) == ["cuda", "batched-cuda", "cpu", "batched-cpu", "reference"]
    trainer = choose("auto")
    assert isinstance(trainer, Auto)
    assert engine_for(trainer, member("w1_direct", **SMALL)).name in ("cuda", "batched")


# --- sweeps ---------------------------------------------------------------------------------------------------------


def test_an_auto_sweep_resumes_on_the_same_machine(tmp_path: Path) -> None:
    """Its description names both engines; interrupted and resumed, the rows are those of an undisturbed sweep."""
    whole = carry_on(experiment(), tmp_path / "whole", engine=auto())
    assert whole.describe()["provenance"]["engine"] == "auto(picky/3, batched/1/cpu)"
    assert set(whole.frame().groupby("loss")["engine"].first().items()) == {
        ("minimax", "picky/3"),
        ("least_squares", "batched/1/cpu"),
    }
    with pytest.raises(KeyboardInterrupt):
        carry_on(experiment(), tmp_path / "cut", InterruptingListener(commits=3), auto())
    assert_same_rows(carry_on(experiment(), tmp_path / "cut", engine=auto()), whole)


@pytest.mark.promise("P12", "F22")
def test_another_machines_engines_are_refused_in_a_line(tmp_path: Path) -> None:
    """A sweep by one engine is not resumed by others, nor one by several by one: the line names both sides."""
    carry_on(experiment(), tmp_path / "one")
    with pytest.raises(InputError, match=r"by engine batched/1/cpu, not auto\(picky/3, batched/1/cpu\); use --engine"):
        carry_on(experiment(), tmp_path / "one", engine=auto())
    carry_on(experiment(), tmp_path / "both", engine=auto())
    with pytest.raises(InputError, match=r"by engine auto\(picky/3, batched/1/cpu\), not batched/1/cpu"):
        carry_on(experiment(), tmp_path / "both")


def test_what_the_search_may_ask_for_is_assigned_too() -> None:
    """An end of a range that the first engine refuses brings in the second, before any member is known to need it."""
    space = {"hidden": {"low": 4, "high": 40}}
    spec = experiment(variants=["minimax"], search={"sampler": "random", "trials": 4, "seeds": 2, "space": space})
    found = experiment_engines(spec, auto())
    assert [(s.engine.identity, s.count) for s in found] == [("picky/3", 4 * 2 + 2), ("batched/1/cpu", 0)]
    assert "batched/1/cpu: 0 members, because picky/3: more than 16 hidden units" in assignment_text(found)


def test_replay_finds_the_engine_of_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row's own engine trains it again; engines of other names are not made."""

    def never() -> Engine:
        raise AssertionError("made although its name is another")

    store: Store = carry_on(experiment(), tmp_path / "small", engine=auto())
    monkeypatch.setattr("harness.sweep.replay.ENGINES", {"never": never, **MAKERS})
    for loss in ("minimax", "least_squares"):
        row = next(r for r in store.table().to_pylist(maps_as_pydicts="strict") if r["loss"] == loss)
        assert replay(find_member(row["key"], store.folder)).matches
    assert engines.ENGINES.keys() >= FASTEST_FIRST.keys()
