"""The question, and the answer in three sentences made from the numbers."""

from __future__ import annotations

from analysis.comparison import ArmResult
from analysis.intervals import LEVEL
from analysis.report.blocks import Block, Bullets, Facts, Section
from analysis.report.context import ReportContext
from analysis.report.tables import interval_text
from harness.config import Experiment
from harness.errors import InputError

#: Arms that a sentence names before it counts the rest.
_MAX_NAMED = 4


def section(context: ReportContext) -> Section:
    """Question, prediction, finding, and remarks on the data."""
    blocks: list[Block] = [Facts(opening(context))]
    if notes := remarks(context):
        blocks.append(Bullets(notes, warning=True, label="Remarks on the data"))
    return Section("answer", "The question and the answer", blocks)


def opening(context: ReportContext) -> list[tuple[str, str]]:
    """Question, prediction and finding, each with its heading."""
    return [
        ("Question", _text_or(context.spec.get("question"), "None was stated.")),
        ("Predicted", _text_or(context.spec.get("prediction"), "Nothing was predicted.")),
        ("Found", finding(context)),
    ]


def remarks(context: ReportContext) -> tuple[str, ...]:
    """Everything a reader must know of the data and the settings before reading the numbers."""
    return (*context.comparison.remarks, *_overridden(context))


def _text_or(value: object, default: str) -> str:
    return value if isinstance(value, str) and value.strip() else default


def _overridden(context: ReportContext) -> tuple[str, ...]:
    """Settings that a variant requires and the sweep overrode; empty where this version cannot read the spec."""
    try:
        return tuple(f"{setting.text}." for setting in Experiment.from_json(context.spec).overridden)
    except InputError:
        return ()


def finding(context: ReportContext) -> str:
    """Three sentences: the nearest arm, the arms that differ from the baseline (after Holm), the successes."""
    ranked = context.ranked
    if not ranked:
        return "Nothing: no committed row can be compared."
    nearest = f"Least median KS: {ranked[0].arm}, {interval_text(ranked[0].ks_median)}."
    if context.comparison.stage != "confirm":
        return f"No answer yet; only searched trials are committed. {nearest}"
    return " ".join([nearest, _differences(ranked), _successes(context)])


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
        return "With these seeds, no arm's difference from its baseline can be told from chance."
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _successes(context: ReportContext) -> str:
    ranked = context.ranked
    seeds, successes = sum(a.n for a in ranked), sum(a.successes for a in ranked)
    lost = sum(a.diverged + a.failed for a in ranked)
    never = [a.arm for a in ranked if not a.successes]
    text = f"Of {seeds} seeds {successes} succeed (KS below {context.comparison.success_ks:g})"
    text += f", and {lost} diverged or failed" if lost else ", and none diverged or failed"
    return f"{text}; no seed succeeds of {_names(never)}." if never else f"{text}."


def _names(names: list[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
