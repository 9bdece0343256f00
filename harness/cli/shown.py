"""A sweep and a member on a terminal, from the facts of ``harness.cli.details``. Every text is shown as text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.amounts import duration_text, energy_text
from harness.store import HYPERPARAMETERS
from harness.text import visible

#: Snapshots that the table shows at most, evenly chosen: more are no small table.
SHOWN = 16

#: The columns of the small table.
_COLUMNS = ("ks", "loss_d", "loss_g", "fake_mean", "fake_sd", "grad_norm_d", "grad_norm_g")

#: KS at the foot of a sparkline; its head is 1. A sparkline's steps are equal ratios.
_FOOT = 0.001
_BARS = "▁▂▃▄▅▆▇█"

#: Characters of one value of the provenance that are shown.
_PARAGRAPH = 1000


def print_sweep(facts: Mapping[str, Any]) -> None:
    """Print a sweep: what was asked and found, arm by arm, what it cost, with what it was run, how to go on."""
    console = Console()
    console.print(Text(visible(facts["name"]), "bold"), _grid(_found(facts)), sep="\n")
    for arm in facts["arms"]:
        console.print("", Text(visible(arm["arm"]), "bold"), _grid(_arm(arm)), sep="\n")
    console.print("", Text("spec as run", "bold"), *map(Text, spec_lines(facts["spec"])), sep="\n")
    told = facts["provenance"] if isinstance(facts["provenance"], dict) else {"provenance": "not recorded"}
    console.print("", Text("provenance", "bold"), _grid((k, _recorded(v)) for k, v in told.items()), sep="\n")


def print_member(facts: Mapping[str, Any]) -> None:
    """Print a member: where it stands, how it ended, its definition, its snapshots, how to train it again."""
    console = Console()
    console.print(Text(f"member {visible(facts['key'])}", "bold"), _grid(_ended(facts)), sep="\n")
    definition = {**facts["definition"], "engine": facts["engine"]}
    console.print("", Text("definition", "bold"), _grid((k, _value(v)) for k, v in definition.items()), sep="\n")
    steps = facts["snapshots"]["step"]
    if steps:
        console.print("", Text("snapshots", "bold"), _snapshots(facts["snapshots"]), sep="\n")
    if len(steps) > SHOWN:
        console.print(Text(f"{SHOWN} of {len(steps)} snapshots; --json has all"))


def spec_lines(spec: Mapping[str, Any]) -> Iterator[str]:
    """A spec as ``sweep.json`` keeps it, in the lines of an experiment file: plain keys, then tables."""
    train = {k: v for k, v in spec.items() if k in (*HYPERPARAMETERS, "snapshots")}
    tables = {k: v for k, v in spec.items() if isinstance(v, dict)}
    yield from _lines({k: v for k, v in spec.items() if k not in train and k not in tables})
    target = tables.get("target", {})
    if isinstance(target.get("params"), dict):
        tables["target"] = {**{k: v for k, v in target.items() if k != "params"}, **target["params"]}
    for name, table in (*tables.items(), ("train", train)):
        if table:
            yield f"[{visible(name)}]"
            yield from _lines(table)


def sparkline(values: Sequence[float | None]) -> str:
    """KS distances as bars, from 0.001 to 1 in equal ratios; a blank where there is none."""
    return "".join(" " if v is None else _BARS[_height(v)] for v in values)


def _height(ks: float) -> int:
    share = 1 - math.log(min(max(ks, _FOOT), 1)) / math.log(_FOOT)
    return min(int(share * len(_BARS)), len(_BARS) - 1)


def _grid(lines: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, content in lines:
        grid.add_row(Text(visible(label)), Text(visible(content)))
    return grid


def _found(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    stands = facts["standing"]
    count = "?" if stands["populations"] is None else stands["populations"]
    yield "question", facts["question"] or "none was stated"
    yield "prediction", facts["prediction"] or "nothing was predicted"
    yield "folder", facts["folder"]
    yield "created", str(facts["created"])
    yield "state", f"{stands['state']}, {stands['committed']} of {count} populations, {facts['members']} members"
    yield "outcomes", _counts(facts["outcomes"])
    yield from (("remark", remark) for remark in facts["remarks"])
    yield "training", f"{duration_text(facts['seconds'])}, summed over populations"
    if facts["energy_joules"] is not None:
        yield "energy", f"{energy_text(facts['energy_joules'])}, measured in {facts['energy_populations']} populations"
    yield "go on", facts["resume"]
    if facts["replay"]:
        yield "replay", facts["replay"]


def _arm(arm: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for player in ("discriminator", "generator"):
        yield f"{player[0].upper()} minimises", str(arm.get(player) or "not recorded")
    yield "outcomes", _counts(arm["outcomes"])
    best = arm["best"]
    if best is None:
        yield "best", "nothing committed yet"
        return
    how = "median over {} confirm seeds" if best["stage"] == "confirm" else "mean over {} search seeds"
    yield "best", f"trial {best['trial']}: KS {best['ks']:.4g}, {how.format(best['seeds'])}"
    chosen = ", ".join(f"{k} {_value(v)}" for k, v in best["setting"].items())
    yield "its setting", chosen or "the file's own: nothing was searched"
    yield "its best seed", f"member {best['key']}"


def _ended(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for place in facts["places"]:
        revised = f", revision {place['revision']}" if place["revision"] else ""
        yield (
            "stands in",
            f"{place['folder']}, population {place['population']}{revised}: {place['stage']} round {place['round']}, "
            f"{place['arm']}, trial {place['trial']}, seed {place['seed']}",
        )
    where = ("stopped_step", "stopped_tensor", "failure")
    told = (f"{name.replace('_', ' ')} {facts[name]}" for name in where if facts[name] is not None)
    yield "outcome", ", ".join((str(facts["outcome"]), *told))
    yield from ((name, _value(value)) for name, value in facts["scores"].items())
    if ks := facts["snapshots"].get("ks"):
        yield "KS over steps", f"{sparkline(ks)}  ({_BARS[0]} {_FOOT:g} or less, {_BARS[-1]} 1; equal ratios)"
    yield "digest", str(facts["digest"])
    yield "replay", facts["replay"]


def _snapshots(snapshots: Mapping[str, Sequence[Any]]) -> Table:
    steps = snapshots["step"]
    shown = [name for name in _COLUMNS if name in snapshots]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("step", *shown):
        table.add_column(head, justify="right")
    last = len(steps) - 1
    for i in sorted({round(k * last / (SHOWN - 1)) for k in range(SHOWN)}):
        table.add_row(*(_cell(snapshots[name], i) for name in ("step", *shown)))
    return table


def _cell(values: Sequence[Any], i: int) -> str:
    value = values[i] if i < len(values) else None
    return f"{value:.4g}" if isinstance(value, float) else _value(value)


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if value is not None:
            yield f"{visible(key)} = {_toml(value)}"


def _toml(value: Any) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{visible(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return visible(json.dumps(value, ensure_ascii=False))


def _counts(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "none"


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_value(v)}" for k, v in value.items()) or "none"
    return ", ".join(map(_value, value)) or "none" if isinstance(value, (list, tuple)) else str(value)


def _recorded(value: Any) -> str:
    """What provenance says, at most a paragraph of it: versions are a hundred, and a diff may be a megabyte."""
    if isinstance(value, Mapping) and "diff" in value:
        diff, names = value["diff"], value.get("untracked") or []
        told = f"a diff of {len(diff or ''):,} characters, {len(names)} untracked files"
        return f"{told} ({_value(names[:5])}); --json has them"
    text = _value(value)
    more = len(text) - _PARAGRAPH
    return text if more <= 0 else f"{text[:_PARAGRAPH]}… ({more:,} more characters; --json has all)"
