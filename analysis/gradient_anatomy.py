"""``python -m analysis.gradient_anatomy SWEEP [-o DIR]``: how hard was the generator pushed, and by which slope?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from analysis.curves import over_steps
from analysis.rows import numbers, select
from harness.errors import InputError
from harness.losses import LOSSES

Float64 = NDArray[np.float64]
#: What is told: its name, what it is, whether its axis is logarithmic.
QUANTITIES = (
    ("logit", "D's logit on generated data", False),
    ("slope", "slope dL_G/dlogit there", False),
    ("grad_norm_g", "norm of G's gradient", True),
    ("grad_norm_d", "norm of D's gradient", True),
)


def gradient_anatomy(frame: pd.DataFrame, arms: Sequence[str] = ()) -> pd.DataFrame:
    """Over training, of each arm: D's logit on generated data, G's slope at it, and both gradient norms.

    logit = log(p/(1 - p)) of the minibatch's mean probability p (column snapshot_d_fake), so it stands for the whole
    minibatch; slope = dL_G/dlogit of the arm's formula at that one logit (``losses``), where D's logit on real data,
    found likewise, stands for what a relativistic loss reads. A member whose D is sure to the last digit has no logit
    there. Columns: arm, column (of ``QUANTITIES``), step, median, q25, q75, n.
    """
    rows = select(frame).frame
    parts = []
    for arm in arms or list(dict.fromkeys(rows["arm"])):
        made = _with_slopes(rows[rows["arm"] == arm])
        parts += [over_steps(made, name).assign(arm=arm, column=name) for name, *_ in QUANTITIES]
    names = ["arm", "column", "step", "median", "q25", "q75", "n"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def _with_slopes(own: pd.DataFrame) -> pd.DataFrame:
    """The rows of one arm and setting with the columns snapshot_logit and snapshot_slope."""
    fakes, reals = ([_logit(cell) for cell in own[f"snapshot_{n}"]] for n in ("d_fake", "d_real"))
    fakes = [f if f.size == r.size else f[:0] for f, r in zip(fakes, reals, strict=True)]
    reals = [r if f.size == r.size else r[:0] for f, r in zip(fakes, reals, strict=True)]
    slope: list[Float64] = [np.full(f.size, np.nan) for f in fakes]
    if len(own):
        told = own["loss_params"].iloc[0]
        params = told if isinstance(told, Mapping) else {}
        found = slopes(str(own["loss"].iloc[0]), params, np.concatenate(reals), np.concatenate(fakes))
        if found is not None:
            slope = np.split(found, np.cumsum([f.size for f in fakes])[:-1])
    made = own.copy()
    made["snapshot_logit"], made["snapshot_slope"] = pd.Series(fakes, own.index), pd.Series(slope, own.index)
    return made


def _logit(cell: object) -> Float64:
    """log(p/(1 - p)) of a list of probabilities, NaN for 0 and 1; empty where the cell holds none."""
    known = numbers(cell)
    at = logit(known) if known is not None else np.empty(0)
    return np.where(np.isfinite(at), at, np.nan)


def slopes(loss: str, params: Mapping[str, float], real: Float64, fake: Float64) -> Float64 | None:
    """dL_G/dlogit of a loss at logits (n,), each a minibatch of its own; None for a loss that is not known here."""
    import torch

    try:
        variant, bound = LOSSES.parse(loss)
        at_real, at_fake = (torch.tensor(v[:, None], dtype=torch.float64) for v in (real, fake))
        given: dict[str, Any] = {**bound, **params}
        found: Float64 = variant.generator_slope(at_real, at_fake, **given).numpy()[:, 0]
    except InputError:
        return None
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """How hard was the generator pushed, and by which slope?"""
    # Here, because the section draws what this module computes.
    from analysis.report.sections import anatomy
    from analysis.script import answered

    return answered("gradient_anatomy", main.__doc__, [anatomy.section], arguments)


if __name__ == "__main__":
    sys.exit(main())
