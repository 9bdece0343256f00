"""``harness losses``: all variants as a table, or the card of one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import AsJson

#: Most characters of a limit and fewest of a formula in the table.
_LIMIT, _FORMULA = 7, 20

_VERDICTS = {"yes": "yes, proved", "no": "no", "undecided": "undecided by algebra"}

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="A variant, optionally with parameters (NAME(t=0.25)), or DISCRIMINATOR|GENERATOR from two variants.",
        show_default=False,
    ),
]


def command(name: Name = None, as_json: AsJson = False) -> None:
    """List all loss variants, or print the card of one: everything that is known and proved about it.

    A high logit means "real" to the discriminator. Both players minimise. The slope is the derivative of the
    generator's loss with respect to the logit of a generated value. The table shows it at logit -infinity (the
    discriminator is sure that the value is generated), 0 and +infinity.

    Examples:

        harness losses

        harness losses minimax

        harness losses "generator_label(t=0.25)"

        harness losses "hinge|minimax" --json
    """
    from harness.losses import LOSSES, catalogue
    from harness.losses.describe import outline

    if name is None:
        if as_json:
            _print_json(catalogue())
        else:
            console = Console()
            console.print(_table([outline(variant) for variant in LOSSES.values()], console.width))
        return
    from harness.losses.card import card

    variant, values = LOSSES.parse(name)
    # A bare name asks for the whole family: its parameters stay symbols.
    facts = card(variant, LOSSES, None if name.strip() == variant.name else values)
    if as_json:
        _print_json(facts)
    else:
        print_card(facts)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=1, allow_nan=False))  # noqa: T201


def _table(rows: list[dict[str, Any]], width: int) -> Table:
    """Two lines per variant, under its family; formulas and limits are cut at the width of their column."""
    caption = "harness losses NAME: the whole card"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), caption=caption)
    names = max(len(row[key]) for row in rows for key in ("name", "citation", "family"))
    heads = ("\n-∞", "slope\nat 0", "\n+∞")
    columns = zip(heads, zip(*map(_slopes, rows), strict=True), strict=True)
    ends = [min(max(map(len, (*head.splitlines(), *limits))), _LIMIT) for head, limits in columns]
    # rich narrows the last columns away before it cuts a formula, so the formula gets what the others leave.
    left = max(width - names - sum(ends) - 2 * (1 + len(ends)), _FORMULA)
    table.add_column("variant\nsource", no_wrap=True, width=names)
    table.add_column("D minimises\nG minimises", no_wrap=True, overflow="ellipsis", max_width=left)
    for head, characters in zip(heads, ends, strict=True):
        table.add_column(head, no_wrap=True, overflow="ellipsis", width=characters)
    families: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault(row["family"], []).append(row)
    for family, members in families.items():
        table.add_row(Text(f"\n{family}", "italic underline"))
        for row in members:
            named = Text("\n").join([Text(row["name"], "bold"), Text(row["citation"])])
            limits = (Text(f"\n{slope}") for slope in _slopes(row))
            table.add_row(named, Text(f"{row['discriminator']}\n{row['generator']}"), *limits)
    return table


def _slopes(row: Mapping[str, Any]) -> tuple[str, ...]:
    keys = ("slope_at_minus_infinity", "slope_at_zero", "slope_at_plus_infinity")
    return tuple((row[key] if row["reads_logits"] else None) or "-" for key in keys)


def print_card(facts: Mapping[str, Any]) -> None:
    """Print a card (``harness.losses.card``): formulas, slope, prediction, identities, source."""
    console = Console()
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for label, content in _card_lines(facts):
        grid.add_row(label, Text(content))
    console.print(Text(facts["name"], "bold"), Text(f"family {facts['family']}"), "", grid, sep="\n")
    if facts["bibtex"]:
        console.print("", Text(facts["bibtex"]), sep="\n")


def _card_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    from harness.losses.card import identity_text

    yield "D minimises", facts["discriminator"]
    yield "G minimises", facts["generator"]
    yield from _slope_lines(facts)
    if facts["swap_symmetric"]:
        yield "symmetric", f"D(real, fake) = D(-fake, -real): {_VERDICTS[facts['swap_symmetric']]}"
    for parameter in facts["parameters"]:
        text = f"{parameter['default']:g} in {parameter['interval']}: {parameter['meaning']}"
        yield f"{parameter['name']} =", text
    for kind, law in facts["labels"].items():
        yield f"label of {kind}", f"mean {law['mean']}; drawn as {law['draw']} with u uniform in (0, 1)"
    if facts["reads_logits"]:
        optimum = facts["equilibrium_logit"] or "not unique, or not stated"
        yield "equilibrium", f"D's optimal logit where the two laws agree: {optimum}"
    yield from _prediction_lines(facts)
    if facts["confused_with"]:
        yield "not to be", f"confused with {facts['confused_with']}"
    for identity in facts["equivalences"]:
        yield "identity", identity_text(identity)
    for key, value in facts["needs"].items():
        yield "needs", _required_setting(key, value)
    yield "source", ", ".join(filter(None, (facts["citation"], facts["identifier"], facts["where"])))
    if facts["bibtex"]:
        yield "checked", f"against {facts['checked']}" if facts["checked"] else "not checked against the paper"


def _slope_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not facts["reads_logits"]:
        yield "slope", "none: the generator learns from the values themselves, whatever D says"
        return
    yield "slope", facts["generator_slope"]
    ends = {"-∞": "slope_at_minus_infinity", "0": "slope_at_zero", "+∞": "slope_at_plus_infinity"}
    for end, key in ends.items():
        yield f"  at {end}", facts[key] or "-"
    if facts["saturates"]:
        yield "saturates", f"where D is sure that a value is generated: {facts['saturates']}"


def _prediction_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    prediction, dirac = facts["prediction"], facts["dirac"]
    outcome = "" if prediction["outcome"] == "unknown" else f"{prediction['outcome']}. "
    yield "predicted", f"{outcome}{prediction['text']}"
    if prediction["source"]:
        yield "  rests on", prediction["source"]
    known = [f"{dirac[order]} ({order})" for order in ("alternating", "simultaneous") if dirac[order] != "unknown"]
    if known:
        yield "on Dirac", ", ".join(known)


def _required_setting(key: str, value: float | str) -> str:
    """A training setting that the published loss requires; the weight of a penalty with its name and formula."""
    from harness.losses.card import setting_text
    from harness.losses.penalties import PENALTIES

    penalty, setting = PENALTIES.get(key), setting_text(key, value)
    return setting if penalty is None else f"{setting}: {penalty.title}, {penalty.text}"
