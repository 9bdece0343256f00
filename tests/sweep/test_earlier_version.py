"""Sweeps that an earlier version committed: trained again to the same rows, and taken up by every command."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from support.command_line import harness
from support.engines import bits, trained
from support.members import member
from support.paths import ASSETS
from support.sweeps import InterruptingListener, assert_same_rows

from harness.config import Experiment
from harness.engines import choose
from harness.engines.cuda import CudaEngine, HostBuild
from harness.store import Store
from harness.sweep.sweep import Sweep

FOLDER = ASSETS / "sweeps"
#: The folders of committed sweeps, and the engine that trained each.
ENGINES = {"cpu": "cpu", "batched": "batched-cpu", "reference": "reference", "halved": "cpu"}
#: What the CUDA engine's host build trained for ``cuda_host.json``.
HOST_LOSSES = ("minimax", "seed_exact", "hinge", "wgan_gp", "rpgan", "sngan", "extragradient")


@cache
def same_processor() -> bool:
    """Whether this is the kind of processor, and the torch, that the sweeps were trained with: bits depend on both."""
    fields = dict.fromkeys(json.loads((FOLDER / "processor.json").read_text()), "")
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else []:
        name, _, value = line.partition(":")
        if name.strip() in fields:
            fields[name.strip()] = value.strip()
    fields["torch"] = torch.__version__.partition("+")[0]
    return fields == json.loads((FOLDER / "processor.json").read_text())


def trained_again(name: str, folder: Path) -> Store:
    """The committed sweep of that name, trained anew from the specification that it stores."""
    spec = Experiment.from_json(Store(FOLDER / name).describe()["spec"])
    sweep = Sweep(spec, Store(folder / name), choose(ENGINES[name]), reuse=False)
    sweep.open()
    sweep.run(InterruptingListener())
    return sweep.store


@pytest.mark.parametrize("name", ENGINES)
def test_trained_again_the_rows_are_those_committed(name: str, tmp_path: Path) -> None:
    """Keys are equal; on the same processor every column is, bit for bit, elsewhere KS is within rounding."""
    before, now = Store(FOLDER / name), trained_again(name, tmp_path)
    assert now.describe()["fingerprint"] == before.describe()["fingerprint"]
    if same_processor():
        assert_same_rows(now, before)
        return
    old, new = (store.frame().set_index("key").sort_index() for store in (before, now))
    if name != "halved":  # who goes on past a rung follows from KS, so that rounding may decide it
        assert list(old.index) == list(new.index)
        # A few tens of steps amplify rounding of 1e-7 by less than 1e4 (docs/agreement.md).
        np.testing.assert_allclose(new["ks"], old["ks"], atol=1e-3)


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ on the PATH")
def test_the_kernels_host_build_gives_the_results_it_gave() -> None:
    """Keys of members are equal; on the same processor so is everything that training them returned."""
    engine, before = CudaEngine(HostBuild(level=0)), json.loads((FOLDER / "cuda_host.json").read_text())
    shape = {"steps": 12, "batch": 10, "hidden": 8, "snapshots": (6, 12)}
    for loss in HOST_LOSSES:
        for view in ("variances", "sorted"):
            one = member(loss, view=view, **shape, lr_g=1e-3, beta1=0.5)
            key, digest = before[f"{loss} {view}"]
            assert one.key(engine.identity) == key
            if same_processor():
                result = repr(bits(trained(engine, [one]), 0))
                assert hashlib.sha256(result.encode()).hexdigest() == digest, (loss, view)


@pytest.fixture
def earlier(tmp_path: Path) -> Store:
    """A copy of the halved sweep of the earlier version, in the place where commands look."""
    shutil.copytree(FOLDER / "halved", tmp_path / "sweeps" / "every_kind")
    return Store(tmp_path / "sweeps" / "every_kind")


def test_every_command_takes_up_a_folder_of_an_earlier_version(earlier: Store, tmp_path: Path) -> None:
    """It is listed, shown, replayed, mirrored and reported; none of these changes a committed byte."""
    rows = earlier.frame()
    populations = {path.name: path.read_bytes() for path in (earlier.folder / "populations").iterdir()}
    assert "every_kind" in harness(tmp_path, "sweeps").stdout
    assert harness(tmp_path, "show", "every_kind").returncode == 0
    replay = harness(tmp_path, "replay", rows["key"].iloc[0])
    assert replay.returncode == (0 if same_processor() else replay.returncode), replay.stdout
    assert rows["key"].iloc[0] in replay.stdout
    mirror = harness(tmp_path, "mirror", "every_kind", "--to", f"sqlite:///{tmp_path}/runs.db")
    assert mirror.returncode == 0, mirror.stderr
    report = harness(tmp_path, "report", "sweeps/every_kind")
    assert report.returncode == 0, report.stderr
    assert (earlier.folder / "report" / "report.html").is_file()
    assert {path.name: path.read_bytes() for path in (earlier.folder / "populations").iterdir()} == populations


def test_an_earlier_sweep_is_resumed_and_extended(earlier: Store, tmp_path: Path) -> None:
    """A lost population is trained again, a raised budget adds rounds, and what was committed stays as it was."""
    sweep = Sweep(Experiment.from_json(earlier.describe()["spec"]), earlier, choose("cpu"))
    last = earlier.committed()[-1]
    (file,) = (earlier.folder / "populations").glob(f"{last:06d}*.parquet")
    file.unlink()
    sweep.open()
    sweep.run(InterruptingListener())
    assert earlier.committed()[-1] == last
    if same_processor():
        assert_same_rows(earlier, Store(FOLDER / "halved"))
    before = earlier.frame().query("stage == 'search'")
    extended = Sweep(sweep.experiment, earlier, choose("cpu"))
    extended.open(extend=12)
    extended.run(InterruptingListener())
    after = earlier.frame().query("stage == 'search'")
    assert set(before["key"]) < set(after["key"])
    assert after.groupby("arm")["trial"].nunique().unique().tolist() == [12]
