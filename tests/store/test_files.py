"""Writing files: whole or absent whatever happens on the way, one writer at a time, names that stay in their folder."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.processes import HOLD, python

from harness.errors import InputError, StoreError
from harness.store import Store, locked, slug, unfinished, write_whole

WAIT = """
from pathlib import Path
from harness.store import locked
print("asking", flush=True)
with locked(Path(sys.argv[1]), wait=True), open(sys.argv[2], "a") as file:
    file.write("second ")
"""


@pytest.mark.promise("P2", "F9")
def test_second_writer_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    """While one process holds the lock another gets an input error; SIGKILL of the holder frees it at once."""
    with subprocess.Popen(python(HOLD, tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another process is writing this sweep"), Store(tmp_path).lock():
            pass
        holder.send_signal(signal.SIGKILL)
        assert holder.wait() == -signal.SIGKILL
    with Store(tmp_path).lock():
        pass


@pytest.mark.promise("P3", "F9")
def test_lock_is_freed_by_an_error(tmp_path: Path) -> None:
    """An exception inside the lock frees it and passes on."""
    with pytest.raises(ZeroDivisionError), Store(tmp_path).lock():
        raise ZeroDivisionError
    with Store(tmp_path).lock():
        pass


@pytest.mark.promise("P2", "F9")
def test_waiting_for_the_lock(tmp_path: Path) -> None:
    """With ``wait`` a process gets the lock after its holder: the holder's last word comes first."""
    lock, words = tmp_path / "mirror.lock", tmp_path / "words"
    with locked(lock):
        waiting = subprocess.Popen(python(WAIT, lock, words), stdout=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "asking\n"
        words.write_text("first ")
    with waiting:
        assert waiting.wait() == 0
    assert words.read_text() == "first second "


OVERWRITE_AND_KILL = """
import os, random, signal, time
from pathlib import Path
from harness.store import write_whole
path, size = Path(sys.argv[1]), 300_000
write_whole(path, b"a" * size)
for kill in range(25):
    child = os.fork()
    if child == 0:
        while True:
            write_whole(path, b"b" * size)
            write_whole(path, b"a" * size)
    time.sleep(random.Random(kill).uniform(0.001, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(path.read_bytes() in (b"a" * size, b"b" * size))
"""

#: A limit of 10,000 bytes on files stands in for a full disk: both end a write half way with an error of the system.
LIMITED = """
import resource
sys.dont_write_bytecode = True  # it would be cut short, and nobody could import it again
from pathlib import Path
from harness.errors import StoreError
from harness.store import Store, write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    if sys.argv[2] == "file":
        write_whole(Path(sys.argv[1]), b"new" * 10_000)
    else:
        Store(Path(sys.argv[1])).commit(1, [{"generator": [i / 7 for i in range(10_000)]}], {})
except StoreError as error:
    print(error)
"""


@pytest.mark.promise("P7", "F4")
def test_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    """A process killed 25 times while it overwrites a file leaves the old or the new content, never a part."""
    done = subprocess.run(python(OVERWRITE_AND_KILL, tmp_path / "file"), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 25


@pytest.mark.promise("P7", "P12", "F11")
def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A write that the system ends half way is an error of one line with the file's name and size.

    The old content stays and no temporary file is left. 30,000 bytes are three times the limit of 10,000.
    """
    path = tmp_path / "old.csv"
    path.write_bytes(b"old")
    done = subprocess.run(python(LIMITED, path, "file"), capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{path}: 30000 bytes cannot be written (File too large); existing files are")
    assert done.stdout.count("\n") == 1
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.promise("P1", "P7", "P12", "F11")
def test_full_disk_commits_nothing(tmp_path: Path) -> None:
    """A commit that does not fit is an error that names the population's file; the committed ones stay as they are."""
    store = Store(tmp_path)
    store.commit(0, [{"key": "a"}], {})
    done = subprocess.run(python(LIMITED, tmp_path, "commit"), capture_output=True, text=True, check=True)
    assert re.match(
        rf"{re.escape(str(tmp_path))}/populations/000001\.parquet: \d{{5,}} bytes cannot be written", done.stdout
    )
    assert store.committed() == [0]
    assert [path.name for path in (tmp_path / "populations").iterdir()] == ["000000.parquet"]


@pytest.mark.promise("P12")
def test_folder_that_cannot_be(tmp_path: Path) -> None:
    """A file where a folder should be is an error that names what was to be written."""
    (tmp_path / "report").write_text("no folder")
    with pytest.raises(StoreError, match=r"report/arms\.csv: 2 bytes cannot be written \(File exists\)"):
        write_whole(tmp_path / "report" / "arms.csv", b"ks")


@pytest.mark.promise("P7")
def test_interrupted_write_leaves_no_temporary(tmp_path: Path) -> None:
    """Any other exception on the way passes as it is, with the old file in place and nothing beside it."""
    path = tmp_path / "old.csv"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_whole(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.promise("P7")
def test_results_are_as_readable_as_the_umask_says(tmp_path: Path) -> None:
    """Under umask 027 a written file is readable by the group: 666 without 027 is 640."""
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new" / "file", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "file").stat().st_mode) == 0o640


labels = st.text(max_size=300) | st.sampled_from(["", ".", "..", "../x", "/etc", "a\\b", "\0", "-", "~", "\ud800"])


@pytest.mark.promise("P8")
@given(label=labels)
def test_slug_stays_in_its_folder(label: str) -> None:
    """A slug is one plain name of 1 to 70 letters, digits, '_', '-' and '.', none of which leads as a dot or '-'."""
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,69}", slug(label))
    folder = Path("/sweeps")
    assert Path(os.path.normpath(folder / slug(label))).parent == folder


@pytest.mark.promise("P2", "P8")
@given(one=labels, two=labels)
def test_slugs_of_distinct_labels_differ(one: str, two: str) -> None:
    """Labels that differ have slugs that differ, also where one label is the other's slug."""
    assert (slug(one) == slug(two)) == (one == two)
    assert (slug(one) == slug(slug(two))) == (one == slug(two))


@pytest.mark.promise("P8")
def test_slug_keeps_harmless_labels() -> None:
    """A label of harmless characters is its own slug; another keeps them, and 8 digits of its sha256 after a dot."""
    assert slug("non_saturating-2") == "non_saturating-2"
    # The digits are the first 8 of what sha256sum gives for "minimax / raw".
    assert slug("minimax / raw") == "minimax-raw.c80ff38e"


@pytest.mark.promise("P7")
def test_an_unfinished_file_is_known_by_its_name(tmp_path: Path) -> None:
    """A temporary of a process killed at the first step of a write gives the name that the file would have had."""
    environment = {**os.environ, "HARNESS_FAILPOINT": "file.created:1"}
    program = "from pathlib import Path\nfrom harness.store import write_whole\nwrite_whole(Path(sys.argv[1]), b'')"
    done = subprocess.run(python(program, tmp_path / "a.b"), env=environment)
    assert done.returncode == -signal.SIGKILL
    assert [unfinished(path.name) for path in tmp_path.iterdir()] == ["a.b"]
    for name in ("a.b", ".a.b", ".a.0123456789abcdeg", "a.0123456789abcdef", "..0123456789abcdef", ""):
        assert unfinished(name) is None
