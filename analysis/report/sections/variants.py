"""Prediction beside finding, arm by arm, with formulas and sources."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from analysis.arms_table import ABSENT, interval_text, number_text
from analysis.comparison import ArmResult
from analysis.report.blocks import Block, Formula, Lines, Section, Text, Variant
from analysis.report.context import ReportContext
from analysis.report.mathml import NOTATION, formulas, same_formulas
from analysis.report.sections.predictions import beside
from analysis.report.tables import Table
from analysis.rows import arms_of


def section(material: ReportContext) -> Section:
    """Predicted outcomes beside diagnoses in a table, and a card per arm."""
    declared = {str(a["arm"]): a for a in arms_of(material.description)}
    if not material.comparison.arms:
        return Section("variants", "Prediction beside finding", [Text("The sweep names no arms.")])
    theory = beside(material.description, material.frame, material.arms)
    lines = {str(line["arm"]): line for line in theory.to_dict("records")}
    cards = [_card(a, declared.get(a.arm, {}), lines[a.arm]) for a in material.comparison.arms]
    table = Table(
        ("arm", "predicted", "became", "as predicted [95 %]"),
        tuple((arm, _outcome(line), str(line["found"]), borne_out(line)) for arm, line in lines.items()),
    )
    blocks: list[Block] = [
        Lines("Predicted outcome, and diagnoses of the compared seeds", table, True, "theory", theory),
        Text(
            "Outcomes are predicted for plain steps or for the Dirac-GAN: a seed that does otherwise speaks against "
            "carrying them over to networks."
        ),
        Text(NOTATION), *cards,
    ]  # fmt: skip
    return Section("variants", "Prediction beside finding", blocks)


def _outcome(line: Mapping[Hashable, Any]) -> str:
    return str(line["predicted"] or "not registered here").replace("_", " ")


def borne_out(line: Mapping[Hashable, Any]) -> str:
    """How many seeds became what was predicted, of a line of ``beside``; a dash where nothing was."""
    if line["share"] is None or line["share"] != line["share"]:
        return ABSENT
    return f"{line['as_predicted']:.0f} of {line['seeds']:.0f} [{line['low']:.0%}, {line['high']:.0%}]"


def _card(result: ArmResult, told: Mapping[str, Any], line: Mapping[Hashable, Any]) -> Variant:
    loss, recorded = str(told.get("loss", "")), (told.get("discriminator"), told.get("generator"))
    drawn = formulas(loss) if same_formulas(loss, *recorded) else (None, None)
    return Variant(
        name=result.arm,
        discriminator=Formula(_told(recorded[0], "not recorded"), drawn[0]),
        generator=Formula(_told(recorded[1], "not recorded"), drawn[1]),
        source=_told(told.get("citation"), "not recorded"),
        prediction=_told(told.get("prediction"), "nothing recorded"),
        found=found(result),
        outcome=f"{_outcome(line)}; became: {line['found']}; as predicted: {borne_out(line)}",
    )


def _told(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) and value.strip() else otherwise


def found(result: ArmResult) -> str:
    """What the compared members of an arm did, in a sentence."""
    if not result.n:
        return "No rows to compare."
    text = f"median KS {interval_text(result.ks_median)}; {result.successes} of {result.n} seeds succeed"
    if result.mean is not None or result.sd is not None:
        text += f"; mean {number_text(result.mean)}, sd {number_text(result.sd)}"
    lost = ((result.diverged, "diverged"), (result.failed, "failed"))
    return "; ".join([text, *(f"{count} {what}" for count, what in lost if count)]) + "."
