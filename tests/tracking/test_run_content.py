"""Content of runs, and the form of a store's address that may be shown: the parts of the mirror without a store."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fabricated import ARMS, fabricate_sweep
from support.paths import ROOT

from harness.errors import InputError
from harness.store import Store
from harness.tracking import Mirror, absolute_uri, default_uri, redact
from harness.tracking.committed_trials import UNSCORED_PER_ARM, Trial, Trials
from harness.tracking.run_content import tagged_members, trial_run
from harness.tracking.uri import scrub

# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P9", "P12")
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"], exclude_characters="*"), min_size=1))
def test_no_password_survives_redaction(password: str) -> None:
    """Whatever characters a password has, it is not in the shown address, nor in a message that quotes it.

    Asterisks are left out, for what replaces a password consists of them; a newline in their place keeps what was
    on either side apart.
    """
    shown = "postgresql+psycopg://user:***@db.example:5432/runs?sslmode=require"
    address = shown.replace("***", password)
    assert redact(address) == shown
    for message in (f"\n{address}\n", f"\n{password}\n"):
        assert password not in scrub(message, address).replace("***", "\n")


@pytest.mark.promise("P9")
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://me:pw@host:5000/prefix", "https://me:***@host:5000/prefix"),
        ("postgresql://db/x?user=me&password=pw&sslmode=on", "postgresql://db/x?user=me&password=***&sslmode=on"),
        ("https://host/?access_token=abc", "https://host/?access_token=***"),
    ],
)
def test_only_secrets_are_hidden(address: str, shown: str) -> None:
    """An address without a secret is shown as it is; passwords and tokens among its fields are hidden."""
    assert redact(address) == shown


def test_default_store_is_the_one_mlflow_ui_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without configuration runs go to mlflow.db of the working directory; MLflow's environment variable wins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert default_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other/runs.db?timeout=5")
    assert default_uri() == f"sqlite:///{tmp_path}/other/runs.db?timeout=5"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert default_uri() == "http://127.0.0.1:5000"


@pytest.mark.promise("P12")
@pytest.mark.parametrize("address", ["mlruns", "file:///tmp/mlruns", "sqlite:///:memory:", "", "ftp://u:secret@host"])
def test_what_is_no_store_is_refused_in_one_line(address: str, tmp_path: Path) -> None:
    """An address MLflow 3 cannot write runs to is refused before anything starts, naming what is allowed."""
    with pytest.raises(InputError, match="allowed: sqlite:///FILE") as refusal:
        Mirror(tmp_path, address)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)
    with pytest.raises(InputError):
        absolute_uri(address)


def test_importing_the_package_leaves_mlflow_alone() -> None:
    """The training process never imports mlflow by importing harness.tracking."""
    code = "import sys, harness.tracking; sys.exit('mlflow' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# --- what a run holds -----------------------------------------------------------------------------------------------

SNAPSHOTS = 5
_MAYBE = st.none() | st.floats(0, 2) | st.sampled_from([math.nan, math.inf, -math.inf])


@pytest.mark.promise("P9")
@settings(max_examples=60)
@given(st.lists(st.tuples(_MAYBE, _MAYBE, st.lists(_MAYBE, min_size=SNAPSHOTS, max_size=SNAPSHOTS)), min_size=1))
def test_only_finite_numbers_are_sent(committed_sweep: Path, values: list[tuple[Any, Any, list[Any]]]) -> None:
    """Whatever numbers members bear, a run's are finite; a KS distance that is missing counts 1; absences are named."""
    trials = Trials(Store(committed_sweep), Store(committed_sweep).describe())
    trials.refresh()
    template = trials.rows(trials.wanted()[0])[0]
    rows = [
        {
            **template,
            "ks": ks,
            "w1": w1,
            "lr_d": w1,
            "snapshot_step": list(range(1, SNAPSHOTS + 1)),
            "snapshot_ks": curve,
            "snapshot_loss_d": curve,
        }
        for ks, w1, curve in values
    ]
    content = trial_run(Store(committed_sweep).describe(), Trial("a", "search", 0), rows, "folder")
    assert all(math.isfinite(value) for _, value, _ in content.metrics)
    points = {(name, step): value for name, value, step in content.metrics}
    finite = [
        [v for v in seed if v is not None and math.isfinite(v)] for seed in zip(*(c for *_, c in values), strict=True)
    ]
    for step, kept in enumerate(finite, start=1):
        ones = len(values) - len(kept)
        assert points["ks", step] == pytest.approx((sum(kept) + ones) / len(values))
        assert (("loss_d", step) in points) == bool(kept)
    has_w1 = any(w1 is not None and math.isfinite(w1) for _, w1, _ in values)
    assert ("w1" in content.tags.get("harness.absent", "")) == (not has_w1)
    assert ("lr_d" in content.params) == (values[0][1] is not None and math.isfinite(values[0][1]))


@pytest.mark.promise("P9")
def test_long_lists_of_members_are_whole(committed_sweep: Path) -> None:
    """300 member keys of 64 characters exceed one tag of 8,000; they are split and come back in order."""
    trials = Trials(Store(committed_sweep), Store(committed_sweep).describe())
    trials.refresh()
    template = trials.rows(trials.wanted()[0])[0]
    keys = [f"{i:064x}" for i in range(300)]
    rows = [{**template, "key": key} for key in keys]
    tags = trial_run(Store(committed_sweep).describe(), Trial("a", "confirm", 0), rows, "folder").tags
    assert max(map(len, tags.values())) <= 8000
    assert tagged_members(tags) == keys


def test_beyond_the_limit_the_telling_trials_are_kept(tmp_path: Path) -> None:
    """With a quota of 2 trials an arm, best, median and unscored ones of a finished search are added, no others."""
    store = fabricate_sweep(tmp_path / "sweep", trials=9, seeds=1, confirm=0)
    trials = Trials(store, store.describe(), limit=8)
    trials.refresh()
    frame = store.frame()
    assert trials.quota == 2
    assert {t.number for t in trials.wanted()} == {0, 1}
    assert len(trials.wanted()) == 2 * len(ARMS)
    expected = set()
    for arm, rows in frame.groupby("arm"):
        ranked = rows.sort_values(["ks", "trial"])
        outside = ranked[ranked["trial"] >= 2]
        unscored = outside[outside["outcome"] != "scored"]["trial"].head(UNSCORED_PER_ARM)
        picks = {int(ranked["trial"].iloc[0]), int(ranked["trial"].iloc[4]), *map(int, unscored)}
        expected |= {(str(arm), number) for number in picks if number >= 2}
    assert {(t.arm, t.number) for t in trials.beyond()} == expected
    unfinished = Trials(store, {**store.describe(), "spec": {"search": {"trials": 10, "seeds": 1}}}, limit=8)
    unfinished.refresh()
    assert unfinished.beyond() == []
