"""The study of docs/agreement.md: engines differ in rounding, which training amplifies, and in nothing else."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from report import compare, write_report
from study import MAKERS, MEMBERS, STEPS, members, train_members
from support.paths import DOCS

COMMITTED = {path.stem: pd.read_csv(path) for path in sorted((DOCS / "figures/agreement").glob("*.csv"))}

#: A small study: 64 members whose networks have 8 units, 1,500 steps at ten times the script's rates.
SMALL = {"batch": 20, "hidden": 8, "lr_d": 2e-3, "lr_g": 2e-3}


def test_the_committed_study_is_whole() -> None:
    """256 members of 10,000 steps of the engines that people train with, some of the CUDA kernel's host build."""
    assert {"cpu", "batched-cpu", "cuda-host"} <= set(COMMITTED)
    for name, table in COMMITTED.items():
        assert set(table["steps"]) == {STEPS}
        assert table["seed"].tolist() == list(range(len(table)))
        assert len(table) == MEMBERS or name == "cuda-host"


def test_no_two_engines_are_told_apart() -> None:
    """Of all tests of all pairs the least p, corrected for their number, is no evidence of a difference."""
    pairs = compare(COMMITTED)
    assert len(pairs) == len(COMMITTED) * (len(COMMITTED) - 1) / 2
    assert pairs["least p, Holm"].min() > 0.05


def test_the_page_is_made_from_the_committed_files(tmp_path: Path) -> None:
    """docs/agreement.md is generated, to the letter."""
    write_report(DOCS / "figures/agreement", tmp_path)
    assert (tmp_path / "agreement.md").read_text() == (DOCS / "agreement.md").read_text()


@pytest.fixture(scope="module")
def small_study() -> dict[str, pd.DataFrame]:
    """The small study with the engines of this machine."""
    (member,) = members(1, 1, **SMALL)
    names = [n for n in ("cpu", "batched-cpu", "cuda-host") if MAKERS[n]().unsupported_reason(member) is None]
    return {name: train_members(MAKERS[name](), 64, 1500, **SMALL) for name in names}


def test_a_small_study_agrees_too(small_study: dict[str, pd.DataFrame]) -> None:
    """Made anew here: no pair of engines is told apart, at a level at which chance fails once in a thousand times."""
    assert {"cpu", "batched-cpu"} <= set(small_study)
    assert compare(small_study)["least p, Holm"].min() > 0.001


def test_a_difference_would_be_seen(small_study: dict[str, pd.DataFrame]) -> None:
    """The tests have power: a generator's rate of 0.3 its size is told from the engine's own (p of 9e-7 was seen)."""
    other = train_members(MAKERS["cpu"](), 64, 1500, **SMALL | {"lr_g": 6e-4})
    assert compare({"cpu": small_study["cpu"], "other": other})["least p, Holm"].min() < 0.001
