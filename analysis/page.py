"""What the report says: plain text, tables and sentences, made from the description and the committed rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.answer import ABSENT, HEADINGS, cells, interval_text, number_text
from analysis.compare import ArmResult, Comparison
from analysis.escaping import visible
from analysis.intervals import LEVEL
from analysis.rows import arms_of, best_trials, select, spared, spec_of, tidy
from harness.errors import InputError
from harness.spec import Experiment, Train
from harness.store import HYPERPARAMETERS

#: Lines of a table, and characters of one value of the provenance, that the page shows.
LONGEST, LONGEST_VALUE = 400, 4000


@dataclass(frozen=True)
class Table:
    """Column names and lines of text; the first cell of a line names it. ``left_out`` lines are not printed."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    left_out: int = 0


@dataclass(frozen=True)
class Arm:
    """One arm in words: its formulas, what theory predicts, what was found."""

    name: str
    discriminator: str
    generator: str
    citation: str
    prediction: str
    found: str


@dataclass(frozen=True)
class Page:
    """Everything on the page but the figures, as unescaped text."""

    title: str
    question: str
    prediction: str
    found: str
    remarks: tuple[str, ...]
    answer: Table
    answer_label: str
    reading: tuple[str, ...]
    arms: tuple[Arm, ...]
    budget: Table
    shared: str
    lost: Table
    provenance: Table
    reproduce: str
    commands: str
    spec: str


def compose(description: Mapping[str, Any], frame: pd.DataFrame, comparison: Comparison) -> Page:
    """The page's text for a sweep; whatever is missing is said to be missing."""
    spec = spec_of(description)
    budget, shared, uneven = _budget(frame, [a.arm for a in comparison.arms])
    name = spec.get("name") or description.get("name")
    return Page(
        title=_told(name, "A sweep without a name"),
        question=_told(spec.get("question"), "None was stated."),
        prediction=_told(spec.get("prediction"), "Nothing was predicted."),
        found=_answer(comparison),
        remarks=(*comparison.remarks, *uneven, *_overridden(spec)),
        answer=Table(HEADINGS, tuple(cells(a) for a in comparison.arms)),
        answer_label={
            "confirm": "Arms by median KS distance on the confirm seeds",
            "search only": "Search only, not a comparison: each arm's best trial on the seeds that chose it",
            "no rows": "No committed rows to compare",
        }[comparison.stage],
        reading=_reading(comparison),
        arms=tuple(_arm(a, description) for a in comparison.arms),
        budget=budget,
        shared=shared,
        lost=_lost(frame),
        provenance=_provenance(description),
        reproduce="Run the specification below with the commit and the engine named above. A member's row is a "
        "function of the member and the engine, so keys, scores and digests agree; this page is made "
        "from the rows alone.",
        commands="python -m analysis.compare SWEEP_FOLDER\npython -m analysis.report SWEEP_FOLDER",
        spec=json.dumps(spec, indent=1, sort_keys=True, default=str),
    )


def _overridden(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """What variants need and the sweep was told otherwise; nothing where this program cannot read the spec."""
    try:
        return tuple(f"{setting.text}." for setting in Experiment.from_json(spec).overridden)
    except InputError:
        return ()


def _told(value: object, otherwise: str) -> str:
    return visible(value) if isinstance(value, str) and value.strip() else otherwise


def _answer(comparison: Comparison) -> str:
    """One paragraph: who is nearest, and who differs from the baseline after Holm's correction."""
    ranked = [a for a in comparison.arms if a.n]
    if not ranked:
        return "Nothing: no committed row can be compared."
    first = ranked[0]
    nearest = f"Least median KS: {first.arm}, {interval_text(first.ks_median)}."
    if comparison.stage != "confirm":
        return f"No answer yet; only searched trials are committed. {nearest}"
    distinct = [(a, a.paired) for a in ranked if a.paired and a.paired.p_holm < 1 - LEVEL]
    nearer = [a.arm for a, p in distinct if (p.median.estimate or 0) < 0]
    farther = [a.arm for a, p in distinct if (p.median.estimate or 0) > 0]
    parts = [nearest]
    parts += [f"Nearer than the baseline: {', '.join(nearer)}."] if nearer else []
    parts += [f"Farther than the baseline: {', '.join(farther)}."] if farther else []
    if not nearer and not farther:
        parts.append("No arm's difference from its baseline is told apart from chance at these seeds.")
    return " ".join(parts)


def _reading(comparison: Comparison) -> tuple[str, ...]:
    baselines = [f"{arm} in view {view}" for view, arm in comparison.baselines.items()]
    lines = [
        "Seeds: members trained afresh on seeds that no search saw. A diverged or failed member counts as KS = 1 and "
        "as no success; none is dropped. Mean and sd of the generated law are medians over the scored seeds.",
        "KS: sup |F_generated - F_target|, on stratified noise. A perfect generator reads "
        f"{comparison.stratified_floor:.2g} there, and {comparison.noise_floor:.2g} on average from as many "
        "independent draws: the noise floor.",
        f"Success: KS < {comparison.success_ks:g}, share with Wilson's interval. Other intervals are of the median, "
        "from the order statistics of the seeds (Hettmansperger and Sheather 1986).",
        "Difference: median over shared seeds of KS minus the baseline's on the same seed; negative is nearer. p: "
        "Wilcoxon's signed-rank test with Holm's correction over all arms. In floors: that median over the floor.",
    ]
    if baselines:
        lines.append(f"Baseline: {'; '.join(baselines)}.")
    return tuple(lines)


def _arm(result: ArmResult, description: Mapping[str, Any]) -> Arm:
    told = next((a for a in arms_of(description) if a["arm"] == result.arm), {})
    return Arm(
        name=result.arm,
        discriminator=_told(told.get("discriminator"), "not recorded"),
        generator=_told(told.get("generator"), "not recorded"),
        citation=_told(told.get("citation"), "not recorded"),
        prediction=_told(told.get("prediction"), "nothing recorded"),
        found=_found(result),
    )


def _found(result: ArmResult) -> str:
    if not result.n:
        return "No rows to compare."
    text = f"median KS {interval_text(result.ks_median)}; {result.successes} of {result.n} seeds succeed"
    if result.mean is not None or result.sd is not None:
        text += f"; mean {number_text(result.mean)}, sd {number_text(result.sd)}"
    lost = ((result.diverged, "diverged"), (result.failed, "failed"))
    return "; ".join([text, *(f"{count} {what}" for count, what in lost if count)]) + "."


def _budget(frame: pd.DataFrame, arms: Iterable[str]) -> tuple[Table, str, tuple[str, ...]]:
    """What each arm was given, the settings that all share, and a remark where arms were not searched equally."""
    rows, _ = tidy(frame)
    search, confirm = rows[rows["stage"] == "search"], rows[rows["stage"] == "confirm"]
    spare = frame.reindex(columns=["arm", "outcome", "ks"]).pipe(lambda found: found[spared(found)])["arm"]
    best, counts, settings = best_trials(search), {}, {}
    for arm in arms:
        own, fresh = search[search["arm"] == arm], confirm[confirm["arm"] == arm]
        chosen = (fresh if len(fresh) else own[own["trial"] == best.get(arm)]).head(1)
        members = len(own) + int((spare == arm).sum())  # given to it, trained or spared
        counts[arm] = (int(own["trial"].nunique()), members, int(fresh["seed"].nunique()))
        found = {n: _cell(_one(chosen, n)) for n in ("trial", *HYPERPARAMETERS)}
        settings[arm] = found | {"parameters": _parameters(chosen)}
    shown = [n for n in HYPERPARAMETERS if len({s[n] for s in settings.values()}) > 1]
    lines = tuple((a, *map(str, counts[a]), *(settings[a][n] for n in ("trial", "parameters", *shown))) for a in counts)
    columns = ("arm", "trials", "search members", "confirm seeds", "chosen trial", "its loss parameters", *shown)
    uneven = len({c[:2] for c in counts.values()}) > 1
    remarks = ("The arms were not searched equally; see the budget table.",) if uneven else ()
    return Table(columns, lines), _shared(next(iter(settings.values()), {}), shown), remarks


def _shared(setting: Mapping[str, str], shown: Sequence[str]) -> str:
    """The settings that are the same in all arms, but for those at their default: there are dozens."""
    default = Train().model_dump(mode="json")
    same = {n: v for n, v in setting.items() if n in default and n not in shown and v != _cell(default[n])}
    told = [f"{n} {v}" for n, v in same.items() if v != ABSENT]
    absent = [n for n, v in same.items() if v == ABSENT]
    parts = [", ".join(told) or "none but defaults"] + [f"not recorded: {', '.join(absent)}"] * bool(absent)
    return f"{'; '.join(parts)}. Settings not named here are at their defaults"


def _parameters(rows: pd.DataFrame) -> str:
    """The variant's own parameters in the chosen trial: where they were searched, the arm's name has the default."""
    told = rows["loss_params"].iloc[0] if len(rows) else None
    return ", ".join(f"{k} {v:.4g}" for k, v in told.items()) if isinstance(told, Mapping) and told else ABSENT


def _one(rows: pd.DataFrame, name: str) -> Any:
    known = rows[name].dropna()
    return known.iloc[0] if len(known) else None


def _lost(frame: pd.DataFrame) -> Table:
    rows = select(frame).frame
    lines = []
    for _, row in rows[rows["outcome"].isin(["diverged", "failed"])].iterrows():
        step = row["stopped_step"]
        where = f"step {step:.0f}" if step == step else ""
        why = row["failure"] if row["outcome"] == "failed" else row["stopped_tensor"]
        reason = ", ".join(p for p in (where, _told(why, "")) if p) or "no reason recorded"
        lines.append((str(row["arm"]), str(row["seed"]), str(row["outcome"]), reason))
    return _shortened(("arm", "seed", "outcome", "where or why"), lines)


def _provenance(description: Mapping[str, Any]) -> Table:
    told = description.get("provenance")
    pairs = [(n, description.get(n)) for n in ("uid", "fingerprint", "created")]
    pairs += list(told.items()) if isinstance(told, Mapping) else [("provenance", None)]
    return Table(("what", "value"), tuple((str(n), _recorded(v)) for n, v in pairs))


def _recorded(value: Any) -> str:
    """What sweep.json says, at most a paragraph of it: versions are a hundred, and a diff may be a megabyte."""
    if value is None:
        return "not recorded"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    more = len(text) - LONGEST_VALUE
    return text if more <= 0 else f"{text[:LONGEST_VALUE]}… ({more:,} more characters are in sweep.json)"


def table_of(frame: pd.DataFrame) -> Table:
    """A frame as text: numbers to four significant digits, whole ones whole, a dash where there is none."""
    lines = tuple(tuple(_cell(v) for v in line) for line in frame.itertuples(index=False, name=None))
    return _shortened([str(c) for c in frame.columns], lines)


def _shortened(columns: Sequence[str], lines: Sequence[tuple[str, ...]]) -> Table:
    """The first ``LONGEST`` lines: thousands of seeds would bury the page, and the committed rows hold them all."""
    return Table(tuple(columns), tuple(lines[:LONGEST]), max(0, len(lines) - LONGEST))


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ABSENT
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, (list, tuple, np.ndarray)):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def markdown_lines(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, from cells that are escaped already."""
    shown = [f"| {' | '.join(line)} |" for line in (columns, *lines)]
    return [shown[0], f"|{'---|' * len(columns)}", *shown[1:]]
