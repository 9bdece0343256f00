"""``harness train``: train one variant at one setting on several seeds."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import AsJson, EngineName, Overrides
from harness.text import visible

if TYPE_CHECKING:
    from harness.config import Experiment

#: Keys of an experiment file, and the options that set them here.
_OPTIONS = {
    "variants": "--loss",
    "views": "--view",
    "confirm.seeds": "--seeds",
    "population": "--seeds",
    "train.steps": "--steps",
    "train.snapshots": "--snapshots",
}

#: Tables and keys that --set may change here.
_SETTABLE = ("seed", "target", "train")


def command(
    loss: Annotated[str, typer.Option(help='Loss variant, with parameters if it has any: "generator_label(t=0.25)".')],
    view: Annotated[
        str,
        typer.Option(help="Input of the discriminator: raw, variances, diffs, moments, sorted, sample, pack(m=2)."),
    ] = "variances",
    seeds: Annotated[int, typer.Option(help="Number of members; their seeds are 0, 1, ...")] = 16,
    steps: Annotated[int, typer.Option(help="GAN-steps per member.")] = 10_000,
    *,
    snapshots: Annotated[
        str, typer.Option(help="Steps at which to measure, e.g. 1000,3000 (default: ten, evenly spaced).")
    ] = "",
    overrides: Overrides = None,
    engine: EngineName = "auto",
    as_json: AsJson = False,
) -> None:
    """Train one variant at one setting on several seeds, and print how close each seed came to the target.

    A member fails if memory does not suffice. Exit status 1: every member failed.

    Examples:

        harness train --loss non_saturating --seeds 32 --steps 30000

        harness train --loss "generator_label(t=0.5)" --view sample --set train.lr_g=1e-3 --json
    """
    from harness.cli.live.reporter import Reporter
    from harness.engines import choose
    from harness.engines.auto import assign_engines
    from harness.sweep.batching import seconds_of, train_batches
    from harness.sweep.plan import member
    from harness.sweep.training import score_members, snapshot_measure

    schedule = {"steps": steps} | ({"snapshots": _parse_steps(snapshots)} if snapshots else {})
    table = {"name": "train", "variants": [loss], "views": [view], "confirm": {"seeds": seeds}, "train": schedule}
    spec = _experiment({**table, "population": max(seeds, 1)}, overrides or ())
    (arm,) = spec.arms
    members = [member(spec, arm, {}, seed) for seed in range(seeds)]
    trainer = choose(engine)
    (service,) = assign_engines(trainer, [(members[0], seeds)])
    with Reporter(seeds * spec.train.steps) as reporter:
        trained = train_batches(members, trainer, snapshot_measure, reporter.advanced)
        rows = score_members(trained)
    result = {
        "loss": spec.variants[0],
        "view": spec.views[0],
        "engine": service.engine.identity,
        "seconds": seconds_of(trained),
        "steps": spec.train.steps,
        "members": [_member(row, spec.train.snapshots) for row in rows],
    }
    if as_json:
        print(json.dumps(result, allow_nan=False))  # noqa: T201
    else:
        _print(result, rows, service.text("member"))
    if all(row["outcome"] == "failed" for row in rows):
        raise typer.Exit(1)


def _parse_steps(text: str) -> list[int]:
    from harness.errors import InputError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--snapshots: got {text[:60]!r}; allowed: whole numbers such as 1000,3000") from None


def _experiment(table: dict[str, Any], overrides: Sequence[str]) -> Experiment:
    """The experiment of one arm; its errors name the option that sets the value."""
    from harness.config import from_table
    from harness.engines.memory import check_memory
    from harness.errors import InputError

    try:
        spec = from_table(table, overrides, "train")
    except InputError as error:
        key, _, rest = str(error).removeprefix("train: ").partition(": ")
        raise InputError(f"{_OPTIONS.get(key, key)}: {rest}") from None
    for key in (override.partition("=")[0].strip() for override in overrides):
        if key.partition(".")[0] not in _SETTABLE:
            reason = f"use {_OPTIONS[key]}" if key in _OPTIONS else "it has no effect on one population"
            raise InputError(f"--set {key}: {reason}; allowed: seed, and the keys of target and train")
    check_memory(spec)
    for setting in spec.overridden:
        print(visible(setting.text), file=sys.stderr)  # noqa: T201
    return spec


def _member(row: Mapping[str, Any], snapshots: Sequence[int]) -> dict[str, Any]:
    from harness.metrics.trials import WORST_KS

    # A member that stopped before a snapshot counts as KS 1 there.
    measured = dict(zip(row["snapshot_step"], row["snapshot_ks"], strict=True))
    return {
        "seed": row["seed"],
        "outcome": row["outcome"],
        "stopped_step": row.get("stopped_step"),
        "stopped_tensor": row.get("stopped_tensor"),
        "failure": row.get("failure"),
        "ks": {str(step): measured.get(step, WORST_KS) for step in snapshots},
        "mean": row["mean"],
        "sd": row["sd"],
    }


def _print(result: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], engine_text: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{result['loss']} / {result['view']}, {result['steps']} steps, {result['engine']}")
    for name in ("seed", "outcome", "KS", "KS test p", "mean", "sd", "W1"):
        table.add_column(name, justify="left" if name == "outcome" else "right")
    for row in rows:
        numbers = [("ks", ".4f"), ("ks_pvalue", ".2g"), ("mean", ".3f"), ("sd", ".3f"), ("w1", ".4f")]
        cells = ["-" if row[name] is None else format(row[name], form) for name, form in numbers]
        stopped = f" at step {row['stopped_step']}" if row["outcome"] == "diverged" else ""
        table.add_row(str(row["seed"]), row["outcome"] + stopped, *cells)
    console = Console()
    console.print(table)
    for line in _reasons(rows):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(visible(engine_text), markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"median KS {statistics.median(row['ks'] for row in rows):.4f}; {result['seconds']:.1f} s of training"
    )


def _reasons(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Reasons why members have no score: a line for each distinct one, the most frequent first."""
    lost = Counter(
        (row["outcome"], row.get("failure") or f"{row.get('stopped_tensor')} not finite")
        for row in rows
        if row["outcome"] != "scored"
    )
    for (outcome, reason), count in lost.most_common():
        yield f"{count} of {len(rows)} {outcome}: {visible(reason)}"
