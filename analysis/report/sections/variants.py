"""Prediction beside finding, arm by arm, with formulas and sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.answer import interval_text, number_text
from analysis.compare import ArmResult
from analysis.report.blocks import Block, Formula, Section, Text, Variant
from analysis.report.material import Material
from analysis.report.mathml import NOTATION, formulas, same_formulas
from analysis.rows import arms_of


def section(material: Material) -> Section:
    """A card per arm."""
    declared = {str(a["arm"]): a for a in arms_of(material.description)}
    cards = [_card(a, declared.get(a.arm, {})) for a in material.comparison.arms]
    blocks: list[Block] = [Text("The sweep names no arms.")] if not cards else [Text(NOTATION), *cards]
    return Section("variants", "Prediction beside finding", blocks)


def _card(result: ArmResult, told: Mapping[str, Any]) -> Variant:
    loss, recorded = str(told.get("loss", "")), (told.get("discriminator"), told.get("generator"))
    drawn = formulas(loss) if same_formulas(loss, *recorded) else (None, None)
    return Variant(
        name=result.arm,
        discriminator=Formula(_told(recorded[0], "not recorded"), drawn[0]),
        generator=Formula(_told(recorded[1], "not recorded"), drawn[1]),
        source=_told(told.get("citation"), "not recorded"),
        prediction=_told(told.get("prediction"), "nothing recorded"),
        found=found(result),
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
