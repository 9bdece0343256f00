"""The data of the page as JSON: rounded to the precision of a screen, three arrays in base64 and plain numbers."""

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
from analysis.explain.frames import ExplainerData, Float64, RecordedMember, density, toward
from analysis.explain.texts import same_loss_pair, weakest_push
from analysis.plotting.theme import THEMES, Style, styles_of
from harness.losses import parse_variant
from harness.losses.notation import text
from harness.store import QUANTILE_LEVELS

#: Values of each law that are drawn with their arrows: every eighth of the store's quantiles, from the fifth.
DRAWN = slice(4, None, 8)

#: The largest density that is drawn. A density is stored as its root, which gives small ones more of a byte.
DENSEST = 1.2

#: Size of one unit of a sample's 16 bits: of x, of D's logit, of the force. Forces are cut at 3.2, the longest arrow
#: that the page draws.
UNITS = (0.01, 0.002, 0.0001)

#: Logits that slopes are drawn over.
LOGITS = torch.linspace(-10, 10, 81, dtype=torch.float64)


def encoded(data: ExplainerData) -> dict[str, Any]:
    """The data as JSON values; arrays have F frames for each member, padded with its last."""
    members, count = data.members, len(data.steps)
    densities = np.stack([_padded(density(m.values, data.grid), count) for m in members])
    decisions = np.stack([_padded(_sigmoid(m.curve), count) for m in members])
    samples = np.stack([_padded(_samples(m), count) for m in members])
    styles = styles_of(data.losses)
    return {
        "steps": data.steps,
        "grid": {"low": data.grid[0], "high": data.grid[-1], "count": len(data.grid)},
        "levels": list(QUANTILE_LEVELS[DRAWN]),
        "target": {
            "text": data.target.text,
            "density": _rounded(data.target.density(data.grid)),
            "values": _rounded(data.target.quantile(np.array(QUANTILE_LEVELS[DRAWN]))),
            "mean": _number(float(data.target.frozen.mean())),
        },
        "success": data.success_ks,
        "logits": {"low": float(LOGITS[0]), "high": float(LOGITS[-1]), "count": len(LOGITS)},
        "losses": [_loss(loss, styles[loss]) for loss in data.losses],
        "cast": dict(data.cast),
        "runs": [_member(m, data) for m in members],
        "alike": _same_loss(data),
        "late": _weakest_push(data),
        "densest": DENSEST,
        "units": UNITS,
        "packed": {
            "density": _bytes(np.sqrt(np.clip(densities / DENSEST, 0, 1)) * 255, np.uint8),
            "decision": _bytes(decisions * 255, np.uint8),
            "samples": _bytes(samples, np.int16),
        },
    }


def _loss(loss: str, style: Style) -> dict[str, Any]:
    """A variant's formulas from the registry, its slope over ``LOGITS``, and its colours."""
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


def _member(member: RecordedMember, data: ExplainerData) -> dict[str, Any]:
    return {
        "loss": data.losses.index(member.loss),
        "key": member.key,
        "seed": member.seed,
        "lr_d": member.lr_d,
        "lr_g": member.lr_g,
        "frames": len(member.ks),
        "ks": _rounded(member.ks),
        "loss_d": _rounded(member.loss_d),
        "loss_g": _rounded(member.loss_g),
        "mean": _rounded(member.values.mean(axis=1)),
        "sd": _rounded(member.values.std(axis=1)),
        "push": _rounded(np.abs(member.forces).mean(axis=1)),
        "toward": _rounded(toward(member, data.target)),
        "measured": {n: _rounded(v) for n, v in member.measured.items()} if member.trial == 0 else None,
    }


def _same_loss(data: ExplainerData) -> dict[str, Any] | None:
    """The pair of ``same_loss_pair`` whose KS differ most over the cast, and the word of its member."""
    pairs = {word: same_loss_pair(data.members[index]) for word, index in data.cast.items()}
    present = {word: pair for word, pair in pairs.items() if pair is not None}
    if not present:
        return None
    word = max(present, key=lambda word: present[word].gap)
    return {"word": word, "early": present[word].early, "late": present[word].late}


def _weakest_push(data: ExplainerData) -> dict[str, Any] | None:
    """``weakest_push`` of minimax beside label True."""
    minimax, label_true = (data.members[data.cast[word]] for word in ("minimax", "true"))
    frames = weakest_push(minimax, label_true, data.success_ks)
    return None if frames is None else asdict(frames)


def _samples(member: RecordedMember) -> Float64:
    """Values, logits and forces of the drawn values in ``UNITS``, (F, S, 3)."""
    parts = (
        part[:, DRAWN] / unit for part, unit in zip((member.values, member.logits, member.forces), UNITS, strict=True)
    )
    return np.stack(list(parts), axis=2)


def _padded(values: Float64, count: int) -> Float64:
    return np.concatenate([values, np.repeat(values[-1:], count - len(values), axis=0)])


def _sigmoid(x: Float64) -> Float64:
    return torch.from_numpy(x).sigmoid().numpy()


def _bytes(values: Float64, kind: type[np.integer[Any]]) -> str:
    """The values rounded to integers of that kind, clipped to its range; little-endian, base64."""
    limits = np.iinfo(kind)
    whole: NDArray[Any] = np.clip(np.rint(values), limits.min, limits.max).astype(np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(whole.tobytes()).decode("ascii")


def _rounded(values: Float64) -> list[float | None]:
    return [_number(float(v)) for v in values]


def _number(value: float) -> float | None:
    """Four significant digits, more than the page writes; None for a number that is not finite."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
