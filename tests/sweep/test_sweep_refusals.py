"""Refusals to mix or overwrite sweeps, and members that end without a score."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from support.sweeps import RATES, STEPS, InterruptingListener, carry_on, contents, experiment, tempered

from harness.engines.base import Measure, Progress, Segment, TrainingResult
from harness.engines.batched import BatchedEngine
from harness.engines.reference import ReferenceEngine
from harness.errors import InputError, StoreError
from harness.losses import LOSSES
from harness.members import Group, Member
from harness.store import Store, locked
from harness.sweep.folder import set_aside
from harness.sweep.sweep import Sweep

# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P12", "F22")
def test_a_changed_experiment_is_refused_with_its_differences(finished_sweep: Store) -> None:
    """The message names each changed key with both values, and nothing on disk changes."""
    before = contents(finished_sweep.folder)
    changed = experiment(seed=3, confirm={"seeds": 5})
    with pytest.raises(InputError, match=r"holds another experiment \(2 differences\); --fresh") as caught:
        carry_on(changed, finished_sweep.folder)
    assert caught.value.details == ("confirm.seeds: 2 -> 5", "seed: 0 -> 3")
    with pytest.raises(InputError, match=r"holds another experiment \(seed: 0 -> 3\); --fresh"):
        carry_on(experiment(seed=3), finished_sweep.folder)
    assert contents(finished_sweep.folder) == before


def test_a_changed_question_is_no_other_experiment(sweep_copy: Store) -> None:
    """Keys that do not change results may differ; the sweep keeps its own texts."""
    ear = InterruptingListener()
    carry_on(experiment(question="Why?"), sweep_copy.folder, ear)
    assert ear.indices == []
    assert sweep_copy.describe()["spec"]["question"] == ""


@pytest.mark.promise("P10", "P12", "F22")
def test_another_engine_is_refused(finished_sweep: Store) -> None:
    """Members of two engines never meet in one sweep: the message names both."""
    before = contents(finished_sweep.folder)
    with pytest.raises(InputError, match=r"trained by engine batched/1/cpu, not reference/1"):
        carry_on(experiment(), finished_sweep.folder, engine=ReferenceEngine())
    assert contents(finished_sweep.folder) == before


@pytest.mark.promise("P2", "F9")
def test_a_locked_folder_is_refused(sweep_copy: Store, tmp_path: Path) -> None:
    """While one process writes a sweep, no other runs it, starts another in its place, or sets it aside."""
    with sweep_copy.lock():
        with pytest.raises(InputError, match="another process"):
            carry_on(experiment(), sweep_copy.folder)
        with pytest.raises(InputError, match="another process"):
            set_aside(sweep_copy.folder)
    with Store(tmp_path / "new").lock(), pytest.raises(InputError, match="another process"):
        Sweep(experiment(), Store(tmp_path / "new"), BatchedEngine("cpu")).open()
    assert not (tmp_path / "new/sweep.json").exists()


@pytest.mark.promise("P4", "P12", "F13")
@pytest.mark.parametrize("damage", ["truncated", "altered", "empty"])
def test_a_damaged_population_is_refused_by_name_and_can_be_trained_again(sweep_copy: Store, damage: str) -> None:
    """The message names the file; deleting it, as the message says, brings back the same rows."""
    path = sweep_copy.folder / "populations/000004.parquet"
    table, data = sweep_copy.table(), path.read_bytes()
    flipped = data[:200] + bytes([data[200] ^ 1]) + data[201:]
    path.write_bytes({"truncated": data[: len(data) // 2], "altered": flipped, "empty": b""}[damage])
    with pytest.raises(StoreError, match=r"000004\.parquet.*delete it") as caught:
        carry_on(experiment(), sweep_copy.folder)
    assert "\n" not in str(caught.value)
    path.unlink()
    carry_on(experiment(), sweep_copy.folder)
    assert repr(sweep_copy.table().to_pylist()) == repr(table.to_pylist())


@pytest.mark.promise("P2", "F22")
@pytest.mark.parametrize(("index", "source"), [(4, 2), (5, 4), (8, 9)])
def test_a_population_of_other_members_is_refused(sweep_copy: Store, index: int, source: int) -> None:
    """A readable file with the rows of another place is not taken for this one, in a finished round either."""
    folder = sweep_copy.folder / "populations"
    shutil.copy(folder / f"{source:06d}.parquet", folder / f"{index:06d}.parquet")
    with pytest.raises(StoreError, match=r"population \d holds other members"):
        carry_on(experiment(), sweep_copy.folder)


@pytest.mark.promise("P10", "F22")
def test_a_changed_formula_is_refused(tmp_path: Path) -> None:
    """Rows of a formula that has changed since are not mixed with new ones, though the variant's name is the same."""
    spec = {"variants": ["tempered", "minimax"]}
    with LOSSES.registered(tempered()), pytest.raises(KeyboardInterrupt):
        carry_on(experiment(**spec), tmp_path / "mine", InterruptingListener(commits=4))
    with LOSSES.registered(tempered(factor=3)), pytest.raises(StoreError, match="a changed loss formula"):
        carry_on(experiment(**spec), tmp_path / "mine")


@pytest.mark.promise("P12", "F13")
def test_a_description_without_its_parts_is_refused(sweep_copy: Store) -> None:
    """A sweep.json that is JSON and yet no description is named as damaged."""
    sweep_copy.amend({"uid": "0" * 32})
    with pytest.raises(StoreError, match=r"sweep\.json: damaged"):
        carry_on(experiment(), sweep_copy.folder)


@pytest.mark.promise("P12")
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the folder should be: one line for the user, no traceback."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match=r"taken.*: cannot be written"):
        carry_on(experiment(), tmp_path / "taken" / "sweep")


@pytest.mark.promise("P1")
def test_fresh_sets_the_old_sweep_aside_and_keeps_it(sweep_copy: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old folder gets the next free number, byte for byte; a folder without a sweep or in use is left alone."""
    folder, before = sweep_copy.folder, contents(sweep_copy.folder)
    with locked(folder / "mirror.lock"), pytest.raises(InputError, match="another process"):
        set_aside(folder)
    before["mirror.lock"] = hashlib.sha256(b"").hexdigest()
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match="working directory"):
        set_aside(Path())
    monkeypatch.undo()
    (folder.parent / "small.1").mkdir()
    assert set_aside(folder) == folder.parent / "small.2"
    assert contents(folder.parent / "small.2") == before
    assert set_aside(folder) is None
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    assert set_aside(folder) is None
    carry_on(experiment(seed=9), folder, InterruptingListener())
    assert set(Store(folder).frame()["study_seed"]) == {9}
    assert Store(folder).describe()["uid"] != Store(folder.parent / "small.2").describe()["uid"]


# --- members without a score ----------------------------------------------------------------------------------------


@pytest.mark.promise("F17")
def test_a_sweep_of_diverging_members_completes_and_says_so(tmp_path: Path) -> None:
    """At rates of 1e6 the squared logits overflow float32 within 20 steps: every row is there, with KS 1."""
    space = {name: {"low": 1e5, "high": 1e6, "log": True} for name in RATES}
    train = {"steps": STEPS, "batch": 20, "hidden": 8, "lr_d": 1e6, "lr_g": 1e6}
    search = {"sampler": "tpe", "trials": 3, "seeds": 1, "space": space}
    spec = experiment(variants=["least_squares", "least_squares(a=-1, c=0)"], train=train, search=search)
    frame = carry_on(spec, tmp_path / "wild").frame()
    assert len(frame) == 2 * (3 + 2)
    assert set(frame["outcome"]) == {"diverged"}
    assert set(frame["ks"]) == set(frame["ks_iid"]) == {1.0}
    assert frame[["w1", "mean", "sd", "failure"]].isna().all(axis=None)
    assert frame["stopped_step"].between(1, STEPS).all()
    assert frame["stopped_tensor"].str.match(r"gradient of [DG]\.|generated sample").all()


class Cramped:
    """The batched engine on a machine with room for up to 4 hidden units; beyond, it meets ``shortage``'s error."""

    name, identity, device = "cramped", "cramped/1/cpu", "cpu"

    def __init__(self, shortage: str) -> None:
        self._shortage, self._engine = shortage, BatchedEngine("cpu")

    def unsupported_reason(self, member: Member) -> str | None:
        return None

    def train(
        self, group: Group, measure: Measure, progress: Progress, segments: Sequence[Segment] | None = None
    ) -> TrainingResult:
        if group.shape.hidden > 4:
            if self._shortage == "numpy":
                np.empty(10**15)
            if self._shortage == "torch":
                torch.empty(10**15)
            raise torch.OutOfMemoryError("CUDA out of memory. ScoredTrial to allocate 2.00 GiB.\nMore lines follow.")
        return self._engine.train(group, measure, progress, segments)


@pytest.mark.promise("P5", "F18")
@pytest.mark.parametrize(("shortage", "words"), [("numpy", "PiB"), ("torch", "alloc"), ("cuda", "2.00 GiB.")])
def test_out_of_memory_is_a_row_and_the_sweep_goes_on(tmp_path: Path, shortage: str, words: str) -> None:
    """Members of a shape that does not fit fail with KS 1 and one line of reason; their neighbours are scored."""
    space = {"hidden": {"choices": [4, 8]}}
    search = {"sampler": "grid", "trials": 2, "seeds": 2, "space": space}
    spec = experiment(search=search, population=64)
    store = carry_on(spec, tmp_path / "full", engine=Cramped(shortage))
    frame = store.frame()
    failed, others = frame[frame["hidden"] == 8], frame[frame["hidden"] == 4]
    assert (len(failed), set(failed["outcome"]), set(failed["ks"])) == (4, {"failed"}, {1.0})
    assert failed["failure"].str.contains(words, regex=False).all()
    assert not failed["failure"].str.contains("\n").any()
    assert (len(others), set(others["outcome"])) == (8, {"scored"})
    assert set(frame[frame["stage"] == "confirm"]["hidden"]) == {4}
    carry_on(spec, tmp_path / "full", engine=Cramped(shortage))


class Broken(Cramped):
    """An engine with a fault that is none of memory."""

    def train(self, group: Group, measure: Measure, progress: Progress, segments: object = None) -> TrainingResult:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.promise("P5")
def test_an_error_of_the_program_is_no_outcome(tmp_path: Path) -> None:
    """Only a lack of memory becomes a row; any other error ends the sweep, and nothing is committed."""
    with pytest.raises(RuntimeError, match="shapes"):
        carry_on(experiment(), tmp_path / "broken", engine=Broken("none"))
    assert Store(tmp_path / "broken").committed() == []
