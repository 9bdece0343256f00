"""Frames as the page holds them: rounded to what a screen can show, three arrays in base64 and plain numbers."""

from __future__ import annotations

import base64
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import sympy
import torch
from numpy.typing import NDArray

from analysis.explain.cast import label_of, slopes_of
from analysis.explain.frames import Float64, Run, Show, density, toward
from analysis.explain.lessons import alike, late
from analysis.plotting.theme import THEMES, Style, styles_of
from harness.losses import parse_variant
from harness.losses.notation import text
from harness.store import QUANTILE_LEVELS

#: Values of each law that are drawn with their arrows: every eighth of the store's quantiles, from the fifth.
DRAWN = slice(4, None, 8)

#: The densest that is drawn; a density is kept by its root, which gives the thin ones more of a byte.
DENSEST = 1.2

#: What one unit of a sample's 16 bits is worth: of x, of D's logit, of the force. Forces beyond 3.2 are cut there:
#: their arrows would be longer than the page draws any.
UNITS = (0.01, 0.002, 0.0001)

#: Logits that slopes are drawn over.
LOGITS = torch.linspace(-10, 10, 81, dtype=torch.float64)


def packed(show: Show) -> dict[str, Any]:
    """The show as a dictionary that JSON can hold; runs by F frames each, padded with their last."""
    runs, count = show.runs, len(show.steps)
    densities = np.stack([_padded(density(run.values, show.grid), count) for run in runs])
    decisions = np.stack([_padded(_sigmoid(run.curve), count) for run in runs])
    samples = np.stack([_padded(_samples(run), count) for run in runs])
    styles = styles_of(show.losses)
    return {
        "steps": show.steps,
        "grid": {"low": show.grid[0], "high": show.grid[-1], "count": len(show.grid)},
        "levels": list(QUANTILE_LEVELS[DRAWN]),
        "target": {
            "text": show.target.text,
            "density": _rounded(show.target.density(show.grid)),
            "values": _rounded(show.target.quantile(np.array(QUANTILE_LEVELS[DRAWN]))),
            "mean": _number(float(show.target.frozen.mean())),
        },
        "success": show.success_ks,
        "logits": {"low": float(LOGITS[0]), "high": float(LOGITS[-1]), "count": len(LOGITS)},
        "losses": [_loss(loss, styles[loss]) for loss in show.losses],
        "cast": dict(show.cast),
        "runs": [_run(run, show) for run in runs],
        "alike": _alike(show),
        "late": _late(show),
        "densest": DENSEST,
        "units": UNITS,
        "packed": {
            "density": _bytes(np.sqrt(np.clip(densities / DENSEST, 0, 1)) * 255, np.uint8),
            "decision": _bytes(decisions * 255, np.uint8),
            "samples": _bytes(samples, np.int16),
        },
    }


def _loss(loss: str, style: Style) -> dict[str, Any]:
    """A variant's formulas, by the registry, as the page writes them; its slope over ``LOGITS``, and its colours."""
    variant, params = parse_variant(loss)
    values = {p.symbol: sympy.nsimplify(params[p.name]) for p in variant.parameters}
    return {
        "name": loss,
        "colours": {theme: colours[style.colour] for theme, colours in THEMES.items()},
        "label": label_of(loss),
        "generator": readable(text(variant.generator.subs(values))),
        "slope": readable(text(variant.generator_derivative.own.subs(values))),
        "slopes": _rounded(slopes_of(loss, LOGITS).numpy()),
    }


def readable(formula: str) -> str:
    """A formula's text with mathematical signs: l for the logit of generated data, with an index for real ones."""
    signs = {"sigmoid": "σ", "fake": "ℓ", "real": "ℓᵣ", "-": "−", "*": "·"}
    for word, sign in signs.items():
        formula = formula.replace(word, sign)
    return formula


def _run(run: Run, show: Show) -> dict[str, Any]:
    return {
        "loss": show.losses.index(run.loss),
        "key": run.key,
        "seed": run.seed,
        "lr_d": run.lr_d,
        "lr_g": run.lr_g,
        "frames": len(run.ks),
        "ks": _rounded(run.ks),
        "loss_d": _rounded(run.loss_d),
        "loss_g": _rounded(run.loss_g),
        "mean": _rounded(run.values.mean(axis=1)),
        "sd": _rounded(run.values.std(axis=1)),
        "push": _rounded(np.abs(run.forces).mean(axis=1)),
        "toward": _rounded(toward(run, show.target)),
        "measured": {n: _rounded(v) for n, v in run.measured.items()} if run.trial == 0 else None,
    }


def _alike(show: Show) -> dict[str, Any] | None:
    """Of ``lessons.alike`` of all runs of the cast the pair whose KS differ most, and whose run it is."""
    found = {word: alike(show.runs[place]) for word, place in show.cast.items()}
    known = {word: pair for word, pair in found.items() if pair is not None}
    if not known:
        return None
    word = max(known, key=lambda word: known[word].gap)
    return {"word": word, "early": known[word].early, "late": known[word].late}


def _late(show: Show) -> dict[str, Any] | None:
    """``lessons.late`` of minimax beside label True."""
    run, other = (show.runs[show.cast[word]] for word in ("minimax", "true"))
    found = late(run, other, show.success_ks)
    return None if found is None else asdict(found)


def _samples(run: Run) -> Float64:
    """Values, logits and forces of the drawn values in ``UNITS``, (F, S, 3)."""
    parts = (part[:, DRAWN] / unit for part, unit in zip((run.values, run.logits, run.forces), UNITS, strict=True))
    return np.stack(list(parts), axis=2)


def _padded(values: Float64, count: int) -> Float64:
    return np.concatenate([values, np.repeat(values[-1:], count - len(values), axis=0)])


def _sigmoid(x: Float64) -> Float64:
    return torch.from_numpy(x).sigmoid().numpy()


def _bytes(values: Float64, kind: type[np.integer[Any]]) -> str:
    """Rounded to whole numbers of that kind, what does not fit to the nearest that does; little-endian, base64."""
    limits = np.iinfo(kind)
    whole: NDArray[Any] = np.clip(np.rint(values), limits.min, limits.max).astype(np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(whole.tobytes()).decode("ascii")


def _rounded(values: Float64) -> list[float | None]:
    return [_number(float(v)) for v in values]


def _number(value: float) -> float | None:
    """Four digits, which is more than the page writes; None where it is no finite number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
