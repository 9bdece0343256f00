"""``python -m analysis.gradient_anatomy SWEEP [-o DIR]``: how hard was the generator pushed, and by which slope?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from analysis.dynamics import figure
from analysis.reading import Read
from analysis.rows import numbers, select
from analysis.script import Answer, answered
from analysis.series import over_steps
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
        own = rows[rows["arm"] == arm]
        cells = [_logit_and_slope(row) for _, row in own.iterrows()]
        made = own.assign(snapshot_logit=[c[0] for c in cells], snapshot_slope=[c[1] for c in cells])
        parts += [over_steps(made, name).assign(arm=arm, column=name) for name, *_ in QUANTITIES]
    names = ["arm", "column", "step", "median", "q25", "q75", "n"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def _logit_and_slope(row: pd.Series[Any]) -> tuple[Float64 | None, Float64 | None]:
    known = numbers(row["snapshot_d_fake"]), numbers(row["snapshot_d_real"])
    if known[0] is None or known[1] is None or known[0].size != known[1].size:
        return None, None
    fake, real = (_finite(logit(p)) for p in known if p is not None)
    return fake, slopes(str(row["loss"]), row["loss_params"], real, fake)


def _finite(values: Float64) -> Float64:
    return np.where(np.isfinite(values), values, np.nan)


def slopes(loss: str, params: object, real: Float64, fake: Float64) -> Float64 | None:
    """dL_G/dlogit of a loss at logits (n,), each a minibatch of its own; None for a loss that is not known here."""
    import torch

    try:
        variant, bound = LOSSES.parse(loss)
        given = {**bound, **(params if isinstance(params, Mapping) else {})}
        at = (torch.tensor(v[:, None], dtype=torch.float64) for v in (real, fake))
        found: Float64 = variant.generator_slope(*at, **given).numpy()[:, 0]
    except InputError:
        return None
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """How hard was the generator pushed, and by which slope?"""

    def answer(read: Read, arms: Sequence[str]) -> Answer:
        paths = gradient_anatomy(read.frame, arms)
        return Answer({"gradient_anatomy": paths}, {"gradient_anatomy": figure(paths, arms, QUANTITIES)})

    return answered("gradient_anatomy", main.__doc__, answer, arguments)


if __name__ == "__main__":
    sys.exit(main())
