"""Results of a run as one JSON document, and the numbers that tables and figure take from it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from reporting import Document

from speed.contenders import JAX, JAX_DEVICES, LITERAL, SAMPLE_VIEW, SET_VIEW

#: One row of a document's ``rows`` or ``scaling``: a contender training one population.
Row = dict[str, Any]


def median(row: Row) -> float:
    """Median microseconds a GAN-step."""
    return float(statistics.median(row["microseconds"]))


def rows_of(document: Document, contender: str, view: str = SET_VIEW, one_core: bool = False) -> list[Row]:
    """A contender's rows in this view, ascending in population."""
    return [
        row
        for row in document["rows"]
        if (row["contender"], row["view"], row["one_core"]) == (contender, view, one_core)
    ]


def best(document: Document, contender: str) -> Row | None:
    """A contender's row of least median, in the set view on all cores."""
    return min(rows_of(document, contender), key=median, default=None)


def over_population(document: Document) -> list[Row]:
    """Rows in the set view on all cores of contenders that train populations, ascending in population."""
    several = {name for name, c in document["contenders"].items() if c["multiple"]}
    rows = [row for row in document["rows"] if row["view"] == SET_VIEW and not row["one_core"]]
    rows = [row for row in rows + document["scaling"] if row["contender"] in several]
    return sorted(rows, key=lambda row: row["population"])


def ratio(slower: Sequence[float], faster: Sequence[float]) -> float:
    """Median over the rounds of one time over the other in the same round."""
    return statistics.median(a / b for a, b in zip(slower, faster, strict=True))


def times_literal(document: Document, row: Row) -> float | None:
    """Speed over the literal loop's."""
    literal = best(document, LITERAL)
    return ratio(literal["microseconds"], row["microseconds"]) if literal else None


def times_jax(document: Document, row: Row) -> float | None:
    """Speed over JAX's: the fastest of its rows on all cores, in each round."""
    peers = [peer["microseconds"] for name in (JAX, JAX_DEVICES) for peer in rows_of(document, name)]
    return ratio([min(costs) for costs in zip(*peers, strict=True)], row["microseconds"]) if peers else None


def times(document: Document, contender: str, peer: str) -> float | None:
    """Speed over a peer's, both at their best populations."""
    ours, theirs = best(document, contender), best(document, peer)
    return ratio(theirs["microseconds"], ours["microseconds"]) if ours and theirs else None


def ceiling(document: Document, device: str, name: str) -> float | None:
    """Median over the rounds of what the machine reached (``ceilings.measure``)."""
    rates = document["ceilings"].get(device, {}).get(name)
    return statistics.median(rates) if rates else None


def floor(document: Document, view: str, device: str = "cpu", one_core: bool = False) -> float | None:
    """Microseconds that the matrix products of a step take at the rate of a large one on this machine."""
    rate = ceiling(document, device, f"sgemm_large_{'one' if one_core else 'all'}")
    return document["flop"][view] / rate / 1e3 if rate else None


def share_of_floor(document: Document, row: Row) -> float | None:
    """The floor's time as a share of the row's: 1 would be a machine that does nothing but multiply at full rate."""
    least = floor(document, row["view"], row["device"], row["one_core"])
    return least / median(row) if least else None


def sample_cost(document: Document, contender: str) -> float | None:
    """The per-sample view's time over the set view's, in the same population and round."""
    for row in rows_of(document, contender, SAMPLE_VIEW):
        for other in rows_of(document, contender):
            if other["population"] == row["population"]:
                return ratio(row["microseconds"], other["microseconds"])
    return None
