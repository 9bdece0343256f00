"""How it was run, and the command that runs it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from analysis.report.blocks import Block, Code, Lines, Section, Text
from analysis.report.context import ReportContext
from analysis.report.tables import Table, shortened
from harness.store import SWEEPS, slug

#: Characters of one value of the provenance that the page shows.
LONGEST_VALUE = 4000


def section(material: ReportContext) -> Section:
    """Lost members, provenance, commands and the specification."""
    lost = _lost(material)
    blocks: list[Block] = [
        Lines("Compared members that diverged or failed", lost)
        if lost.lines
        else Text("No compared member diverged or failed."),
        Lines("What, when and where", Table(("what", "value"), tuple(_run(material)))),
        Lines("Provenance", Table(("what", "value"), tuple(_provenance(material.description)))),
        Text(
            "Run the experiment file that says what the specification below says, with the commit and the engine named "
            "above. A member's row is a function of the member and the engine, so keys, scores and digests agree; this "
            "page is made from the rows alone."
        ),
        Code(_commands(material)),
        Code(json.dumps(material.spec, indent=1, sort_keys=True, default=str), "The specification as run"),
    ]
    return Section("provenance", "How it was run, and how to run it again", blocks)


def _commands(material: ReportContext) -> str:
    name = slug(material.name)
    lines = (
        f"harness sweep experiments/{name}.toml",
        f"harness report {SWEEPS / name}",
        "harness replay MEMBER   # any committed member by the first digits of its key: do its bits match?",
        f"python -m analysis.comparison {SWEEPS / name} --json",
    )
    return "\n".join(lines)


def _lost(material: ReportContext) -> Table:
    rows = material.selection.frame
    lines = []
    for row in rows[rows["outcome"].isin(["diverged", "failed"])].to_dict("records"):
        step = row["stopped_step"]
        where = f"step {step:.0f}" if step == step else ""
        why = row["failure"] if row["outcome"] == "failed" else row["stopped_tensor"]
        reason = ", ".join(p for p in (where, why if isinstance(why, str) else "") if p) or "no reason recorded"
        lines.append((str(row["arm"]), str(row["seed"]), str(row["outcome"]), reason))
    return shortened(("arm", "seed", "outcome", "where or why"), lines)


def _run(material: ReportContext) -> list[tuple[str, str]]:
    read, rows = material.read, material.selection.frame
    seeds = sorted({int(s) for s in rows["seed"]})
    told = material.description.get("provenance")
    device = told.get("device") if isinstance(told, Mapping) else None
    return [
        ("members committed", f"{read.members:,}"),
        ("of them trained elsewhere and reused", f"{read.cost.reused:,}"),
        ("training", f"{read.cost.seconds:,.0f} s" if read.cost.seconds else "not recorded"),
        ("energy", f"{read.cost.joules:,.0f} J" if read.cost.joules is not None else "not recorded"),
        ("device", ", ".join(read.cost.devices) or _recorded(device)),
        ("engines", ", ".join(sorted({str(e) for e in rows["engine"].dropna()})) or "not recorded"),
        ("seeds compared", _seeds(seeds)),
        ("last member finished", _recorded(read.cost.finished)),
        ("sweep finished", _recorded(material.description.get("finished"))),
    ]


def _seeds(seeds: list[int]) -> str:
    if not seeds:
        return "none"
    if len(seeds) <= 6:
        return ", ".join(map(str, seeds))
    return f"{len(seeds)}: {', '.join(map(str, seeds[:3]))} … {seeds[-1]}"


def _provenance(description: Mapping[str, Any]) -> list[tuple[str, str]]:
    told = description.get("provenance")
    pairs = [(n, description.get(n)) for n in ("uid", "fingerprint", "created")]
    pairs += list(told.items()) if isinstance(told, Mapping) else [("provenance", None)]
    return [(str(n), _recorded(v)) for n, v in pairs]


def _recorded(value: Any) -> str:
    """What sweep.json says, at most a paragraph of it: versions are a hundred, and a diff may be a megabyte."""
    if value is None:
        return "not recorded"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    more = len(text) - LONGEST_VALUE
    return text if more <= 0 else f"{text[:LONGEST_VALUE]}… ({more:,} more characters are in sweep.json)"
