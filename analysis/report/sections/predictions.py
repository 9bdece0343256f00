"""What theory predicts of each arm of a sweep, beside what became of its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.comparison import success_threshold
from analysis.intervals import success_interval
from analysis.report.blocks import Figure, Lines, Section
from analysis.report.context import ReportContext
from analysis.report.sections import diagnosis
from analysis.report.tables import table_of
from analysis.rows import arms_of, select, target_of
from harness.errors import InputError
from harness.losses import LOSSES
from harness.losses.card import bound
from harness.losses.describe import generator_slope_text
from harness.losses.notation import discriminator_text, generator_text
from harness.metrics.diagnosis import diagnose

#: The diagnoses that bear out a predicted outcome (``losses.OUTCOMES``). What rings may have settled by the last step.
BEARS_OUT: Mapping[str, tuple[str, ...]] = {
    "converges": ("converged",),
    "rings": ("ringing", "converged"),
    "cycles": ("ringing",),
    "parks": ("offset", "wrong shape"),
    "runs_away": ("runaway", "diverged"),
    "stalls": ("dead", "collapsed", "offset"),
}
COLUMNS = ("arm", "predicted", "prediction", "citation", "discriminator", "generator", "slope", "seeds", "found",
           "as_predicted", "share", "low", "high", "median_ks")  # fmt: skip


def beside(description: Mapping[str, Any], frame: pd.DataFrame, arms: Sequence[str] = ()) -> pd.DataFrame:
    """A row per arm: what the registry predicts, from which formula, by whom; and the diagnoses of the compared seeds.

    Columns: arm, predicted (one of ``losses.OUTCOMES``; "unknown" away from the parameters it was made for, empty where
    the loss is not registered here), prediction (in words), citation, discriminator, generator, slope (dL_G/dlogit),
    seeds, found (each diagnosis with its count, the commonest first), as_predicted (seeds whose diagnosis bears the
    prediction out: ``BEARS_OUT``), share with its 95 % interval low and high, median_ks. The prediction is for plain
    steps or for the Dirac-GAN: a seed that does otherwise speaks against carrying it over.
    """
    rows = select(frame).frame
    words = diagnose(rows, target_of(description), success_threshold(description)[0])
    declared = {str(a["arm"]): a for a in arms_of(description)}
    lines = []
    for arm in arms or list(dict.fromkeys([*declared, *rows["arm"]])):
        here = rows["arm"] == arm
        own, told = words[here], _predicted(declared.get(arm, {}))
        counts = own.value_counts(sort=True)
        found = ", ".join(f"{count} {word}" for word, count in counts.items()) or "no rows"
        line: dict[str, Any] = {"arm": arm, **told, "seeds": len(own), "found": found}
        if told["predicted"] in BEARS_OUT and len(own):
            fitting = int(own.isin(BEARS_OUT[told["predicted"]]).sum())
            share = success_interval(fitting, len(own))
            line |= {"as_predicted": fitting, "share": share.estimate, "low": share.low, "high": share.high}
        line["median_ks"] = float(rows.loc[here, "ks"].median()) if len(own) else None
        lines.append(line)
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _predicted(arm: Mapping[str, Any]) -> dict[str, str]:
    """The registry's words on an arm, or those that ``sweep.json`` kept of a loss that is not registered here."""
    try:
        variant, params = LOSSES.parse(str(arm.get("loss")))
        shown = bound(variant, params, LOSSES.text(variant.name, params)) if params else variant
    except InputError:
        kept = {n: str(arm.get(n) or "") for n in ("prediction", "citation", "discriminator", "generator")}
        return {"predicted": "", **kept, "slope": ""}
    return {
        "predicted": shown.prediction.outcome,
        "prediction": shown.prediction.text,
        "citation": shown.citation.short(),
        "discriminator": discriminator_text(shown),
        "generator": generator_text(shown),
        "slope": generator_slope_text(shown),
    }


def section(material: ReportContext) -> Section:
    """The table of ``beside``, and the diagnoses drawn."""
    table = beside(material.description, material.frame, material.arms)
    shown = table[["arm", "predicted", "found", "as_predicted", "seeds"]].astype(object)
    drawn = [block for block in diagnosis.section(material).blocks if isinstance(block, Figure)]
    return Section("theory", "Prediction beside finding", [Lines("Predictions", table_of(shown), name="theory",
                                                                 numbers=table), *drawn])  # fmt: skip


def told(material: ReportContext) -> str:
    """A line per arm: what was predicted, what was found, of how many seeds it holds."""
    lines = []
    for row in beside(material.description, material.frame, material.arms).to_dict("records"):
        holds = f"; {row['as_predicted']:.0f} of {row['seeds']} as predicted" if row["share"] == row["share"] else ""
        lines.append(f"{row['arm']}: predicted {row['predicted'] or 'nothing'}; found {row['found']}{holds}")
    return "\n".join(lines)
