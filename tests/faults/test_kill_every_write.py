"""SIGKILL at every step of every write of a sweep, one kill after the other, and a resume after each."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from support.forks import Forks
from support.sweeps import assert_same_rows, carry_on, contents, experiment

from harness.store import Store
from harness.store.failpoints import VARIABLE

#: The places at which a process can be killed, in the order in which one commit passes them.
PLACES = ("commit.begun", "file.created", "file.written", "file.synced", "file.renamed", "commit.done")

#: Of the sweep below: 2 rounds of a trial and 2 confirm seeds, in populations of one member; beside the populations
#: sweep.json, at the start and at the end, and two files of the winner are written.
POPULATIONS, FILES = 4, 4 + 2 + 2

#: Small enough for a fifth of a second.
SPEC = experiment(
    variants=["minimax"],
    population=1,
    train={"steps": 4, "batch": 10, "hidden": 4, "snapshots": [4]},
    search={"sampler": "random", "trials": 2, "seeds": 1, "space": {"lr_g": {"low": 1e-4, "high": 1e-2}}},
)


def sweep_here() -> None:
    """In a fork: run the sweep, or what is missing of it, in the folder that is named."""
    carry_on(SPEC, Path(sys.argv[1]), reuse=False)  # the folders beside hold the same members


def winners(store: Store) -> dict[str, str]:
    """A hash of each file of the winners."""
    return {name: digest for name, digest in contents(store.folder / "winners").items() if "/." not in name}


@pytest.fixture(scope="module")
def uninterrupted_sweep(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The sweep without any interruption."""
    folder = tmp_path_factory.mktemp("whole")
    assert forks.run("faults.test_kill_every_write:sweep_here", folder / "small", folder=folder).status == 0
    return Store(folder / "small")


@pytest.mark.promise("P1", "P2", "P3", "P4", "P7", "F1", "F2", "F4")
@pytest.mark.parametrize("place", PLACES)
def test_killed_at_every_pass_of_a_place_a_sweep_ends_the_same(
    place: str, uninterrupted_sweep: Store, forks: Forks, tmp_path: Path
) -> None:
    """At the first pass, the second, and so on until none is left: what is committed is whole, and resumed the rest is.

    Rows and winners then have the bits of the sweep that nothing interrupted. A temporary file that a killed write left
    lies there all the while and is not read.
    """
    kills, left = 0, 0
    while True:
        folder = tmp_path / f"small-{kills}"
        ended = forks.run(
            "faults.test_kill_every_write:sweep_here", folder, folder=tmp_path, **{VARIABLE: f"{place}:{kills + 1}"}
        )
        if ended.status == 0:
            break
        assert ended.status == -signal.SIGKILL, ended.err
        kills += 1
        store = Store(folder)
        for index in store.committed():
            assert store.population(index).equals(uninterrupted_sweep.population(index))
        temporary = [path for path in folder.rglob(".*") if path.is_file()]
        left += len(temporary)
        ended = forks.run("faults.test_kill_every_write:sweep_here", folder, folder=tmp_path)
        assert (ended.status, ended.err) == (0, "")
        assert_same_rows(store, uninterrupted_sweep)
        assert winners(store) == winners(uninterrupted_sweep)
        assert all(path.exists() for path in temporary)
    assert kills == (POPULATIONS if place.startswith("commit") else FILES)
    assert left == (kills if place in PLACES[1:4] else 0)
