"""Joules while something runs: the processor's counters as the system writes them, and silence where there are none.

The counters are files of the kernel's layout that the test moves on by hand. Cards are tried where there is no driver;
nothing here has run on a GPU.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

from harness.sweep import nvml
from harness.sweep.energy import EnergyMeter

RANGE = 262_143_328_850


def zone(powercap: Path, folder: str, name: str, count: int) -> Path:
    """A zone of Linux's powercap; its counter's file."""
    place = powercap / folder
    place.mkdir(parents=True, exist_ok=True)
    for file, content in (("name", name), ("max_energy_range_uj", str(RANGE)), ("energy_uj", str(count))):
        (place / file).write_text(f"{content}\n")
    return place / "energy_uj"


def test_packages_are_summed_and_their_parts_are_not(tmp_path: Path) -> None:
    """Two packages count; cores within them, the platform as a whole and another interface's copy do not."""
    one = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    two = zone(tmp_path, "intel-rapl:1", "package-1", 0)
    others = [
        zone(tmp_path, folder, name, 0)
        for folder, name in (
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:2", "psys"),
            ("intel-rapl-mmio:0", "package-0"),
            ("dtpm", "package-0"),
        )
    ]
    with EnergyMeter(powercap=tmp_path) as meter:
        one.write_text("4000000\n")
        two.write_text("500000\n")
        for other in others:
            other.write_text("9000000\n")
    assert meter.joules == pytest.approx(3.5)
    of = "processor package intel-rapl:0, processor package intel-rapl:1"
    assert meter.metadata() == {"energy_joules": "3.500", "energy_of": of}


def test_a_counter_that_went_round_is_continued(tmp_path: Path) -> None:
    """From one joule below its range to two joules above zero are three joules."""
    counter = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 1_000_000)
    with EnergyMeter(powercap=tmp_path) as meter:
        counter.write_text("2000000")
    assert meter.joules == pytest.approx(3)


def test_what_cannot_be_read_is_not_told(tmp_path: Path) -> None:
    """No counters, one that is no number, one that vanishes on the way: nothing, and no part of a sum."""
    with EnergyMeter(powercap=tmp_path / "none") as meter:
        pass
    assert (meter.joules, meter.metadata()) == (None, {})
    zone(tmp_path, "intel-rapl:0", "package-0", 0).write_text("many")
    with EnergyMeter(powercap=tmp_path) as meter:
        pass
    assert meter.metadata() == {}
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    gone = zone(tmp_path, "intel-rapl:1", "package-1", 0)
    with EnergyMeter(powercap=tmp_path) as meter:
        gone.unlink()
    assert meter.metadata() == {}


def test_an_error_inside_passes_and_ends_the_measurement(tmp_path: Path) -> None:
    """What is raised while energy is measured comes out as it was."""
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    with pytest.raises(ZeroDivisionError), EnergyMeter(powercap=tmp_path) as meter:
        raise ZeroDivisionError
    assert meter.joules == 0


@pytest.mark.skipif(nvml.absence() is None, reason="an NVIDIA driver is here")
def test_without_a_driver_nothing_is_told_of_cards(tmp_path: Path) -> None:
    """Neither a version nor energy, and the reason is a line; a card that was asked for adds nothing to a sum."""
    assert nvml.driver_version() is None
    assert nvml.energy_joules("GPU-00000000-0000-0000-0000-000000000000") is None
    assert nvml.absence()
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    with EnergyMeter(["GPU-0"], tmp_path) as meter:
        counter.write_text("1000000")
    assert meter.metadata() == {"energy_joules": "1.000", "energy_of": "processor package intel-rapl:0"}


def test_without_the_library_nothing_is_told_of_cards() -> None:
    """Where nvidia-ml-py is not installed the program says so, and measures nothing."""
    code = """
import sys
sys.modules["pynvml"] = None
from harness import nvidia
from harness.sweep.energy import EnergyMeter
with EnergyMeter(["GPU-0"]) as meter:
    pass
print(nvml.absence(), nvml.driver_version(), meter.metadata().get("energy_of", "").count("card"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "not installed None 0\n"
