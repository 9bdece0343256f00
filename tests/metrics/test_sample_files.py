"""Sample files: what is read, what is refused, and the scores of a file."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from harness.data.target import Target
from harness.errors import InputError
from harness.metrics.distances import DISTANCES
from harness.metrics.sample_files import read_samples, score_file

SCRIPT_TARGET = Target("norm", {"loc": 4.0, "scale": 1.25})


def saved(folder: Path, array: NDArray[Any], name: str = "x.npy") -> Path:
    """The path of a new .npy file."""
    np.save(folder / name, array)
    return folder / name


def test_sample_files_are_read(tmp_path: Path) -> None:
    """A .npy column of any real type and a .csv column, with or without header, give their numbers in float64."""
    x_S = np.random.default_rng(9).normal(4, 1.25, 20)
    kinds = ("<f8", ">f8", "<f4", "u1")
    arrays: list[NDArray[Any]] = [x_S[:, None], x_S[:0], *(x_S.astype(kind) for kind in kinds)]
    for i, array in enumerate(arrays):
        read = read_samples(saved(tmp_path, array, f"{i}.NPY.npy"))
        assert read.dtype == np.float64
        assert read.tolist() == array.ravel().tolist()
    text = tmp_path / "x.CSV"
    lines = [repr(float(x)) for x in x_S]
    for content in ("\n".join(lines), "x\r\n" + "\r\n".join(lines) + "\r\n", "\ufeff" + "\n\n".join(lines)):
        text.write_text(content, encoding="utf-8", newline="")
        assert read_samples(text).tolist() == x_S.tolist()
    text.write_text("name, x,y\na,1,2\nb,3,4\n")
    assert read_samples(text, "x").tolist() == [1, 3]
    text.write_text("1\nnan\n-inf\n+2e0\n1e999\n")
    assert np.array_equal(read_samples(text), [1, np.nan, -np.inf, 2, np.inf], equal_nan=True)
    for content in ("", "\n\n", "x", "x\n"):
        text.write_text(content)
        assert read_samples(text).shape == (0,)


CSV_FAULTS = {
    "1,2\n3,4\n": "2 columns (they have no names)",
    "x,y\n3,4\n": "2 columns (x, y); name one of them, or save",
    "1\n2,3\n": "Expected 1 columns, got 2",
    "1\n2\nthree\n": "invalid value 'three'",
    "1\n\x1b[2J\n": "invalid value '?[2J'",
    "x\n1\nNA\n": "invalid value 'NA'",
}


@pytest.mark.promise("P8", "P12")
@pytest.mark.parametrize("content", CSV_FAULTS)
def test_bad_text_is_refused(content: str, tmp_path: Path) -> None:
    """Ragged, wordy and many-columned text is an error of one printable line that names the file and what is wrong."""
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(InputError) as refusal:
        read_samples(path)
    assert CSV_FAULTS[content] in str(refusal.value)
    assert str(refusal.value).startswith(f"{path}: ")
    assert str(refusal.value).isprintable()


@pytest.mark.promise("P8", "P12")
def test_bad_arrays_are_refused(tmp_path: Path) -> None:
    """Objects (pickles), words, complex numbers, several columns and promises beyond the file are errors."""
    for array in (np.array([1, "a"], dtype=object), np.array(["a"]), np.array([1j]), np.ones((2, 2)), np.array(1.0)):
        with pytest.raises(InputError, match=r"x\.npy: .*one column of integers or floats"):
            read_samples(saved(tmp_path, array))
    path = saved(tmp_path, np.ones(3))
    whole = path.read_bytes()
    # The same header length, but 10^12 values: 8 TB that must not be asked for.
    path.write_bytes(whole.replace(b"(3,), }             ", b"(1000000000000,), } "))
    assert len(path.read_bytes()) == len(whole)
    assert b"(1000000000000,)" in path.read_bytes()
    with pytest.raises(InputError, match="not a readable"):
        read_samples(path)


@pytest.mark.promise("P8", "P12")
def test_wrong_files_are_refused(tmp_path: Path) -> None:
    """Missing files, folders, unknown suffixes, missing columns and more than 256 MiB are errors; nothing is read."""
    with pytest.raises(InputError, match=r"gone\.npy: no such file"):
        read_samples(tmp_path / "gone.npy")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="no such file"):
        read_samples(tmp_path / "folder.csv")
    for name in ("x.pkl", "x.yaml", "x"):
        with pytest.raises(InputError, match=r"got suffix .*; allowed: \.npy, \.csv"):
            read_samples(tmp_path / name)
    with pytest.raises(InputError, match="got column 'x', but only"):
        read_samples(saved(tmp_path, np.ones(3)), "x")
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(256 * 2**20 + 1)  # a hole: takes no disk
    with pytest.raises(InputError, match="256 MiB"):
        read_samples(large)


@pytest.mark.promise("P8")
@given(st.sampled_from([".npy", ".csv"]), st.binary(max_size=60), st.integers(0, 200), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_numbers_or_an_input_error(suffix: str, noise: bytes, at: int, whole: bool) -> None:
    """Arbitrary bytes, and a good file with bytes overwritten, are read as one column or refused: nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        if suffix == ".npy":
            saved(Path(folder), np.arange(4.0))
        else:
            path.write_text("x\n1\n2\n3\n")
        good = path.read_bytes()
        path.write_bytes(noise if whole else good[:at] + noise + good[at + len(noise) :])
        with contextlib.suppress(InputError):
            read = read_samples(path)
            assert (read.dtype.str, read.ndim) == ("<f8", 1)


def test_a_file_is_scored_as_json(tmp_path: Path) -> None:
    """The scores of a file are those of its numbers beside the floors, and are JSON without nan for every state."""
    x_S = np.random.default_rng(10).normal(4, 1.25, 500)
    report = score_file(saved(tmp_path, x_S), SCRIPT_TARGET)
    assert report["ks"] == stats.ks_1samp(x_S, SCRIPT_TARGET.frozen.cdf).statistic
    assert report["ks_pvalue"] == pytest.approx(stats.ks_1samp(x_S, SCRIPT_TARGET.frozen.cdf).pvalue, abs=1e-12)
    assert report["ks_over_floor"] == report["ks"] / report["floors"]["ks_mean"]
    assert (report["n"], report["target"], report["state"]) == (500, "norm(loc=4, scale=1.25)", "ordinary")
    bad = {"nonfinite": np.array([1.0, np.nan]), "constant": np.full(9, 4.0), "empty": np.empty(0)}
    for state, array in bad.items():
        report = score_file(saved(tmp_path, array), SCRIPT_TARGET)
        assert json.loads(json.dumps(report, allow_nan=False)) == report
        assert report["state"] == state
        assert report["ks"] == (0.5 if state == "constant" else 1.0)
        assert (report["floors"] is None) == (report["ks_over_floor"] is None) == (state == "empty")
        assert set(DISTANCES) <= set(report)
    for wide in (Target("lognorm", {"s": 1000.0}), Target("uniform", {"scale": 1.7e308})):
        assert score_file(saved(tmp_path, x_S), wide)["w1"] is None  # quantiles or their sum leave float64
