"""Sweeps and members as they are shown: the committed numbers, text as text, and data that any program reads."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fabricated import ARMS, fabricate_sweep
from support.rows import ROW
from support.sweeps import experiment

from harness.cli.details import member_facts, sweep_facts
from harness.cli.show import print_member, print_sweep, spec_lines
from harness.config.toml import from_table
from harness.errors import StoreError
from harness.store import SNAPSHOT_COLUMNS, Store
from harness.sweep.lookup import find_copies


def test_a_sweep_is_told_by_its_rows(two_arm_sweep: Store) -> None:
    """Arms with formulas, outcomes and the best trial's setting agree with the committed frame."""
    facts, frame = sweep_facts(two_arm_sweep), two_arm_sweep.frame()
    assert facts["members"] == len(frame) == 2 * 2 * 2 + 2 * 4
    assert facts["outcomes"] == frame["outcome"].value_counts().to_dict() == {"scored": 15, "failed": 1}
    assert [arm["arm"] for arm in facts["arms"]] == [arm.label for arm in ARMS[:2]]
    for arm in facts["arms"]:
        rows = frame[(frame["arm"] == arm["arm"]) & (frame["stage"] == "confirm")]
        assert arm["best"]["ks"] == pytest.approx(rows["ks"].median())
        assert arm["best"]["trial"] == rows["trial"].iloc[0]
        assert (arm["generator"], arm["discriminator"])[1] == "softplus(-real) + softplus(fake)"
        assert sum(arm["outcomes"].values()) == 8
    assert facts["question"] == "Which label should the generator be trained towards?"
    assert facts["replay"].startswith("harness replay ")
    assert facts["resume"] == f"harness sweep EXPERIMENT.toml --out {two_arm_sweep.folder} --resume"


def test_the_best_trial_has_the_values_that_were_searched(finished_sweep: Store) -> None:
    """Of a real sweep: both learning rates, as the best confirm row has them, and no setting that was not searched."""
    frame = finished_sweep.frame()
    for arm in sweep_facts(finished_sweep)["arms"]:
        rows = frame[(frame["arm"] == arm["arm"]) & (frame["stage"] == "confirm")]
        assert arm["best"]["setting"] == {name: rows[name].iloc[0] for name in ("lr_d", "lr_g")}
        assert arm["best"]["key"] == rows.loc[rows["ks"].idxmin(), "key"]


def test_cost_is_summed_over_files_that_tell_it(tmp_path: Path) -> None:
    """Seconds and joules are sums over populations; what is no number adds none."""
    store = Store(tmp_path)
    store.start({"name": "x"})
    told = ({"seconds": "1.5", "energy_joules": "20.5"}, {"seconds": "2"}, {"seconds": "x", "energy_joules": "nan"})
    for index, metadata in enumerate(told):
        store.commit(index, [ROW], metadata)
    facts = sweep_facts(store)
    assert (facts["seconds"], facts["energy_joules"], facts["energy_populations"]) == (3.5, 20.5, 1)


def test_a_damaged_population_is_a_remark(tmp_path: Path) -> None:
    """The rest is told without it; a sweep without any rows, and one with a bare description, are shown, too."""
    store = fabricate_sweep(tmp_path / "a", arms=ARMS[:2], trials=2, confirm=2)
    (store.folder / "populations/000000.parquet").write_bytes(b"PAR1")
    facts = sweep_facts(store)
    assert [remark.split(": ")[1].split(" ")[0] for remark in facts["remarks"]] == ["damaged"]
    assert facts["members"] == 8
    bare = Store(tmp_path / "b")
    bare.start({"spec": "none", "arms": [3, {"arm": "x"}, {}], "provenance": []})
    facts = sweep_facts(bare)
    assert (facts["members"], facts["remarks"], facts["name"], facts["spec"]) == (0, [], None, {})
    assert facts["arms"] == [{"arm": "x", "outcomes": {}, "best": None}]
    print_sweep(facts)
    with pytest.raises(StoreError, match="no sweep here"):
        sweep_facts(Store(tmp_path))


def test_a_member_is_told_by_its_row(finished_sweep: Store) -> None:
    """Definition, scores and snapshots are the row's; its place names folder, population and seed."""
    row = finished_sweep.table().to_pylist(maps_as_pydicts="strict")[-1]
    facts = member_facts(find_copies(row["key"], finished_sweep.folder))
    assert facts["definition"]["lr_g"] == row["lr_g"]
    assert facts["scores"]["ks"] == row["ks"]
    assert facts["snapshots"]["step"] == row["snapshot_step"]
    assert facts["snapshots"]["ks"] == row["snapshot_ks"]
    assert set(facts["snapshots"]) <= {"step", *SNAPSHOT_COLUMNS}
    place = facts["places"][0]
    assert (place["folder"], place["population"], place["revision"]) == (
        str(finished_sweep.folder),
        finished_sweep.committed()[-1],
        0,
    )
    assert (place["stage"], place["seed"]) == ("confirm", row["seed"])
    assert facts["replay"] == f"harness replay {row['key']} --sweep {finished_sweep.folder}"


def test_numbers_that_json_has_not_are_null(tmp_path: Path) -> None:
    """nan and the infinities of a member that diverged come as null, so that any program reads the data."""
    store = Store(tmp_path)
    store.start({"name": "x"})
    row = {"snapshot_step": [1, 2, 3], "snapshot_ks": [0.5, float("nan"), None], "w1": float("inf")}
    store.commit(0, [ROW | row | {"key": "a" * 16}], {})
    facts = member_facts(find_copies("a" * 16, tmp_path))
    assert json.loads(json.dumps(facts, allow_nan=False))["snapshots"]["ks"] == [0.5, None, None]
    assert facts["scores"]["w1"] is None
    print_member(facts)


def test_the_spec_is_shown_as_an_experiment_file() -> None:
    """The lines are TOML, and read as an experiment they have the fingerprint of the one that was run."""
    spec = experiment(question='why "so"?\nand größer', target={"law": "t", "df": 3})
    table = tomllib.loads("\n".join(spec_lines(spec.to_json())))
    assert from_table(table, (), "shown").fingerprint == spec.fingerprint


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1))
def test_hostile_text_is_shown_as_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever names, questions and keys hold, the terminal gets lines of printable characters."""
    spec = {"name": text, "search": {text: {"low": 1}}, "question": text}
    facts: dict[str, Any] = {
        **dict.fromkeys(("name", "question", "prediction", "folder", "created", "resume", "replay"), text),
        "standing": {"state": text, "committed": 0, "populations": None},
        "members": 0,
        "outcomes": {text: 1},
        "remarks": [text],
        "seconds": 0.0,
        "energy_joules": 1.0,
        "energy_populations": 1,
        "spec": spec,
        "arms": [{"arm": text, "generator": text, "outcomes": {text: 2}, "best": None}],
        "provenance": {text: {"diff": text, "untracked": [text]}, "other": text},
    }
    print_sweep(facts)
    shown = capsys.readouterr().out
    assert all(line.isprintable() for line in shown.split("\n"))
