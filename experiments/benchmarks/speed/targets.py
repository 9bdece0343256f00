"""What the engines should reach, beside what they did: the bar was set before they were written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from writing.table import Table

from speed.contenders import JAX, JAX_DEVICES, LITERAL, VMAP
from speed.document import Document, best, lines, middle, sample_cost, times

CPU, CUDA = "cpu", "cuda"

#: Steps of the training of one GAN on a GPU that has a bar.
_LONG = 30_000


@dataclass(frozen=True)
class Target:
    """``found`` is the measured number as text, None where it was not measured."""

    what: str
    must: str
    aim: str
    found: Callable[[Document], str | None]


def _in(form: str, value: float | None) -> str | None:
    return None if value is None else form.format(value)


def _times(contender: str, peer: str, on_gpu: bool = False) -> Callable[[Document], str | None]:
    def found(document: Document) -> str | None:
        theirs = best(document, peer)
        if on_gpu and (theirs is None or theirs["device"] != "cuda"):
            return None
        return _in("{:.1f} ×", times(document, contender, peer))

    return found


def _best_micro(document: Document) -> str | None:
    line = best(document, CPU)
    return _in("{:.1f} µs", middle(line) if line else None)


def _alone(document: Document) -> str | None:
    return next((f"{middle(line):.1f} µs" for line in lines(document, CPU, one_core=True)), None)


def _compile(which: str) -> Callable[[Document], str | None]:
    def found(document: Document) -> str | None:
        seconds = document["first_calls"].get(CPU, {}).get(which)
        return _in("{:.1f} s", seconds["compile"] if seconds else None)

    return found


def _millions(document: Document) -> str | None:
    return next((f"{1 / middle(line):.1f} M/s" for line in lines(document, CUDA) if line["population"] == 4224), None)


def _long(document: Document) -> str | None:
    found = (f"{_LONG * middle(line) / 1e6:.2f} s" for line in lines(document, CUDA) if line["population"] == 1)
    return next(found, None)


TARGETS = (
    Target("`cpu`, the seed's GAN, a GAN-step, two AVX-512 cores", "≤ 35 µs", "≤ 22 µs", _best_micro),
    Target("`cpu` against the literal seed loop", "≥ 50 ×", "≥ 85 ×", _times(CPU, LITERAL)),
    Target("`cpu` against JAX jit(vmap(scan))", "≥ 2.8 ×", "≥ 4.5 ×", _times(CPU, JAX)),
    Target("`cpu` against JAX sharded over the cores", "no bar", "no bar", _times(CPU, JAX_DEVICES)),
    Target(
        "`cpu`, per-sample view over the set view", "≤ 2.9 ×", "no bar", lambda d: _in("{:.2f} ×", sample_cost(d, CPU))
    ),
    Target("`cpu`, one GAN alone on one core, a step", "≤ 70 µs", "≤ 45 µs", _alone),
    Target("`cpu`, compiling, cold", "≤ 20 s", "no bar", _compile("cold")),
    Target("`cpu`, compiling, cached", "≤ 1 s", "no bar", _compile("cached")),
    Target("`cuda`, float32, 4224 GANs, one H200-class GPU, GAN-steps", "6 M/s", "12 M/s", _millions),
    Target(
        "`cuda` against `batched`, same GPU, best population each", "≥ 1.5 ×", "≥ 3 ×", _times(CUDA, "batched", True)
    ),
    Target("`cuda` against torch.func vmap, same GPU", "≥ 5 ×", "≥ 15 ×", _times(CUDA, VMAP, True)),
    Target("`cuda` against JAX float32, same GPU", "≥ 1.5 ×", "≥ 3 ×", _times(CUDA, JAX, True)),
    Target("`cuda`, one GAN, 30,000 steps", "≤ 1 s", "≤ 0.4 s", _long),
)


def targets_table(document: Document) -> Table:
    """Every bar, and what this run found."""
    rows = [(t.what, t.must, t.aim, t.found(document) or "not measured") for t in TARGETS]
    return Table("Bars and what was measured", ("", "must", "aim", "measured"), rows)
