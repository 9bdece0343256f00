"""Energy of NVIDIA cards: what a counter that moves adds up to, and silence where there is none.

The driver's library is replaced by one whose counters the test moves on by hand; nothing here has run on a GPU.
"""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from support.paths import ROOT

from harness.sweep import energy
from harness.sweep.energy import EnergyMeter


@pytest.fixture
def millijoules(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The counters of the cards that a stand-in for the driver's library knows."""
    counters: dict[str, int] = {}

    class NVMLError(Exception):
        pass

    def count(card: str) -> int:
        if card not in counters:
            raise NVMLError
        return counters[card]

    library: Any = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda card: card,
        nvmlDeviceGetTotalEnergyConsumption=count,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return counters


def test_counters_of_all_cards_are_summed(millijoules: dict[str, int]) -> None:
    """Two cards that took 3 and 0.5 joules took 3.5; a card without a counter is left out."""
    millijoules |= {"GPU-0": 1000, "GPU-1": 0}
    with EnergyMeter(["GPU-0", "GPU-old", "GPU-1"]) as meter:
        millijoules |= {"GPU-0": 4000, "GPU-1": 500}
    assert meter.joules == pytest.approx(3.5)
    assert meter.metadata() == {"energy_joules": "3.500", "energy_of": "card GPU-0, card GPU-1"}


def test_a_counter_that_disappears_leaves_no_partial_sum(millijoules: dict[str, int]) -> None:
    """Of two counters one is gone at the end: nothing is reported."""
    millijoules |= {"GPU-0": 0, "GPU-1": 0}
    with EnergyMeter(["GPU-0", "GPU-1"]) as meter:
        del millijoules["GPU-1"]
    assert (meter.joules, meter.metadata()) == (None, {})


def test_without_counters_nothing_is_reported(millijoules: dict[str, int]) -> None:
    """No card, and a card that does not count."""
    for cards in ([], ["GPU-old"]):
        with EnergyMeter(cards) as meter:
            pass
        assert (meter.joules, meter.metadata()) == (None, {})


def test_an_error_inside_passes_and_ends_the_measurement(millijoules: dict[str, int]) -> None:
    """An error that is raised while energy is measured comes out unchanged."""
    millijoules["GPU-0"] = 7
    with pytest.raises(ZeroDivisionError), EnergyMeter(["GPU-0"]) as meter:
        raise ZeroDivisionError
    assert meter.joules == 0


@pytest.mark.skipif(energy.unavailable_reason() is None, reason="an NVIDIA driver is here")
def test_without_a_driver_nothing_is_told_of_cards() -> None:
    """Neither a version nor energy, and the reason is a line."""
    assert energy.driver_version() is None
    assert energy.energy_joules("GPU-00000000-0000-0000-0000-000000000000") is None
    assert energy.unavailable_reason()
    with EnergyMeter(["GPU-0"]) as meter:
        pass
    assert meter.metadata() == {}


def test_without_the_library_nothing_is_told_of_cards() -> None:
    """Without nvidia-ml-py the program says so, and measures nothing."""
    code = """
import sys
sys.modules["pynvml"] = None
from harness.sweep import energy
with energy.EnergyMeter(["GPU-0"]) as meter:
    pass
print(energy.unavailable_reason(), energy.driver_version(), meter.metadata())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "not installed None {}\n"
