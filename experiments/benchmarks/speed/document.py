"""What a run found, as one JSON document, and the numbers that tables, figure and page take from it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from speed.contenders import JAX, JAX_DEVICES, LITERAL
from speed.contenders.contender import SAMPLE_VIEW, SET_VIEW

FORMAT = 1

Document = dict[str, Any]
Line = dict[str, Any]


def read(path: Path) -> Document:
    """A document from its file.

    Raises:
        SystemExit: the file holds something else.
    """
    found: Document = json.loads(path.read_text())
    if found.get("format") != FORMAT:
        raise SystemExit(f"{path}: no results of this benchmark (format {FORMAT})")
    return found


def write(document: Document, path: Path) -> None:
    """The document as a file; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def middle(line: Line) -> float:
    """Median microseconds a GAN-step."""
    return float(statistics.median(line["microseconds"]))


def lines(document: Document, contender: str, view: str = SET_VIEW, one_core: bool = False) -> list[Line]:
    """A contender's rows in this view, ascending in population."""
    return [
        line
        for line in document["rows"]
        if (line["contender"], line["view"], line["one_core"]) == (contender, view, one_core)
    ]


def best(document: Document, contender: str) -> Line | None:
    """A contender's row of least median, in the set view on all cores."""
    return min(lines(document, contender), key=middle, default=None)


def over_population(document: Document) -> list[Line]:
    """Rows in the set view on all cores of those that train populations, ascending in population."""
    several = {name for name, c in document["contenders"].items() if c["multiple"]}
    made = [row for row in document["rows"] if row["view"] == SET_VIEW and not row["one_core"]]
    made = [row for row in made + document["scaling"] if row["contender"] in several]
    return sorted(made, key=lambda row: row["population"])


def ratio(slower: Sequence[float], faster: Sequence[float]) -> float:
    """Median over the rounds of the one's time over the other's in the same round."""
    return statistics.median(a / b for a, b in zip(slower, faster, strict=True))


def times_literal(document: Document, line: Line) -> float | None:
    """How many times the literal loop's speed."""
    literal = best(document, LITERAL)
    return ratio(literal["microseconds"], line["microseconds"]) if literal else None


def times_jax(document: Document, line: Line) -> float | None:
    """How many times JAX's speed: the fastest of its rows on all cores, in each round."""
    peers = [row["microseconds"] for name in (JAX, JAX_DEVICES) for row in lines(document, name)]
    return ratio([min(some) for some in zip(*peers, strict=True)], line["microseconds"]) if peers else None


def times(document: Document, contender: str, peer: str) -> float | None:
    """How many times a peer's speed, both at their best populations."""
    ours, theirs = best(document, contender), best(document, peer)
    return ratio(theirs["microseconds"], ours["microseconds"]) if ours and theirs else None


def ceiling(document: Document, device: str, name: str) -> float | None:
    """Median over the rounds of what the machine reached (``ceilings.measure``)."""
    found = document["ceilings"].get(device, {}).get(name)
    return statistics.median(found) if found else None


def floor(document: Document, view: str, device: str = "cpu", one_core: bool = False) -> float | None:
    """Microseconds that the matrix products of a step take at the rate of a large one on this machine."""
    rate = ceiling(document, device, f"sgemm_large_{'one' if one_core else 'all'}")
    return document["flop"][view] / rate / 1e3 if rate else None


def share_of_floor(document: Document, line: Line) -> float | None:
    """The floor's time as a share of the row's: 1 would be a machine that does nothing but multiply at full rate."""
    least = floor(document, line["view"], line["device"], line["one_core"])
    return least / middle(line) if least else None


def sample_cost(document: Document, contender: str) -> float | None:
    """The per-sample view's time over the set view's, in the same population and round."""
    for line in lines(document, contender, SAMPLE_VIEW):
        for other in lines(document, contender):
            if other["population"] == line["population"]:
                return ratio(line["microseconds"], other["microseconds"])
    return None


def shown(value: float | None, form: Callable[[float], str]) -> str:
    """A number in some form, or a dash."""
    return "–" if value is None else form(value)
