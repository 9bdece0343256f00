"""Predictions beside results: the registry's entry and the diagnoses of the seeds."""

from __future__ import annotations

from pathlib import Path

from support.fabricated import FabricatedArm, fabricate_sweep

from analysis.comparison import compare_described
from analysis.load import read_sweep
from analysis.report.sections.predictions import predictions


def test_predictions_stand_beside_findings(tmp_path: Path) -> None:
    """Each arm with its predicted outcome, formula and source from the registry, and the diagnoses of its seeds."""
    read = read_sweep(fabricate_sweep(tmp_path / "s", failure="no memory"))
    arms = [arm.arm for arm in compare_described(read.description, read.frame).arms]
    table = predictions(read.description, read.frame, arms).set_index("arm")
    assert list(table.index) == arms
    away = table.loc["flipped_labels / variances"]
    assert away["predicted"] == "runs_away"
    assert "runaway" in away["found"]
    assert away["as_predicted"] >= 5
    assert away["low"] <= away["share"] <= away["high"]
    label = table.loc["non_saturating / variances"]
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
    table = predictions(description, store.frame())
    assert table["predicted"].tolist() == ["unknown", ""]
    assert table["prediction"].iloc[1] == "It will work."
    assert table["share"].isna().all()
