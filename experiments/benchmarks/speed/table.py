"""The tables of a run: functions of its document."""

from __future__ import annotations

from collections.abc import Callable

from writing.table import Table

from speed.contenders.contender import SAMPLE_VIEW, SET_VIEW
from speed.document import (
    Document,
    Line,
    ceiling,
    floor,
    middle,
    over_population,
    sample_cost,
    share_of_floor,
    shown,
    times_jax,
    times_literal,
)


def _micro(value: float) -> str:
    return f"{value:,.1f}"


def _fold(value: float) -> str:
    return f"{value:.1f} ×" if value >= 1 else f"{value:.2f} ×"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.01 else f"{100 * value:.1f} %"


def name(line: Line) -> str:
    """A contender as tables show it."""
    return f"`{line['contender']}`{', one core' if line['one_core'] else ''}"


def steps_table(document: Document) -> Table:
    """Whole training steps in the set view: every contender in every population."""
    rows = []
    for line in (row for row in document["rows"] if row["view"] == SET_VIEW):
        median = middle(line)
        rows.append(
            (
                name(line),
                f"{line['population']:,}",
                _micro(median),
                _micro(min(line["microseconds"])),
                f"{1e6 / median:,.0f}",
                shown(times_literal(document, line), _fold),
                shown(times_jax(document, line), _fold),
                shown(share_of_floor(document, line), _percent),
            )
        )
    headings = ("contender", "GANs", "µs a GAN-step", "least", "GAN-steps/s", "× `literal`", "× JAX", "of the floor")
    return Table("Training steps of the seed's GAN", headings, rows)


def ceilings_table(document: Document) -> Table:
    """What the machine reached, and the floor that follows for a step."""
    kinds = (("sgemm_large", "large float32 product, GFLOP/s"),
             ("sgemm_small", "100 × 50 × 50, many at once, GFLOP/s"),
             ("copy", "copy of memory, GB/s read and written"))  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for device in document["ceilings"]:
        for kind, words in kinds:
            cells = (shown(ceiling(document, device, f"{kind}_{which}"), _micro) for which in ("one", "all"))
            rows.append((f"{device}: {words}", *cells))
        for view, words in ((SET_VIEW, "the seed's step"), (SAMPLE_VIEW, "per-sample view")):
            cells = (shown(floor(document, view, device, one), _micro) for one in (True, False))
            rows.append((f"{device}: floor of {words}, {document['flop'][view]:,} FLOP, µs", *cells))
    return Table("Ceilings of the machine", ("", "one thread", "all threads"), rows)


def sample_table(document: Document) -> Table:
    """The per-sample view beside the set view."""
    rows = []
    for line in (row for row in document["rows"] if row["view"] == SAMPLE_VIEW):
        rows.append((
            name(line), f"{line['population']:,}", _micro(middle(line)),
            shown(sample_cost(document, line["contender"]), lambda v: f"{v:.2f} ×"),
            shown(share_of_floor(document, line), _percent),
        ))  # fmt: skip
    headings = ("contender", "GANs", "µs a GAN-step", "× the set view's", "of its floor")
    return Table("D on each value by itself (view `sample`)", headings, rows)


def over_steps_table(document: Document) -> Table:
    """Cost a step of longer trainings: the same in every column where the cost is linear in steps."""
    rows = []
    for row in document["over_steps"]:
        costs = list(row["microseconds"].values())
        first, *_, last = row["microseconds"]
        rows.append((f"`{row['contender']}`, {int(first):,} to {int(last):,} steps", *map(_micro, costs)))
    multiples = len(document["over_steps"][0]["microseconds"])
    headings = ("contender", *(f"{2**i} ×" for i in range(multiples)))
    return Table("µs a GAN-step over the length of a training (64 GANs)", headings, rows)


def memory_table(document: Document) -> Table:
    """Memory of the host a member."""
    rows = [(f"`{contender}`", f"{kib:,.0f}") for contender, kib in document["memory_kib"].items()]
    return Table("Memory a GAN (state alone: 180 KiB)", ("contender", "KiB"), rows)


def first_calls_table(document: Document) -> Table:
    """Seconds of a first call."""
    rows = [
        (f"`{engine}`, {which}", *(f"{seconds[key]:.2f}" for key in ("compile", "first", "second", "tables")))
        for engine, both in document["first_calls"].items()
        for which, seconds in both.items()
    ]
    headings = ("engine", "compiling or loading", "first call", "second call", "tables of quantiles")
    return Table("Seconds before the first step", headings, rows)


def scaling_table(document: Document) -> Table:
    """Least of the rounds over population."""
    made = over_population(document)
    contenders = list(dict.fromkeys(row["contender"] for row in made))
    populations = sorted({row["population"] for row in made})
    found = {(row["contender"], row["population"]): min(row["microseconds"]) for row in made}
    rows = [(f"{p:,}", *(shown(found.get((c, p)), _micro) for c in contenders)) for p in populations]
    return Table("µs a GAN-step over population, least of the rounds", ("GANs", *(f"`{c}`" for c in contenders)), rows)


#: Every table that a document has anything for, and the key of its part.
TABLES: tuple[tuple[str, Callable[[Document], Table]], ...] = (
    ("rows", steps_table),
    ("ceilings", ceilings_table),
    ("rows", sample_table),
    ("scaling", scaling_table),
    ("over_steps", over_steps_table),
    ("memory_kib", memory_table),
    ("first_calls", first_calls_table),
)


def tables(document: Document) -> list[Table]:
    """The tables with rows."""
    return [table for key, make in TABLES if document[key] and (table := make(document)).rows]
