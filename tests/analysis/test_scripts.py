"""The scripts of analysis/: each answers from a sweep's folder, says where it wrote, and refuses what is no sweep."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.fabricated import FabricatedArm, fabricate_sweep

from analysis import budget, dynamics, gradient_anatomy, importance, phase_map, ranking
from analysis.comparison import compare_described
from analysis.dirac.__main__ import main as theory
from analysis.load import read_sweep
from analysis.report.sections.predictions import beside
from harness.store import Store

#: Each script with the names of the figures and tables that it writes.
SCRIPTS: dict[str, tuple[Callable[[Sequence[str]], int], set[str]]] = {
    "ranking": (ranking.main, {"ranking", "ranks", "improvement", "final_ks", "profiles"}),
    "budget": (budget.main, {"budget"}),
    "dynamics": (dynamics.main, {"ks_over_steps", "losses", "gradient_norms"}),
    "importance": (importance.main, {"importance"}),
    "phase_map": (phase_map.main, {"rates"}),
    "gradient_anatomy": (gradient_anatomy.main, {"gradient_anatomy"}),
    "theory": (theory, {"theory", "diagnosis"}),
}


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished sweep with lost members, one of search alone, and one that has only begun."""
    folder = tmp_path_factory.mktemp("scripts")
    made = {
        "finished": fabricate_sweep(folder / "finished", failure="no memory"),
        "search only": fabricate_sweep(folder / "search", confirm=0),
        "begun": fabricate_sweep(folder / "begun", confirm=0, trials=0),
    }
    return {name: store.folder for name, store in made.items()}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("which", ["finished", "search only", "begun"])
def test_a_script_writes_what_it_names(
    name: str, which: str, sweeps: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures as PNG and SVG, numbers as CSV with a header, in the folder asked for; the paths are printed.

    So too where there is little or nothing to show.
    """
    main, names = SCRIPTS[name]
    assert main([str(sweeps[which]), "-o", str(tmp_path)]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines() if line.startswith(str(tmp_path))]
    assert set(printed) == set(tmp_path.iterdir())
    assert names <= {path.stem for path in printed} or which != "finished"
    assert printed
    for path in printed:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
            assert "</svg>" in path.with_suffix(".svg").read_text()
        if path.suffix == ".csv":
            header, *lines = csv.reader(io.StringIO(path.read_text()))
            assert header
            assert all(len(line) == len(header) for line in lines)


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_no_sweep_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without a sweep: one line, exit status 2, and nothing is written."""
    main = SCRIPTS[name][0]
    assert main([str(tmp_path / "nothing"), "-o", str(tmp_path / "out")]) == 2
    assert "no sweep here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_names_from_outside_are_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An arm called like a formula or with control characters is quoted in the CSV and escaped in the terminal."""
    arms = [FabricatedArm("=cmd()"), FabricatedArm("a\x1b[31mred")]
    store = fabricate_sweep(tmp_path / "s", arms=arms, trials=2)
    for main, _ in SCRIPTS.values():
        assert main([str(store.folder)]) == 0
    assert "\x1b" not in capsys.readouterr().out
    for path in (store.folder / "report").glob("*.csv"):
        text = path.read_text()
        assert "\x1b" not in text
        assert "'=cmd()" in text or "=cmd()" not in text


def test_predictions_stand_beside_findings(sweeps: dict[str, Path]) -> None:
    """Each arm with its predicted outcome, formula and source from the registry, and the diagnoses of its seeds."""
    read = read_sweep(Store(sweeps["finished"]))
    arms = [arm.arm for arm in compare_described(read.description, read.frame).arms]
    found = beside(read.description, read.frame, arms).set_index("arm")
    assert list(found.index) == arms
    away = found.loc["flipped_labels / variances"]
    assert away["predicted"] == "runs_away"
    assert "runaway" in away["found"]
    assert away["as_predicted"] >= 5
    assert away["low"] <= away["share"] <= away["high"]
    label = found.loc["non_saturating / variances"]
    assert (label["generator"], label["slope"]) == ("softplus(-fake)", "-sigmoid(-fake)")
    assert label["citation"] == "Goodfellow et al. 2014"
    assert "1 failed" in label["found"]


def test_a_prediction_is_not_carried_to_other_parameters(tmp_path: Path) -> None:
    """The dial at t = 0.2 is not what its entry speaks of: unknown. A loss that is not registered keeps its words."""
    arms = [FabricatedArm("generator_label", params={"t": 0.2}), FabricatedArm("mine", prediction="It will work.")]
    store = fabricate_sweep(tmp_path / "s", arms=arms, trials=1)
    description = store.describe()
    for arm in description["arms"]:
        arm["loss"] = arm["arm"].split(" / ")[0]
    found = beside(description, store.frame())
    assert found["predicted"].tolist() == ["unknown", ""]
    assert found["prediction"].iloc[1] == "It will work."
    assert found["share"].isna().all()
