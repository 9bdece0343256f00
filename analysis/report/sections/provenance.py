"""Place and time of the sweep, its lost members, and the commands that run it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from analysis.report.blocks import Block, Code, Section, TableBlock, Text
from analysis.report.context import ReportContext
from analysis.report.tables import Table, shortened
from harness.metrics.trials import LOST
from harness.store import SWEEPS, slug

#: Characters of one value of the provenance that the page shows.
MAX_VALUE_CHARACTERS = 4000


def section(context: ReportContext) -> Section:
    """Lost members, provenance, commands and the specification."""
    lost = _lost_members(context)
    blocks: list[Block] = [
        TableBlock("Compared members that diverged or failed", lost)
        if lost.lines
        else Text("No compared member diverged or failed."),
        TableBlock("What, when and where", Table(("what", "value"), tuple(_run_facts(context)))),
        TableBlock("Provenance", Table(("what", "value"), tuple(_provenance(context.description)))),
        Text(
            "To run it again, use the experiment file of the specification below with the commit and the engine named "
            "above. A member's row depends on the member and the engine alone, so keys, scores and digests agree. This "
            "page depends on the rows alone."
        ),
        Code(_commands(context)),
        Code(json.dumps(context.spec, indent=1, sort_keys=True, default=str), "The specification as run"),
    ]
    return Section("provenance", "How it was run, and how to run it again", blocks)


def _commands(context: ReportContext) -> str:
    name = slug(context.name)
    lines = (
        f"harness sweep experiments/{name}.toml",
        f"harness report {SWEEPS / name}",
        "harness replay MEMBER   # any committed member by the first digits of its key: do its bits match?",
        f"python -m analysis ranking {SWEEPS / name}   # one section of this page; without arguments: all their names",
    )
    return "\n".join(lines)


def _lost_members(context: ReportContext) -> Table:
    rows = context.selection.frame
    lines = []
    for row in rows[rows["outcome"].isin(LOST)].to_dict("records"):
        step = row["stopped_step"]
        where = f"step {step:.0f}" if step == step else ""
        why = row["failure"] if row["outcome"] == "failed" else row["stopped_tensor"]
        reason = ", ".join(p for p in (where, why if isinstance(why, str) else "") if p) or "no reason recorded"
        lines.append((str(row["arm"]), str(row["seed"]), str(row["outcome"]), reason))
    return shortened(("arm", "seed", "outcome", "where or why"), lines)


def _run_facts(context: ReportContext) -> list[tuple[str, str]]:
    read, rows = context.read, context.selection.frame
    seeds = sorted({int(s) for s in rows["seed"]})
    recorded = context.description.get("provenance")
    device = recorded.get("device") if isinstance(recorded, Mapping) else None
    return [
        ("members committed", f"{read.members:,}"),
        ("of them trained elsewhere and reused", f"{read.cost.reused:,}"),
        ("training", f"{read.cost.seconds:,.0f} s" if read.cost.seconds else "not recorded"),
        ("energy", f"{read.cost.joules:,.0f} J" if read.cost.joules is not None else "not recorded"),
        ("device", ", ".join(read.cost.devices) or _value_text(device)),
        ("engines", ", ".join(sorted({str(e) for e in rows["engine"].dropna()})) or "not recorded"),
        ("seeds compared", _seeds_text(seeds)),
        ("last member finished", _value_text(read.cost.finished)),
        ("sweep finished", _value_text(context.description.get("finished"))),
    ]


def _seeds_text(seeds: list[int]) -> str:
    if not seeds:
        return "none"
    if len(seeds) <= 6:
        return ", ".join(map(str, seeds))
    return f"{len(seeds)}: {', '.join(map(str, seeds[:3]))} … {seeds[-1]}"


def _provenance(description: Mapping[str, Any]) -> list[tuple[str, str]]:
    recorded = description.get("provenance")
    pairs = [(n, description.get(n)) for n in ("uid", "fingerprint", "created")]
    pairs += list(recorded.items()) if isinstance(recorded, Mapping) else [("provenance", None)]
    return [(str(n), _value_text(v)) for n, v in pairs]


def _value_text(value: Any) -> str:
    """A value of sweep.json, shortened to a paragraph: there are a hundred versions, and a diff may be a megabyte."""
    if value is None:
        return "not recorded"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    more = len(text) - MAX_VALUE_CHARACTERS
    return text if more <= 0 else f"{text[:MAX_VALUE_CHARACTERS]}… ({more:,} more characters are in sweep.json)"
