"""A committed member trained again: a match where nothing was changed, and what differs where something was."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.sweeps import altered

from harness.errors import InputError
from harness.store import Store
from harness.sweep.lookup import find_member
from harness.sweep.replay import replay


@pytest.mark.promise("P10")
def test_replay_finds_every_kind_of_row_to_match(finished_sweep: Store) -> None:
    """TrainingResult alone, members of the search and of the confirm stage come out bit for bit as committed."""
    frame = finished_sweep.frame()
    for key in (frame["key"].iloc[0], frame["key"].iloc[13], frame["key"].iloc[-1]):
        outcome = replay(find_member(key, finished_sweep.folder))
        assert outcome.matches, outcome.text
        assert outcome.text.startswith("match: ")


@pytest.mark.parametrize(
    ("column", "value"),
    [("digest", "0" * 64), ("ks", 0.5), ("failure", "none"), ("stopped_step", 3), ("generator", [0.0] * 97)],
)
def test_replay_says_what_differs(sweep_copy: Store, column: str, value: Any) -> None:
    """A committed row that training does not reproduce is told by the columns that differ."""
    key = altered(sweep_copy, 9, column, value)
    outcome = replay(find_member(key, sweep_copy.folder))
    assert not outcome.matches
    assert outcome.text.startswith("differ: ")
    assert f": {column}; KS" in outcome.text


def test_replay_refuses_what_it_cannot_train(sweep_copy: Store) -> None:
    """An arm that the sweep has not, an engine that is not here, a key that nobody has: each in one line."""
    key = altered(sweep_copy, 8, "arm", "other / raw")
    with pytest.raises(InputError, match="none of the sweep's"):
        replay(find_member(key, sweep_copy.folder))
    key = altered(sweep_copy, 9, "engine", "other/7")
    with pytest.raises(InputError, match="no such engine"):
        replay(find_member(key, sweep_copy.folder))
    with pytest.raises(InputError, match="no committed member has this key"):
        find_member("0" * 16, sweep_copy.folder)
    with pytest.raises(InputError, match="allowed are a member's key"):
        find_member("small", sweep_copy.folder)


def test_replay_looks_through_all_sweeps_past_a_damaged_one(
    sweep_copy: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is found in sweeps/ although another sweep there cannot be read; if not found, that one is named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps/broken").mkdir(parents=True)
    (tmp_path / "sweeps/broken/sweep.json").write_text("{}")
    shutil.move(sweep_copy.folder, tmp_path / "sweeps/small")
    key = Store(tmp_path / "sweeps/small").frame()["key"].iloc[0]
    assert find_member(key).row["key"] == key
    with pytest.raises(InputError, match=r"looked in .*small.*broken/sweep\.json: damaged"):
        find_member("0" * 16)
