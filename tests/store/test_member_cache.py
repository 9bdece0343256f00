"""Reuse by key: a member that was committed, here or in a sweep beside, is not trained again and has the same row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.sweeps import GRID, RATES, InterruptingListener, assert_same_rows, carry_on, experiment

from harness.config import Experiment
from harness.engines.base import Measure, Progress, Segment, TrainingResult
from harness.engines.batched import BatchedEngine
from harness.members import Group
from harness.store import Store
from harness.sweep.sweep import Sweep


class Counting(BatchedEngine):
    """The batched engine, which counts the members that it trains."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self.members = 0

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None
    ) -> TrainingResult:
        self.members += len(group.members)
        return super().train(group, measure, progress, segments)


def trained(spec: Experiment, folder: Path, reuse: bool = True) -> tuple[Store, int]:
    """A sweep run to its end, and how many members that took."""
    engine = Counting()
    sweep = Sweep(spec, Store(folder), engine, reuse=reuse)
    sweep.open()
    sweep.run(InterruptingListener())
    return sweep.store, engine.members


def test_a_sweep_of_members_known_beside_it_trains_none(tmp_path: Path) -> None:
    """The same experiment in a second folder: the same rows, generators included, without one GAN-step."""
    first, members = trained(experiment(), tmp_path / "first")
    assert members == 20  # 2 arms x (4 trials x 2 seeds + 2 confirm seeds)
    second, members = trained(experiment(), tmp_path / "second")
    assert members == 0
    assert_same_rows(second, first)
    assert [second.metadata(i)["reused"] for i in second.committed()] == ["3", "1"] * 5
    assert {second.metadata(i)["seconds"] for i in second.committed()} == {"0.000"}


@pytest.mark.slow
def test_no_reuse_trains_every_member(tmp_path: Path) -> None:
    """Without the shelf the second sweep trains all of its members, to the same rows."""
    first, members = trained(experiment(), tmp_path / "first")
    second, again = trained(experiment(), tmp_path / "second", reuse=False)
    assert again == members
    assert_same_rows(second, first)


@pytest.mark.slow
def test_what_differs_is_trained(tmp_path: Path) -> None:
    """A sweep with one variant more trains that one's members; with more confirm seeds those; with other steps all."""
    trained(experiment(), tmp_path / "first")
    _, members = trained(experiment(variants=["minimax", "least_squares", "hinge"]), tmp_path / "second")
    assert members == 10
    _, members = trained(experiment(confirm={"seeds": 3}), tmp_path / "third")
    assert members == 2
    shorter = {"steps": 10, "batch": 20, "hidden": 8, "snapshots": [5, 10]}
    _, members = trained(experiment(train=shorter), tmp_path / "fourth")
    assert members == 20


def test_equal_members_of_one_population_are_trained_once(tmp_path: Path) -> None:
    """A trial that repeats another's setting takes its rows, within a population and from those committed before."""
    space = {"lr_d": {"choices": [2e-4]}, "lr_g": {"choices": [2e-4, 1e-3]}}
    search = {"sampler": "random", "trials": 8, "seeds": 2, "space": space}
    store, members = trained(experiment(search=search, population=64), tmp_path / "repeats")
    frame = store.frame()
    assert len(frame[frame["stage"] == "search"]) == 32
    assert frame["key"].nunique() <= members < len(frame)
    alike = frame.groupby("key")[["ks", "digest", "mean"]].nunique()
    assert (alike <= 1).all(axis=None)


@pytest.mark.slow
@pytest.mark.parametrize("field", ["machine", "torch", "device"])
def test_other_machines_and_versions_are_left_out(tmp_path: Path, field: str) -> None:
    """Bits are promised on one machine and version alone: a sweep made elsewhere is not taken from."""
    first, members = trained(experiment(), tmp_path / "first")
    description = first.describe()
    first.amend(description | {"provenance": description["provenance"] | {field: "another"}})
    assert trained(experiment(), tmp_path / "second")[1] == members


@pytest.mark.slow
def test_damaged_neighbours_are_left_out(tmp_path: Path) -> None:
    """Neither a damaged population, a damaged description nor an older format stops a sweep beside them."""
    first, members = trained(experiment(), tmp_path / "first")
    path = first.folder / "populations/000000.parquet"
    path.write_bytes(path.read_bytes()[:100])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/sweep.json").write_text("{")
    (tmp_path / "older").mkdir()
    (tmp_path / "older/sweep.json").write_text(json.dumps({"format": 3}))
    second, again = trained(experiment(), tmp_path / "second")
    assert 0 < again < members
    assert len(second.committed()) == len(first.committed())


@pytest.mark.slow
def test_failed_and_pruned_members_are_not_taken(tmp_path: Path) -> None:
    """A member that once had no memory may have it now, and one that halving stopped did not come to its end."""
    first, _ = trained(experiment(), tmp_path / "first")
    rows = first.population(1).to_pylist(maps_as_pydicts="strict")
    for outcome in ("failed", "pruned"):
        (first.folder / "populations/000001.parquet").unlink()
        first.commit(1, [row | {"outcome": outcome} for row in rows], {})
        assert trained(experiment(), tmp_path / outcome)[1] == len(rows)
        for path in (tmp_path / outcome).rglob("*.parquet"):
            path.unlink()
        (tmp_path / outcome / "sweep.json").unlink()


@pytest.mark.slow
def test_a_grid_in_a_larger_grid_trains_the_new_points(tmp_path: Path) -> None:
    """Points of an earlier grid are taken, whatever their place in the new one."""
    small = {"lr_d": {"choices": [2e-4]}, "lr_g": {"choices": [2e-4, 1e-3]}}

    def gridded(space: dict[str, Any], trials: int) -> Experiment:
        return experiment(search={"sampler": "grid", "trials": trials, "seeds": 2, "space": space})

    trained(gridded(small, 2), tmp_path / "small")
    store, _ = trained(gridded(GRID, 6), tmp_path / "large")
    searched = store.frame().query("stage == 'search'")
    reused = sum(int(store.metadata(i)["reused"]) for i in store.committed())
    assert len(searched) == 2 * 6 * 2
    assert reused >= 2 * 2 * 2  # both points of the small grid; a winner in common is confirmed from there, too


@pytest.mark.slow
def test_an_unfinished_sweep_is_taken_from(tmp_path: Path) -> None:
    """Members committed before an interrupt are reused, by other sweeps and by the sweep itself."""
    with pytest.raises(KeyboardInterrupt):
        carry_on(experiment(), tmp_path / "first", InterruptingListener(commits=2))
    done = len(Store(tmp_path / "first").table())
    store, members = trained(experiment(), tmp_path / "second")
    assert members == len(store.table()) - done


@pytest.mark.slow
def test_halved_rounds_have_the_same_rows_beside_a_neighbour(tmp_path: Path) -> None:
    """Whatever is taken from beside, a sweep with halving ends with the rows it has alone."""
    halving = {"sampler": "sobol", "trials": 5, "seeds": 2, "space": RATES, "halving": 2, "rungs": 1}
    spec = experiment(search=halving)
    (tmp_path / "a").mkdir()
    alone, _ = trained(spec, tmp_path / "a/alone")
    (tmp_path / "b").mkdir()
    trained(spec, tmp_path / "b/first")
    assert_same_rows(trained(spec, tmp_path / "b/second")[0], alone)
