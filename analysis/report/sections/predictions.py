"""Predictions beside results, arm by arm, with formulas and sources."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.comparison import ArmResult, success_threshold
from analysis.intervals import success_interval
from analysis.report.blocks import ArmCard, Block, Formula, Section, TableBlock, Text
from analysis.report.context import ReportContext
from analysis.report.mathml import NOTATION, formulas, same_formulas
from analysis.report.tables import ABSENT, Table, interval_text, number_text
from analysis.rows import arms_of, select, target_of
from harness.errors import InputError
from harness.losses import LOSSES
from harness.losses.card import bound
from harness.losses.describe import generator_slope_text
from harness.losses.notation import discriminator_text, generator_text
from harness.metrics.diagnosis import diagnose

#: The diagnoses that confirm a predicted outcome (``losses.OUTCOMES``). A ringing member may settle by the last step.
CONFIRMED_BY: Mapping[str, tuple[str, ...]] = {
    "converges": ("converged",),
    "rings": ("ringing", "converged"),
    "cycles": ("ringing",),
    "parks": ("offset", "wrong shape"),
    "runs_away": ("runaway", "diverged"),
    "stalls": ("dead", "collapsed", "offset"),
}
COLUMNS = ("arm", "predicted", "prediction", "citation", "discriminator", "generator", "slope", "seeds", "found",
           "as_predicted", "share", "low", "high", "median_ks")  # fmt: skip
_HEADING = "Prediction beside finding"


def section(context: ReportContext) -> Section:
    """Predicted outcome and diagnoses of each arm, with its formulas and sources."""
    if not context.comparison.arms:
        return Section("predictions", _HEADING, [Text("The sweep names no arms.")])
    table = predictions(context.description, context.frame, context.arms)
    rows = {str(row["arm"]): row for row in table.to_dict("records")}
    declared = {str(a["arm"]): a for a in arms_of(context.description)}
    cards = [_card(a, declared.get(a.arm, {}), rows[a.arm]) for a in context.comparison.arms]
    shown = Table(
        ("arm", "predicted", "became", "as predicted [95 %]"),
        tuple((arm, _outcome(row), str(row["found"]), _share_as_predicted(row)) for arm, row in rows.items()),
    )
    blocks: list[Block] = [
        TableBlock("Predicted outcome, and diagnoses of the compared seeds", shown, ranges=True, name="theory",
                   numbers=table),
        Text(
            "Outcomes are predicted for plain steps or for the Dirac-GAN. A seed that ends otherwise is evidence "
            "against applying the prediction to networks."
        ),
        Text(NOTATION), *cards,
    ]  # fmt: skip
    return Section("predictions", _HEADING, blocks)


def predictions(description: Mapping[str, Any], frame: pd.DataFrame, arms: Sequence[str] = ()) -> pd.DataFrame:
    """A row per arm: what the registry predicts, with formula and source, and the diagnoses of the compared seeds.

    Columns: arm, predicted (one of ``losses.OUTCOMES``; "unknown" away from the parameters it was made for, empty where
    the loss is not registered), prediction (in words), citation, discriminator, generator, slope (dL_G/dlogit),
    seeds, found (each diagnosis with its count, the commonest first), as_predicted (seeds whose diagnosis confirms the
    prediction: ``CONFIRMED_BY``), share with its 95 % interval low and high, median_ks.
    """
    rows = select(frame).frame
    diagnoses = diagnose(rows, target_of(description), success_threshold(description)[0])
    declared = {str(a["arm"]): a for a in arms_of(description)}
    table = []
    for arm in arms or list(dict.fromkeys([*declared, *rows["arm"]])):
        in_arm = rows["arm"] == arm
        words, registered = diagnoses[in_arm], _registered(declared.get(arm, {}))
        found = ", ".join(f"{count} {word}" for word, count in words.value_counts(sort=True).items()) or "no rows"
        row: dict[str, Any] = {"arm": arm, **registered, "seeds": len(words), "found": found}
        if registered["predicted"] in CONFIRMED_BY and len(words):
            confirmed = int(words.isin(CONFIRMED_BY[registered["predicted"]]).sum())
            share = success_interval(confirmed, len(words))
            row |= {"as_predicted": confirmed, "share": share.estimate, "low": share.low, "high": share.high}
        row["median_ks"] = float(rows.loc[in_arm, "ks"].median()) if len(words) else None
        table.append(row)
    return pd.DataFrame(table, columns=list(COLUMNS))


def _registered(arm: Mapping[str, Any]) -> dict[str, str]:
    """The registry's entry of an arm, or the record in ``sweep.json`` of a loss that is not registered."""
    try:
        variant, params = LOSSES.parse(str(arm.get("loss")))
        entry = bound(variant, params, LOSSES.text(variant.name, params)) if params else variant
    except InputError:
        recorded = {n: str(arm.get(n) or "") for n in ("prediction", "citation", "discriminator", "generator")}
        return {"predicted": "", **recorded, "slope": ""}
    return {
        "predicted": entry.prediction.outcome,
        "prediction": entry.prediction.text,
        "citation": entry.citation.short(),
        "discriminator": discriminator_text(entry),
        "generator": generator_text(entry),
        "slope": generator_slope_text(entry),
    }


def _outcome(row: Mapping[Hashable, Any]) -> str:
    return str(row["predicted"] or "not registered here").replace("_", " ")


def _share_as_predicted(row: Mapping[Hashable, Any]) -> str:
    """Seeds of a row of ``predictions`` that became what was predicted; a dash where nothing was predicted."""
    if row["share"] is None or row["share"] != row["share"]:
        return ABSENT
    return f"{row['as_predicted']:.0f} of {row['seeds']:.0f} [{row['low']:.0%}, {row['high']:.0%}]"


def _card(result: ArmResult, recorded: Mapping[str, Any], row: Mapping[Hashable, Any]) -> ArmCard:
    loss, texts = str(recorded.get("loss", "")), (recorded.get("discriminator"), recorded.get("generator"))
    mathml = formulas(loss) if same_formulas(loss, *texts) else (None, None)
    return ArmCard(
        name=result.arm,
        discriminator=Formula(_text_or(texts[0], "not recorded"), mathml[0]),
        generator=Formula(_text_or(texts[1], "not recorded"), mathml[1]),
        source=_text_or(recorded.get("citation"), "not recorded"),
        prediction=_text_or(recorded.get("prediction"), "nothing recorded"),
        found=_result_text(result),
        outcome=f"{_outcome(row)}; became: {row['found']}; as predicted: {_share_as_predicted(row)}",
    )


def _text_or(value: object, default: str) -> str:
    return value if isinstance(value, str) and value.strip() else default


def _result_text(result: ArmResult) -> str:
    if not result.n:
        return "No rows to compare."
    text = f"median KS {interval_text(result.ks_median)}; {result.successes} of {result.n} seeds succeed"
    if result.mean is not None or result.sd is not None:
        text += f"; mean {number_text(result.mean)}, sd {number_text(result.sd)}"
    lost = ((result.diverged, "diverged"), (result.failed, "failed"))
    return "; ".join([text, *(f"{count} {outcome}" for count, outcome in lost if count)]) + "."
