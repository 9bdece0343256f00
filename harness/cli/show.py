"""``harness show``: one sweep, or one member, in full. Text of a user is printed as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from harness.cli.options import AsJson
from harness.text import duration_text, energy_text, visible

#: Snapshots that the table shows at most, evenly chosen.
MAX_SNAPSHOTS = 16

#: The columns of the table of snapshots.
_COLUMNS = ("ks", "loss_d", "loss_g", "fake_mean", "fake_sd", "grad_norm_d", "grad_norm_g")

#: Characters of one value of the provenance that are shown.
_PARAGRAPH = 1000


def command(
    what: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP|MEMBER",
            help="A sweep's folder or name, a member's key (or its first 6 or more digits), or the id of a trial's "
            "MLflow run.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show a sweep (question, arms, outcomes, cost, spec, provenance) or a member (definition, scores, snapshots).

    Examples:

        harness show labels

        harness show sweeps/labels --json

        harness show 0123456789abcdef
    """
    from harness.cli.details import member_facts, sweep_facts
    from harness.errors import InputError
    from harness.sweep.lookup import find_copies, find_sweep

    store = find_sweep(what)
    if store is not None:
        facts = sweep_facts(store)
    else:
        try:
            facts = member_facts(find_copies(what))
        except InputError as error:
            raise InputError(f"no sweep is there, and as a member {error}") from None
    if as_json:
        print(json.dumps(facts, indent=1, allow_nan=False))  # noqa: T201
    elif store is None:
        print_member(facts)
    else:
        print_sweep(facts)


def print_sweep(facts: Mapping[str, Any]) -> None:
    """Print a sweep: its question, status and cost, each arm's result, spec, provenance, how to continue it."""
    _print_section(facts["name"], _grid(_sweep_lines(facts)))
    for arm in facts["arms"]:
        _print_section(arm["arm"], _grid(_arm_lines(arm)), gap=True)
    _print_section("spec as run", *map(Text, spec_lines(facts["spec"])), gap=True)
    recorded = facts["provenance"] if isinstance(facts["provenance"], dict) else {"provenance": "not recorded"}
    _print_section("provenance", _grid((k, _provenance_text(v)) for k, v in recorded.items()), gap=True)


def print_member(facts: Mapping[str, Any]) -> None:
    """Print a member: the sweeps that hold it, how it ended, its definition, its snapshots, how to replay it."""
    _print_section(f"member {facts['key']}", _grid(_member_lines(facts)))
    definition = {**facts["definition"], "engine": facts["engine"]}
    _print_section("definition", _grid((name, _value(value)) for name, value in definition.items()), gap=True)
    count = len(facts["snapshots"]["step"])
    if count:
        _print_section("snapshots", _snapshot_table(facts["snapshots"]), gap=True)
    if count > MAX_SNAPSHOTS:
        Console().print(Text(f"{MAX_SNAPSHOTS} of {count} snapshots; --json has all"))


def spec_lines(spec: Mapping[str, Any]) -> Iterator[str]:
    """A spec as ``sweep.json`` keeps it, in the lines of an experiment file: plain keys, then tables."""
    from harness.store import HYPERPARAMETERS

    train = {k: v for k, v in spec.items() if k in (*HYPERPARAMETERS, "snapshots")}
    tables = {k: v for k, v in spec.items() if isinstance(v, dict)}
    yield from _toml_lines({k: v for k, v in spec.items() if k not in train and k not in tables})
    target = tables.get("target", {})
    if isinstance(target.get("params"), dict):
        tables["target"] = {**{k: v for k, v in target.items() if k != "params"}, **target["params"]}
    for name, table in (*tables.items(), ("train", train)):
        if table:
            yield f"[{visible(name)}]"
            yield from _toml_lines(table)


def _toml_lines(table: Mapping[str, Any]) -> Iterator[str]:
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


def _print_section(heading: str | None, *content: RenderableType, gap: bool = False) -> None:
    console = Console()
    if gap:
        console.print()
    console.print(Text(visible(heading), "bold"), *content, sep="\n")


def _grid(rows: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, content in rows:
        grid.add_row(Text(visible(label)), Text(visible(content)))
    return grid


def _sweep_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    status = facts["standing"]
    populations = "?" if status["populations"] is None else status["populations"]
    yield "question", facts["question"] or "none was stated"
    yield "prediction", facts["prediction"] or "nothing was predicted"
    yield "folder", facts["folder"]
    yield "created", str(facts["created"])
    yield "state", f"{status['state']}, {status['committed']} of {populations} populations, {facts['members']} members"
    yield "outcomes", _counts(facts["outcomes"])
    yield from (("remark", remark) for remark in facts["remarks"])
    yield "training", f"{duration_text(facts['seconds'])}, summed over populations"
    if facts["energy_joules"] is not None:
        yield "energy", f"{energy_text(facts['energy_joules'])}, measured in {facts['energy_populations']} populations"
    yield "continue", facts["resume"]
    if facts["replay"]:
        yield "replay", facts["replay"]


def _arm_lines(arm: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for player in ("discriminator", "generator"):
        yield f"{player[0].upper()} minimises", str(arm.get(player) or "not recorded")
    yield "outcomes", _counts(arm["outcomes"])
    best = arm["best"]
    if best is None:
        yield "best", "nothing committed yet"
        return
    average = "median over {} confirm seeds" if best["stage"] == "confirm" else "mean over {} search seeds"
    yield "best", f"trial {best['trial']}: KS {best['ks']:.4g}, {average.format(best['seeds'])}"
    setting = ", ".join(f"{name} {_value(value)}" for name, value in best["setting"].items())
    yield "its setting", setting or "the file's own: nothing was searched"
    yield "its best seed", f"member {best['key']}"


def _member_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for place in facts["places"]:
        revision = f", revision {place['revision']}" if place["revision"] else ""
        yield (
            "committed in",
            f"{place['folder']}, population {place['population']}{revision}: {place['stage']} round {place['round']}, "
            f"{place['arm']}, trial {place['trial']}, seed {place['seed']}",
        )
    reasons = ("stopped_step", "stopped_tensor", "failure")
    texts = (f"{name.replace('_', ' ')} {facts[name]}" for name in reasons if facts[name] is not None)
    yield "outcome", ", ".join((str(facts["outcome"]), *texts))
    yield from ((name, _value(value)) for name, value in facts["scores"].items())
    yield "digest", str(facts["digest"])
    yield "replay", facts["replay"]


def _snapshot_table(snapshots: Mapping[str, Sequence[Any]]) -> Table:
    columns = ["step", *(name for name in _COLUMNS if name in snapshots)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, justify="right")
    last = len(snapshots["step"]) - 1
    for i in sorted({round(k * last / (MAX_SNAPSHOTS - 1)) for k in range(MAX_SNAPSHOTS)}):
        table.add_row(*(_cell(snapshots[name], i) for name in columns))
    return table


def _cell(values: Sequence[Any], i: int) -> str:
    value = values[i] if i < len(values) else None
    return f"{value:.4g}" if isinstance(value, float) else _value(value)


def _counts(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "none"


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(each)}" for name, each in value.items()) or "none"
    return ", ".join(map(_value, value)) or "none" if isinstance(value, (list, tuple)) else str(value)


def _provenance_text(value: Any) -> str:
    """A value of the provenance, at most a paragraph: there are a hundred versions, and a diff may be a megabyte."""
    if isinstance(value, Mapping) and "diff" in value:
        diff, names = value["diff"], value.get("untracked") or []
        summary = f"a diff of {len(diff or ''):,} characters, {len(names)} untracked files"
        return f"{summary} ({_value(names[:5])}); --json has them"
    text = _value(value)
    hidden = len(text) - _PARAGRAPH
    return text if hidden <= 0 else f"{text[:_PARAGRAPH]}… ({hidden:,} more characters; --json has all)"
