"""Every loss of the registry on the Dirac-GAN: its outcome, beside the prediction of its entry.

Each entry is played with its default parameters and the ``needs`` that mean something there, in both orders of updates,
or in the one that it needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.dirac.game import DiracRules, game, obstacle, rules_of
from analysis.dirac.play import RunResult, play, result_of
from harness.losses import LOSSES, Variant, parse_variant, variant_text

#: The orders that an entry is played in, unless it needs another.
ORDERS = ("alternating", "simultaneous")
#: The prediction that an order is compared with: extragradient computes both gradients at one point.
PREDICTION_OF = {"alternating": "alternating", "simultaneous": "simultaneous", "extragradient": "simultaneous"}

#: Games beyond the registry's defaults: an entry with parameters, and settings in place of its required ones.
MORE_GAMES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("generator_label(t=0)", {}),
    ("generator_label(t=0.25)", {}),
    ("generator_label(t=0.25)", {"r1": 0.1}),
    ("generator_label(t=0.75)", {}),
    ("generator_label(t=1)", {}),
    ("least_squares(a=-1, b=1, c=0)", {}),
    ("least_squares(a=0, b=1, c=0)", {}),
    ("flipped_noise|minimax", {}),
    ("wasserstein", {"weight_clip": 0.3}),
    ("wasserstein", {}),
    ("wasserstein", {"gp": 1.0}),
    ("wasserstein", {"r1": 0.3}),
    ("minimax", {"r1": 0.3}),
    ("non_saturating", {"r1": 0.3}),
    ("minimax", {"consensus": 0.3}),
    ("minimax", {"optimizer": "optimistic_adam"}),
    ("minimax", {"order": "extragradient"}),
    ("minimax", {"optimizer": "sgd", "beta1": -0.5}),
)

COLUMNS = (
    "entry", "settings", "order", "outcome", "frequency", "amplitude", "offset", "predicted", "agrees", "reason",
)  # fmt: skip


def rules_in(order: str, needs: Mapping[str, Any]) -> DiracRules:
    """The rules of a variant that needs these settings, in that order unless it needs another."""
    return replace(rules_of(needs), order=needs.get("order", order))


def settings_text(rules: DiracRules) -> str:
    """The rules that differ from plain steps, as text: ``gp 10, d_steps 5``; empty where none does."""
    values: dict[str, float] = dict(rules.weights)
    values |= {"weight_clip": rules.clip, "instance_noise": rules.noise, "momentum": rules.momentum}
    values |= {name: n for name, n in (("d_steps", rules.d_steps), ("g_steps", rules.g_steps)) if n != 1}
    listed = [f"{name} {value:g}" for name, value in values.items() if value]
    return ", ".join([*listed, *(["optimistic steps"] if rules.optimistic else [])])


def on_dirac(variant: Variant, params: Mapping[str, float], order: str, needs: Mapping[str, Any]) -> RunResult:
    """The result of a variant's game from theta = 1, D flat."""
    rules = rules_in(order, needs)
    played = game(variant, params, rules)
    return result_of(played, rules, play(played, rules))


def rows_of(
    variant: Variant, params: Mapping[str, float], needs: Mapping[str, Any], predicted: bool
) -> Iterable[dict[str, Any]]:
    """The rows of one entry: one for each order that it is played in; one without outcome where it cannot be."""
    entry, reason = variant_text(variant.name, params), obstacle(variant)
    if reason:
        numbers = dict.fromkeys(("frequency", "amplitude", "offset"), math.nan)
        yield dict.fromkeys(COLUMNS, "") | numbers | {"entry": entry, "reason": reason}
        return
    for order in dict.fromkeys(rules_in(order, needs).order for order in ORDERS):
        result = on_dirac(variant, params, order, needs)
        claim = getattr(variant.dirac, PREDICTION_OF[order]) if predicted else "unknown"
        yield {
            "entry": entry,
            "settings": settings_text(rules_in(order, needs)),
            "order": order,
            "outcome": result.outcome,
            "frequency": result.frequency,
            "amplitude": result.amplitude,
            "offset": result.offset,
            "predicted": claim,
            "agrees": "" if claim == "unknown" else "yes" if claim == result.outcome else "no",
            "reason": "",
        }


def registry_games() -> pd.DataFrame:
    """Every entry of the registry with its defaults and needs, in the registry's order.

    Columns: entry, settings, order, outcome, frequency (radians per unit of time), amplitude, offset (of theta, which
    starts at 1), predicted, agrees (yes, no, or empty without a prediction), reason (why an entry is not on Dirac).
    """
    rows = [row for variant in LOSSES.values() for row in rows_of(variant, variant.bind({}), variant.needs, True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def more_games() -> pd.DataFrame:
    """The games of ``MORE_GAMES``, in the columns of ``registry_games``; no entry predicts them."""
    parsed = [(*parse_variant(text), needs) for text, needs in MORE_GAMES]
    rows = [row for variant, params, needs in parsed for row in rows_of(variant, params, needs, False)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def disagreements(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows whose outcome is not the predicted one."""
    return frame[frame["agrees"] == "no"]


def text_rows(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """Each row as text under ``HEADINGS``; an entry that is not played has the reason in place of its settings."""
    rows: list[tuple[str, ...]] = []
    for row in frame.to_dict("records"):
        if row["reason"]:
            rows.append((row["entry"], row["reason"], "", "not played", "", "", "", ""))
            continue
        claim = {"": "", "yes": "holds", "no": f"not {row['predicted']}"}[row["agrees"]]
        numbers = (number(row[key], digits) for key, digits in (("frequency", 3), ("amplitude", 2), ("offset", 2)))
        rows.append((row["entry"], row["settings"], row["order"], row["outcome"], *numbers, claim))
    return rows


def number(value: float, digits: int) -> str:
    """The value to that many decimals; beyond 1000 as a power of ten, empty for NaN."""
    if math.isnan(value):
        return ""
    if abs(value) >= 1000:
        return f"{value:.0e}"
    return f"{round(value, digits) + 0.0:.{digits}f}"


HEADINGS = ("entry", "with", "order", "outcome", "freq", "max", "mean", "claim")
