"""What the discriminator reads of a minibatch, and so how many decisions it makes about it.

A view turns a minibatch ``x_PB`` into ``features_PKN``: K decisions, each on N numbers. The loss of a member is the
mean over its K decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor


@dataclass(frozen=True)
class View:
    """One way of reading a minibatch: ``decisions`` and ``inputs`` give K and N for a batch size."""

    name: str
    meaning: str
    decisions: Callable[[int], int]
    inputs: Callable[[int], int]
    features: Callable[[Tensor], Tensor]


def _raw(x_PB: Tensor) -> Tensor:
    return x_PB.unsqueeze(1)


def _variances(x_PB: Tensor) -> Tensor:
    # The seed turns the mean into a Python number, so no gradient passes through it: detach is part of the recipe.
    mean_P1 = x_PB.mean(dim=1, keepdim=True).detach()
    return torch.cat([x_PB, (x_PB - mean_P1).square()], dim=1).unsqueeze(1)


def _sample(x_PB: Tensor) -> Tensor:
    return x_PB.unsqueeze(2)


_ALL = (
    View(
        "raw",
        "the minibatch as one vector, in the order drawn: one decision about the whole set",
        decisions=lambda batch: 1,
        inputs=lambda batch: batch,
        features=_raw,
    ),
    View(
        "variances",
        "the values and their squared deviations from the minibatch mean (a constant to the gradient), "
        "as one vector: the seed's 'Data and variances'",
        decisions=lambda batch: 1,
        inputs=lambda batch: 2 * batch,
        features=_variances,
    ),
    View(
        "sample",
        "each value by itself: the textbook GAN, one decision a value",
        decisions=lambda batch: batch,
        inputs=lambda batch: 1,
        features=_sample,
    ),
)

#: Every view by its name.
VIEWS: Mapping[str, View] = MappingProxyType({view.name: view for view in _ALL})


def parse_view(text: str) -> View:
    """The view that a name stands for.

    Raises:
        InputError: no view has that name.
    """
    return VIEWS[text]
