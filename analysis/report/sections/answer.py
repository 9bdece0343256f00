"""The question, and the answer in three sentences made from the numbers."""

from __future__ import annotations

from analysis.arms_table import interval_text
from analysis.comparison import ArmResult
from analysis.intervals import LEVEL
from analysis.report.blocks import Block, Bullets, Facts, Section
from analysis.report.context import ReportContext
from harness.config import Experiment
from harness.errors import InputError

#: Arms that a sentence names before it counts.
_NAMED = 4


def section(material: ReportContext) -> Section:
    """Question, prediction, what was found, and what must be known before the numbers are read."""
    told = remarks(material)
    blocks: list[Block] = [Facts(opening(material))]
    blocks += [Bullets(told, warning=True, label="Remarks on the data")] if told else []
    return Section("answer", "The question and the answer", blocks)


def opening(material: ReportContext) -> list[tuple[str, str]]:
    """Question, prediction and finding."""
    return [
        ("Question", _told(material.spec.get("question"), "None was stated.")),
        ("Predicted", _told(material.spec.get("prediction"), "Nothing was predicted.")),
        ("Found", found(material)),
    ]


def remarks(material: ReportContext) -> tuple[str, ...]:
    """What must be known of the data and the setting before the numbers are read."""
    return (*material.comparison.remarks, *_overridden(material))


def _told(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) and value.strip() else otherwise


def _overridden(material: ReportContext) -> tuple[str, ...]:
    """What variants need and the sweep was told otherwise; nothing where this program cannot read the spec."""
    try:
        return tuple(f"{setting.text}." for setting in Experiment.from_json(material.spec).overridden)
    except InputError:
        return ()


def found(material: ReportContext) -> str:
    """Three sentences: who is nearest, who differs from the baseline after Holm's correction, how many succeed."""
    ranked = material.ranked
    if not ranked:
        return "Nothing: no committed row can be compared."
    first = ranked[0]
    nearest = f"Least median KS: {first.arm}, {interval_text(first.ks_median)}."
    if material.comparison.stage != "confirm":
        return f"No answer yet; only searched trials are committed. {nearest}"
    return " ".join([nearest, _differences(ranked), _successes(material)])


def _differences(ranked: list[ArmResult]) -> str:
    paired = [(a.arm, a.paired) for a in ranked if a.paired]
    if not paired:
        return "No arm can be paired with a baseline."
    distinct = [(arm, p) for arm, p in paired if p.p_holm < 1 - LEVEL]
    nearer = [arm for arm, p in distinct if (p.median.estimate or 0) < 0]
    farther = [arm for arm, p in distinct if (p.median.estimate or 0) > 0]
    parts = [f"nearer than the baseline: {_names(nearer)}"] if nearer else []
    parts += [f"farther than the baseline: {_names(farther)}"] if farther else []
    if not parts:
        return "No arm's difference from its baseline is told apart from chance at these seeds."
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _successes(material: ReportContext) -> str:
    ranked = material.ranked
    seeds, successes = sum(a.n for a in ranked), sum(a.successes for a in ranked)
    lost = sum(a.diverged + a.failed for a in ranked)
    never = [a.arm for a in ranked if not a.successes]
    text = f"Of {seeds} seeds {successes} succeed (KS below {material.comparison.success_ks:g})"
    text += f", and {lost} diverged or failed" if lost else ", and none diverged or failed"
    return f"{text}; no seed succeeds of {_names(never)}." if never else f"{text}."


def _names(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
