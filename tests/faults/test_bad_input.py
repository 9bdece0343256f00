"""Bad input that comes as a file or an address: files of other kinds, links out of a folder, passwords.

Values of an experiment file are in test_spec_file.py, sample files in test_scoring.py, text on pages in test_report.py,
the command line in test_cli_refusals.py.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.command_line import EXPERIMENT, tree
from support.forks import COMMAND_LINE, Forks
from support.mlflow_store import make_database, make_sweep

from harness.config import load
from harness.data.target import Target
from harness.errors import InputError, StoreError
from harness.losses import Variant, fake, real, register
from harness.losses.primitives import softplus
from harness.metrics.sample_files import score_file
from harness.store import Store
from harness.tracking import Mirror

# From inside mlflow, where the tests read its store.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

#: A password that stands in no text by chance.
PASSWORD = "s3cr3t-Qx7"  # noqa: S105


class Touching:
    """Unpickled, it makes a file in the working directory: proof that code of the file was run."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (open, ("ran", "w"))


def pickled() -> bytes:
    """A pickle that runs code when it is loaded, of the protocol that looks like lines of text."""
    return pickle.dumps(Touching(), protocol=0)


def saved_by_torch() -> bytes:
    """What torch.save makes of it: a zip file around the pickle."""
    sink = io.BytesIO()
    torch.save({"weights": torch.zeros(2), "more": Touching()}, sink)
    return sink.getvalue()


def array_of_objects() -> bytes:
    """A .npy file that holds it."""
    sink = io.BytesIO()
    np.save(sink, np.array([Touching()], dtype=object), allow_pickle=True)
    return sink.getvalue()


def bomb() -> bytes:
    """A zip file of some 10 kB that unpacks to 10 MB."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights.npy", bytes(10**7))
    return sink.getvalue()


def promise_of_gigabytes() -> bytes:
    """A .npy header that announces 80 GB and no data."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000,), }\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


#: Files that are no text of ours, by what makes them.
FOREIGN: dict[str, Callable[[], bytes]] = {
    "pickle": pickled,
    "torch.save": saved_by_torch,
    "objects": array_of_objects,
    "zip bomb": bomb,
    "huge header": promise_of_gigabytes,
    "python": lambda: b"import os\nopen('ran', 'w')\n",
    "yaml": lambda: b"name: labels\nseed: !!python/object/apply:os.system ['touch ran']\n",
}


@pytest.mark.promise("P8", "P12")
@pytest.mark.parametrize("suffix", [".toml", ".npy", ".csv"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_files_of_other_kinds_are_refused_by_their_content(
    kind: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an experiment and as a sample, under any suffix: an InputError of one line, and no code of the file is run."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"given{suffix}"
    path.write_bytes(FOREIGN[kind]())
    for reading in (lambda: load(path), lambda: score_file(path, Target(), None)):
        with pytest.raises(InputError) as caught:
            reading()
        assert str(caught.value).isprintable()
        assert str(caught.value).startswith(str(path))
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.promise("P8", "F13")
@pytest.mark.parametrize("kind", FOREIGN)
def test_files_of_other_kinds_are_no_files_of_a_sweep(
    kind: str, sweep_copy: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the place of a population or of sweep.json: named as damaged, and no code of the file is run."""
    monkeypatch.chdir(sweep_copy.folder)
    for name in ("populations/000001.parquet", "sweep.json"):
        path = sweep_copy.folder / name
        before = path.read_bytes()
        path.write_bytes(FOREIGN[kind]())
        with pytest.raises(StoreError, match="damaged"):
            sweep_copy.describe(), sweep_copy.table()
        path.write_bytes(before)
    assert not (sweep_copy.folder / "ran").exists()


@pytest.mark.promise("P7", "P8")
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"name": "small"', '"name": "small", "name": "other"'),
        lambda text: text.replace('"success_ks": 0.05', '"success_ks": NaN'),
        lambda text: text.replace('"success_ks": 0.05', '"success_ks": 1e999'),
        lambda text: text + "\0",
        lambda text: "[" * 10**5 + text,
    ],
    ids=["duplicate key", "NaN", "infinity", "NUL", "depth"],
)
def test_json_that_is_almost_ours_is_refused(change: Callable[[str], str], sweep_copy: Store) -> None:
    """Where a parser of JSON would be lenient the checksum, or the parser itself, is not."""
    path = sweep_copy.folder / "sweep.json"
    changed = change(path.read_text())
    assert changed != path.read_text()
    path.write_text(changed)
    with pytest.raises(StoreError, match=r"sweep\.json: damaged"):
        sweep_copy.describe()


@pytest.mark.promise("P8")
def test_a_link_out_of_a_sweep_is_not_mirrored(tmp_path: Path) -> None:
    """A symbolic link among the files of the report, to a file elsewhere: its content reaches no run."""
    folder, database = make_sweep(tmp_path / "labels"), make_database(tmp_path / "mlflow.db")
    (tmp_path / "private.txt").write_text(PASSWORD)
    (folder / "report").mkdir(exist_ok=True)
    (folder / "report/page.html").write_text("mine")
    (folder / "report/linked.txt").symlink_to(tmp_path / "private.txt")
    mirror = Mirror(folder, f"sqlite:///{database}")
    mirror.start()
    assert mirror.wait(lambda progress: None).complete
    kept = [path for path in (tmp_path / "mlartifacts").rglob("*") if path.is_file()]
    assert "page.html" in {path.name for path in kept}
    assert [path.name for path in kept if PASSWORD in path.read_text(errors="replace")] == []


@pytest.mark.promise("P9")
@pytest.mark.parametrize(
    "uri",
    [f"postgresql://user:{PASSWORD}@127.0.0.1:9/runs", f"http://127.0.0.1:9/?token={PASSWORD}"],
    ids=["database", "token"],
)
def test_a_password_is_in_no_output_and_no_file(uri: str, tmp_path: Path, forks: Forks) -> None:
    """A whole sweep whose tracking store does not answer: neither screen nor folder has the password of its address."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    command = ("sweep", "small.toml", "--engine", "batched-cpu")
    ended = forks.run(COMMAND_LINE, *command, folder=tmp_path, MLFLOW_TRACKING_URI=uri)
    assert ended.status == 0, ended.err
    assert "***" in ended.err
    assert PASSWORD not in ended.out + ended.err
    told = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert [path for path, content in told.items() if PASSWORD.encode() in content] == []


@pytest.mark.promise("P12")
def test_an_entry_that_is_not_finite_is_refused_by_name() -> None:
    """A variant whose loss is NaN at ordinary logits is refused when it is registered, not when it trains."""
    bad = Variant(
        name="bottomless", family="mine", discriminator=softplus(-real) + softplus(fake), generator=1 / (fake - fake)
    )
    with pytest.raises(InputError, match="bottomless"):
        register(bad)


@pytest.mark.promise("P8", "P12")
@pytest.mark.parametrize("name", ["../out", "/out", "a\\b", "%2e%2e", "a#b", "a?b", "CON", "x" * 10_000, "ｌabels"])
def test_a_name_leads_nowhere_else(name: str, tmp_path: Path, forks: Forks) -> None:
    """Refused in one line, or a label of a folder inside sweeps/; a dry run in either case writes nothing."""
    quoted = json.dumps(name)
    (tmp_path / "small.toml").write_text(EXPERIMENT.replace('"small"', quoted, 1))
    before = tree(tmp_path)
    ended = forks.run(COMMAND_LINE, "sweep", "small.toml", "--engine", "batched-cpu", "--dry-run", folder=tmp_path)
    assert ended.status in (0, 2)
    if ended.status == 2:
        assert ended.err.startswith("error: small.toml: name: ")
        assert ended.err.count("\n") == 1
    else:
        assert "sweeps/" in ended.out
    assert tree(tmp_path) == before
