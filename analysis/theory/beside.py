"""What theory predicts of each arm of a sweep, beside what became of its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis import drawing
from analysis.compare import success_threshold
from analysis.intervals import success_interval
from analysis.rows import arms_of, select, target_of
from harness.diagnosis import DIAGNOSES, diagnose
from harness.errors import InputError
from harness.losses import LOSSES
from harness.losses.card import bound
from harness.losses.description import discriminator_text, generator_slope_text, generator_text

#: The diagnoses that bear out a predicted outcome (``losses.OUTCOMES``). What rings may have settled by the last step.
BEARS_OUT: Mapping[str, tuple[str, ...]] = {
    "converges": ("converged",),
    "rings": ("ringing", "converged"),
    "cycles": ("ringing",),
    "parks": ("offset", "wrong shape"),
    "runs_away": ("runaway", "diverged"),
    "stalls": ("dead", "collapsed", "offset"),
}
#: A diagnosis is drawn in this colour; those that the sweep did not come to an end with are grey.
COLOURS = {
    "converged": "#009E73", "ringing": "#56B4E9", "offset": "#E69F00", "wrong shape": "#F0E442", "collapsed": "#CC79A7",
    "dead": "#000000", "runaway": "#D55E00", "diverged": "#0072B2", "failed": "#777777", "pruned": "#BBBBBB",
}  # fmt: skip
COLUMNS = ("arm", "predicted", "prediction", "citation", "discriminator", "generator", "slope", "seeds", "found",
           "as_predicted", "share", "low", "high", "median_ks")  # fmt: skip


def beside(description: Mapping[str, Any], frame: pd.DataFrame, arms: Sequence[str] = ()) -> pd.DataFrame:
    """A row per arm: what the registry predicts, from which formula, by whom; and the diagnoses of the compared seeds.

    Columns: arm, predicted (one of ``losses.OUTCOMES``; "unknown" away from the parameters it was made for, empty where
    the loss is not registered here), prediction (in words), citation, discriminator, generator, slope (dL_G/dlogit),
    seeds, found (each diagnosis with its count, the commonest first), as_predicted (seeds whose diagnosis bears the
    prediction out: ``BEARS_OUT``), share with its 95 % interval low and high, median_ks. The prediction is for plain
    steps or for the Dirac-GAN: a seed that does otherwise speaks against carrying it over.
    """
    rows = select(frame).frame
    words = diagnose(rows, target_of(description), success_threshold(description)[0])
    declared = {str(a["arm"]): a for a in arms_of(description)}
    lines = []
    for arm in arms or list(dict.fromkeys([*declared, *rows["arm"]])):
        here = rows["arm"] == arm
        own, told = words[here], _predicted(declared.get(arm, {}))
        counts = own.value_counts(sort=True)
        found = ", ".join(f"{count} {word}" for word, count in counts.items()) or "no rows"
        line: dict[str, Any] = {"arm": arm, **told, "seeds": len(own), "found": found}
        if told["predicted"] in BEARS_OUT and len(own):
            fitting = int(own.isin(BEARS_OUT[told["predicted"]]).sum())
            share = success_interval(fitting, len(own))
            line |= {"as_predicted": fitting, "share": share.estimate, "low": share.low, "high": share.high}
        line["median_ks"] = float(rows.loc[here, "ks"].median()) if len(own) else None
        lines.append(line)
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _predicted(arm: Mapping[str, Any]) -> dict[str, str]:
    """The registry's words on an arm, or those that ``sweep.json`` kept of a loss that is not registered here."""
    try:
        variant, params = LOSSES.parse(str(arm.get("loss")))
        shown = bound(variant, params, LOSSES.text(variant.name, params)) if params else variant
    except InputError:
        kept = {n: str(arm.get(n) or "") for n in ("prediction", "citation", "discriminator", "generator")}
        return {"predicted": "", **kept, "slope": ""}
    return {
        "predicted": shown.prediction.outcome,
        "prediction": shown.prediction.text,
        "citation": shown.citation.short(),
        "discriminator": discriminator_text(shown),
        "generator": generator_text(shown),
        "slope": generator_slope_text(shown),
    }


def diagnosis_figure(table: pd.DataFrame, words: Mapping[str, Mapping[str, int]]) -> Figure:
    """A bar per arm, cut by diagnosis, and the predicted outcome at its end. ``words``: arm -> diagnosis -> members."""
    arms = [arm for arm in table["arm"] if sum(words.get(arm, {}).values())]
    if not arms:
        return drawing.empty("No committed row can be diagnosed.")
    made, (ax,) = drawing.panels(1, columns=1, height=1.0 + 0.42 * len(arms), sharex=False, sharey=False)
    predicted = table.set_index("arm")["predicted"]
    left, entries = np.zeros(len(arms)), {}
    for word in (w for w in [*COLOURS] if w in DIAGNOSES):
        counts = np.array([words[arm].get(word, 0) for arm in arms], dtype=float)
        if not counts.any():
            continue
        shares = counts / np.array([sum(words[arm].values()) for arm in arms])
        ax.barh(range(len(arms)), shares, left=left, color=COLOURS[word], height=0.62, edgecolor="white")
        left = left + shares
        entries[word] = drawing.key(drawing.Style(COLOURS[word], "s", "none"), line=False)
        entries[word].set_markersize(9)
    for y, arm in enumerate(arms):
        told = str(predicted[arm]).replace("_", " ")
        ax.text(1.01, y, f"predicted: {told}" if told else "", va="center", fontsize=8, color=drawing.INK)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    drawing.tick_names(ax, range(len(arms)), arms)
    drawing.labels(ax, "share of the compared seeds")
    drawing.legend(made, entries, columns=5)
    return made
