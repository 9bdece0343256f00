"""Tables of a run, the first with its targets: functions of the run's document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reporting import Document, Table, heading

from speed.contenders import JAX, JAX_DEVICES, LITERAL, SAMPLE_VIEW, SET_VIEW, VMAP
from speed.results import (
    Row,
    best,
    ceiling,
    floor,
    median,
    over_population,
    rows_of,
    sample_cost,
    share_of_floor,
    times,
    times_jax,
    times_literal,
)

CPU, CUDA = "cpu", "cuda"

#: Steps of the training of one GAN on a GPU that has a target.
_LONG = 30_000


@dataclass(frozen=True)
class Target:
    """A number that was set before the engines were written; ``measured`` gives it as text, or None."""

    what: str
    must: str
    aim: str
    measured: Callable[[Document], str | None]


def _in(form: str, value: float | None) -> str | None:
    return None if value is None else form.format(value)


def _times(contender: str, peer: str, on_gpu: bool = False) -> Callable[[Document], str | None]:
    def measured(document: Document) -> str | None:
        theirs = best(document, peer)
        if on_gpu and (theirs is None or theirs["device"] != "cuda"):
            return None
        return _in("{:.1f} ×", times(document, contender, peer))

    return measured


def _best_micro(document: Document) -> str | None:
    row = best(document, CPU)
    return _in("{:.1f} µs", median(row) if row else None)


def _alone(document: Document) -> str | None:
    return next((f"{median(row):.1f} µs" for row in rows_of(document, CPU, one_core=True)), None)


def _compile(which: str) -> Callable[[Document], str | None]:
    def measured(document: Document) -> str | None:
        seconds = document["first_calls"].get(CPU, {}).get(which)
        return _in("{:.1f} s", seconds["compile"] if seconds else None)

    return measured


def _millions(document: Document) -> str | None:
    return next((f"{1 / median(row):.1f} M/s" for row in rows_of(document, CUDA) if row["population"] == 4224), None)


def _long(document: Document) -> str | None:
    seconds = (f"{_LONG * median(row) / 1e6:.2f} s" for row in rows_of(document, CUDA) if row["population"] == 1)
    return next(seconds, None)


TARGETS = (
    Target("`cpu`, the script's GAN, a GAN-step, two AVX-512 cores", "≤ 35 µs", "≤ 22 µs", _best_micro),
    Target("`cpu` against the script's literal loop", "≥ 50 ×", "≥ 85 ×", _times(CPU, LITERAL)),
    Target("`cpu` against JAX jit(vmap(scan))", "≥ 2.8 ×", "≥ 4.5 ×", _times(CPU, JAX)),
    Target("`cpu` against JAX sharded over the cores", "none", "none", _times(CPU, JAX_DEVICES)),
    Target(
        "`cpu`, per-sample view over the set view", "≤ 2.9 ×", "none", lambda d: _in("{:.2f} ×", sample_cost(d, CPU))
    ),
    Target("`cpu`, one GAN alone on one core, a step", "≤ 70 µs", "≤ 45 µs", _alone),
    Target("`cpu`, compiling, cold", "≤ 20 s", "none", _compile("cold")),
    Target("`cpu`, compiling, cached", "≤ 1 s", "none", _compile("cached")),
    Target("`cuda`, float32, 4224 GANs, one H200-class GPU, GAN-steps", "6 M/s", "12 M/s", _millions),
    Target(
        "`cuda` against `batched`, same GPU, best population each", "≥ 1.5 ×", "≥ 3 ×", _times(CUDA, "batched", True)
    ),
    Target("`cuda` against torch.func vmap, same GPU", "≥ 5 ×", "≥ 15 ×", _times(CUDA, VMAP, True)),
    Target("`cuda` against JAX float32, same GPU", "≥ 1.5 ×", "≥ 3 ×", _times(CUDA, JAX, True)),
    Target("`cuda`, one GAN, 30,000 steps", "≤ 1 s", "≤ 0.4 s", _long),
)


def targets_table(document: Document) -> Table:
    """Every target, and what this run measured."""
    rows = [(t.what, t.must, t.aim, t.measured(document) or "not measured") for t in TARGETS]
    return Table("Targets and what was measured", ("", "must", "aim", "measured"), rows)


def _text(value: float | None, form: Callable[[float], str]) -> str:
    """A number in some form, or a dash."""
    return "–" if value is None else form(value)


def _micro(value: float) -> str:
    return f"{value:,.1f}"


def _fold(value: float) -> str:
    return f"{value:.1f} ×" if value >= 1 else f"{value:.2f} ×"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.01 else f"{100 * value:.1f} %"


def name(row: Row) -> str:
    """A contender as tables show it."""
    return f"`{row['contender']}`{', one core' if row['one_core'] else ''}"


def steps_table(document: Document) -> Table:
    """Whole training steps in the set view: every contender in every population."""
    rows = []
    for row in (row for row in document["rows"] if row["view"] == SET_VIEW):
        microseconds = median(row)
        rows.append(
            (
                name(row),
                f"{row['population']:,}",
                _micro(microseconds),
                _micro(min(row["microseconds"])),
                f"{1e6 / microseconds:,.0f}",
                _text(times_literal(document, row), _fold),
                _text(times_jax(document, row), _fold),
                _text(share_of_floor(document, row), _percent),
            )
        )
    headings = ("contender", "GANs", "µs a GAN-step", "least", "GAN-steps/s", "× `literal`", "× JAX", "of the floor")
    return Table("Training steps of the script's GAN", headings, rows)


def ceilings_table(document: Document) -> Table:
    """What the machine reached, and the floor that follows for a step."""
    kinds = (("sgemm_large", "large float32 product, GFLOP/s"),
             ("sgemm_small", "100 × 50 × 50, many at once, GFLOP/s"),
             ("copy", "copy of memory, GB/s read and written"))  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for device in document["ceilings"]:
        for kind, words in kinds:
            cells = (_text(ceiling(document, device, f"{kind}_{which}"), _micro) for which in ("one", "all"))
            rows.append((f"{device}: {words}", *cells))
        for view, words in ((SET_VIEW, "the script's step"), (SAMPLE_VIEW, "per-sample view")):
            cells = (_text(floor(document, view, device, one), _micro) for one in (True, False))
            rows.append((f"{device}: floor of {words}, {document['flop'][view]:,} FLOP, µs", *cells))
    return Table("Ceilings of the machine", ("", "one thread", "all threads"), rows)


def sample_table(document: Document) -> Table:
    """The per-sample view beside the set view."""
    rows = []
    for row in (row for row in document["rows"] if row["view"] == SAMPLE_VIEW):
        rows.append((
            name(row), f"{row['population']:,}", _micro(median(row)),
            _text(sample_cost(document, row["contender"]), lambda v: f"{v:.2f} ×"),
            _text(share_of_floor(document, row), _percent),
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
    measured = over_population(document)
    contenders = list(dict.fromkeys(row["contender"] for row in measured))
    populations = sorted({row["population"] for row in measured})
    least = {(row["contender"], row["population"]): min(row["microseconds"]) for row in measured}
    rows = [(f"{p:,}", *(_text(least.get((c, p)), _micro) for c in contenders)) for p in populations]
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


def contenders_table(document: Document) -> Table:
    """What each contender is, and whose random numbers it draws."""
    rows = [(f"`{name}`", c["note"], c["randomness"]) for name, c in document["contenders"].items()]
    return Table("Contenders", ("contender", "what it is", "random numbers"), rows)


def report(document: Document) -> str:
    """The whole run as text: heading, targets, tables, contenders, absent ones, and the check."""
    parts = [heading(document)]
    parts += [table.text() for table in (targets_table(document), *tables(document), contenders_table(document))]
    if absent := document["absent"]:
        parts.append("Not timed: " + "; ".join(f"`{name}` ({reason})" for name, reason in absent.items()) + ".")
    if not any(row["device"] == "cuda" for row in document["rows"]):
        parts.append("**Every figure on a GPU: not measured.** Its targets stand above as targets, not as results.")
    parts.append(
        "Checked before anything was timed: each contender's three losses after 20 steps, from the same weights and "
        f"draws. The largest difference from the float64 loop was {max(document['checked'].values()):.1e} of a loss; "
        "1e-4 is allowed."
    )
    return "\n\n".join(parts)
