"""The card of one loss variant on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.losses.card import identity_text, setting_text

_VERDICTS = {"yes": "yes, proved", "no": "no", "undecided": "undecided by algebra"}


def print_card(facts: Mapping[str, Any]) -> None:
    """Print a card (``harness.losses.card``): what, its slope, what is predicted, what it is not, where from."""
    console = Console()
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for label, content in _lines(facts):
        grid.add_row(label, Text(content))
    console.print(Text(facts["name"], "bold"), Text(f"family {facts['family']}"), "", grid, sep="\n")
    if facts["bibtex"]:
        console.print("", Text(facts["bibtex"]), sep="\n")


def _lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "D minimises", facts["discriminator"]
    yield "G minimises", facts["generator"]
    yield from _slope(facts)
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
    yield from _predicted(facts)
    if facts["confused_with"]:
        yield "not to be", f"confused with {facts['confused_with']}"
    for identity in facts["equivalences"]:
        yield "identity", identity_text(identity)
    for key, value in facts["needs"].items():
        yield "needs", _need(key, value)
    yield "source", ", ".join(filter(None, (facts["citation"], facts["identifier"], facts["where"])))
    if facts["bibtex"]:
        yield "checked", f"against {facts['checked']}" if facts["checked"] else "not checked against the paper"


def _slope(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not facts["reads_logits"]:
        yield "slope", "none: the generator learns from the values themselves, whatever D says"
        return
    yield "slope", facts["generator_slope"]
    ends = {"-∞": "slope_at_minus_infinity", "0": "slope_at_zero", "+∞": "slope_at_plus_infinity"}
    for end, key in ends.items():
        yield f"  at {end}", facts[key] or "-"
    if facts["saturates"]:
        yield "saturates", f"where D is sure that a value is generated: {facts['saturates']}"


def _predicted(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    prediction, dirac = facts["prediction"], facts["dirac"]
    outcome = "" if prediction["outcome"] == "unknown" else f"{prediction['outcome']}. "
    yield "predicted", f"{outcome}{prediction['text']}"
    if prediction["source"]:
        yield "  rests on", prediction["source"]
    known = [f"{dirac[order]} ({order})" for order in ("alternating", "simultaneous") if dirac[order] != "unknown"]
    if known:
        yield "on Dirac", ", ".join(known)


def _need(key: str, value: float | str) -> str:
    """A training setting without which it is not the published loss, in words where it is a penalty's weight."""
    from harness.losses.penalties import PENALTIES

    penalty, setting = PENALTIES.get(key), setting_text(key, value)
    return setting if penalty is None else f"{setting}: {penalty.title}, {penalty.text}"
