"""The answer table: one line of text per arm, the same in the terminal, in Markdown and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.intervals import Interval
from harness.text import visible

if TYPE_CHECKING:
    from analysis.comparison import ArmResult, Comparison

#: What stands where a number does not exist.
ABSENT = "-"

#: Reasons for which an interval is a point.
_POINTS = ("all values equal", "one value")

HEADINGS = ("arm", "seeds", "KS median [95 %]", "KS mean", "KS IQM", "success [95 %]", "lost", "mean", "sd",
            "KS minus baseline's [95 %]", "p (Holm)", "in floors")  # fmt: skip


def cells(result: ArmResult) -> tuple[str, ...]:
    """One arm's line of the table under ``HEADINGS``, as unescaped text; a dash where a number does not exist."""
    gap = result.paired
    counts = ((result.diverged, "diverged"), (result.failed, "failed"))
    lost = ", ".join(f"{k} {what}" for k, what in counts if k) or "0"
    difference = interval_text(gap.median, "+") if gap else result.paired_state
    return (
        result.arm, str(result.n), interval_text(result.ks_median), number_text(result.ks_mean.estimate),
        number_text(result.ks_iqm.estimate), f"{result.successes}/{result.n} {_share_text(result.success)}", lost,
        number_text(result.mean), number_text(result.sd), difference,
        _p_text(gap.p_holm) if gap else ABSENT, f"{gap.floors:+.1f}" if gap and gap.floors is not None else ABSENT,
    )  # fmt: skip


def number_text(value: float | None, sign: str = "", digits: int = 3) -> str:
    """A number to so many significant digits, or a dash."""
    return ABSENT if value is None else f"{value:{sign}.{digits}g}"


def interval_text(interval: Interval, sign: str = "") -> str:
    """``0.012 [0.01, 0.015]``, or the estimate with the reason for having no interval."""
    point = number_text(interval.estimate, sign)
    low, high = (number_text(v, sign, 2) for v in (interval.low, interval.high))
    if interval.estimate is None:
        return ABSENT
    return f"{point} ({interval.method})" if interval.method in _POINTS else f"{point} [{low}, {high}]"


def _share_text(interval: Interval) -> str:
    return "" if interval.low is None or interval.high is None else f"[{interval.low:.0%}, {interval.high:.0%}]"


def _p_text(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def text(comparison: Comparison) -> str:
    """The comparison for a terminal: an aligned table in Markdown's form, then the remarks."""
    lines = [HEADINGS, *(tuple(visible(c) for c in cells(arm)) for arm in comparison.arms)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    rows = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines]
    rows.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    notes = [f"success: KS < {comparison.success_ks:g}; noise floor {comparison.noise_floor:.2g} (independent draws)"]
    notes += [f"baseline of view {visible(v)}: {visible(a)}" for v, a in comparison.baselines.items()]
    return "\n".join([*rows, "", *notes, *(visible(r) for r in comparison.remarks)])
