"""Views: what the discriminator reads of a minibatch, and the number of decisions it makes.

A view turns a minibatch ``x_PB`` into ``features_PKN``: K decisions, each on N numbers. The loss of a member is the
mean over its K decisions. A member's features depend on its own row only, bit for bit.

Source of raw, variances, diffs and moments: the four input modes of D. Nag, "Generative Adversarial Networks (GANs)
in 50 lines of code (PyTorch)", 2017, and its script's later revisions.
"""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from harness.errors import InputError

#: A minibatch of at most this variance counts as constant: the gradient of its shape contains 1/variance, in float32.
LEAST_VARIANCE = 1e-30

#: Largest m of ``pack``, which is the largest batch.
MOST_PACKED = 10**6


class Form(enum.Enum):
    """The computation of a view, for engines without torch. Values are part of their kernels."""

    VALUES = 0  # the values in the order drawn, N of them a decision
    SQUARES = 1  # the values, then their squared deviations from the mean, which is a constant to the gradient
    DEVIATIONS = 2  # the values, then their deviations from the mean, which is a constant to the gradient
    MOMENTS = 3  # mean, standard deviation, skewness, excess kurtosis
    ORDER = 4  # the values in ascending order, equal ones in the order drawn


@dataclass(frozen=True)
class View:
    """One way of reading a minibatch: ``decisions`` and ``inputs`` give K and N for a batch size.

    ``name`` is its canonical text, which ``parse_view`` reads. The batch size must be a multiple of ``divisor``.
    ``form`` tells engines without torch what ``features`` computes; if it is None they refuse the view.
    """

    name: str
    meaning: str
    decisions: Callable[[int], int]
    inputs: Callable[[int], int]
    features: Callable[[Tensor], Tensor]
    divisor: int = 1
    form: Form | None = None


def _raw(x_PB: Tensor) -> Tensor:
    return x_PB.unsqueeze(1)


def _deviations(x_PB: Tensor) -> Tensor:
    # The script makes the mean a Python number, so no gradient passes through it; detach does the same.
    return x_PB - x_PB.mean(dim=1, keepdim=True).detach()


def _variances(x_PB: Tensor) -> Tensor:
    return torch.cat([x_PB, _deviations(x_PB).square()], dim=1).unsqueeze(1)


def _diffs(x_PB: Tensor) -> Tensor:
    return torch.cat([x_PB, _deviations(x_PB)], dim=1).unsqueeze(1)


def _moments(x_PB: Tensor) -> Tensor:
    # Moments about a value of the minibatch, so that a constant minibatch has a variance of exactly 0. A variance of 0
    # is replaced before the root: masked after the root its gradient would be 0 times infinity.
    shift_P1 = x_PB[:, :1].detach()
    offset_PB = x_PB - shift_P1
    mean_P1 = offset_PB.mean(dim=1, keepdim=True)
    deviation_PB = offset_PB - mean_P1
    variance_P1 = deviation_PB.square().mean(dim=1, keepdim=True)
    spread_P1 = variance_P1 > LEAST_VARIANCE
    root_P1 = torch.where(spread_P1, variance_P1, 1).sqrt()
    z_PB = deviation_PB / root_P1
    square_PB = z_PB.square()
    parts = [
        shift_P1 + mean_P1,
        torch.where(spread_P1, root_P1, 0),
        (square_PB * z_PB).mean(dim=1, keepdim=True),
        square_PB.square().mean(dim=1, keepdim=True) - 3,
    ]
    return torch.cat(parts, dim=1).unsqueeze(1)


def _sorted(x_PB: Tensor) -> Tensor:
    # A stable sort, so that among equal values the gradient always goes to the same ones.
    return torch.sort(x_PB, dim=1, stable=True).values.unsqueeze(1)


def _sample(x_PB: Tensor) -> Tensor:
    return x_PB.unsqueeze(2)


def pack(m: int) -> View:
    """The view with ``m`` consecutive values per decision: K = B/m, N = m, for B a multiple of m.

    Source: Lin, Khetan, Fanti, Oh 2018, "PacGAN", arXiv:1712.04086.
    """
    return View(
        f"pack(m={m})",
        f"{m} consecutive values of the minibatch a decision: packing, against mode collapse",
        decisions=lambda batch: batch // m,
        inputs=lambda batch: m,
        features=lambda x_PB: x_PB.reshape(len(x_PB), -1, m),
        divisor=m,
        form=Form.VALUES,
    )


_ALL = (
    View(
        "raw",
        "the minibatch as one vector, in the order drawn: one decision about the whole set",
        decisions=lambda batch: 1,
        inputs=lambda batch: batch,
        features=_raw,
        form=Form.VALUES,
    ),
    View(
        "variances",
        "the values and their squared deviations from the minibatch mean (a constant to the gradient), "
        "as one vector: the script's 'Data and variances'",
        decisions=lambda batch: 1,
        inputs=lambda batch: 2 * batch,
        features=_variances,
        form=Form.SQUARES,
    ),
    View(
        "diffs",
        "the values and their deviations from the minibatch mean (a constant to the gradient), as one vector",
        decisions=lambda batch: 1,
        inputs=lambda batch: 2 * batch,
        features=_diffs,
        form=Form.DEVIATIONS,
    ),
    View(
        "moments",
        "mean, standard deviation (divisor n), skewness and excess kurtosis of the minibatch: four numbers; "
        "0, 0 and -3 for the last three of a constant minibatch",
        decisions=lambda batch: 1,
        inputs=lambda batch: 4,
        features=_moments,
        form=Form.MOMENTS,
    ),
    View(
        "sorted",
        "the values in ascending order as one vector: one decision about the set, whatever the order drawn",
        decisions=lambda batch: 1,
        inputs=lambda batch: batch,
        features=_sorted,
        form=Form.ORDER,
    ),
    View(
        "sample",
        "each value by itself: the textbook GAN, one decision a value",
        decisions=lambda batch: batch,
        inputs=lambda batch: 1,
        features=_sample,
        form=Form.VALUES,
    ),
    pack(2),
)

#: Every view by its text; ``pack`` has one for each m, of which m = 2 is listed.
VIEWS: Mapping[str, View] = MappingProxyType({view.name: view for view in _ALL})

_PACK = re.compile(r"\s*pack\s*\(\s*m\s*=\s*([0-9]{1,9})\s*\)\s*")


def parse_view(text: str) -> View:
    """The view that a text names, ``raw`` or ``pack(m=4)``; its ``name`` is the canonical text.

    Raises:
        InputError: there is no such view.
    """
    if view := VIEWS.get(text.strip()):
        return view
    packed = _PACK.fullmatch(text)
    if packed and 1 <= int(packed[1]) <= MOST_PACKED:
        return pack(int(packed[1]))
    near = difflib.get_close_matches(text[:200], VIEWS, n=1, cutoff=0.5)
    shown = repr(text) if len(text) <= 60 else f"{text[:57]!r}..."
    hint = f"; nearest: {near[0]!r}" if near else ""
    raise InputError(f"got {shown}{hint}; allowed: {', '.join(VIEWS)}, with any m that divides the batch")
