"""The sentences of the page: a file of texts for each language, and the frames whose numbers two of them quote."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from analysis.explain.frames import RecordedMember

#: The codes of the languages (the page's ``lang``), the one that it is written in first.
LANGUAGES = ("en", "zh-Hans")

#: Section by section, key by key: ``texts["page"]["title"]``. All languages have the same keys; numbers from the runs
#: are names in braces.
Texts = Mapping[str, Mapping[str, str]]

#: Losses that differ by no more than this read as the same number on a plot of a training.
SAME_LOSS = 0.02


def texts(language: str) -> Texts:
    """All texts of the page in a language of ``LANGUAGES``."""
    name = f"{language.partition('-')[0]}.toml"
    return tomllib.loads(files("analysis.explain").joinpath("languages", name).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class FramePair:
    """Two frames of one member whose losses of G are the same and whose KS differ most, by ``gap``."""

    early: int
    late: int
    gap: float


@dataclass(frozen=True)
class WeakestPush:
    """The frame at which one member was pushed least beside another, and the frames at which both arrived."""

    frame: int
    arrived: int
    other_arrived: int


def same_loss_pair(member: RecordedMember) -> FramePair | None:
    """The frames whose KS differ most among those of the same loss of G (``SAME_LOSS``); None without any."""
    apart_FF = np.abs(member.loss_g[:, None] - member.loss_g[None, :])
    gap_FF = np.where(apart_FF <= SAME_LOSS, np.abs(member.ks[:, None] - member.ks[None, :]), -1.0)  # nan: not the same
    np.fill_diagonal(gap_FF, -1.0)
    early, late = np.unravel_index(int(gap_FF.argmax()), gap_FF.shape)
    if gap_FF[early, late] < 0:
        return None
    first, second = sorted((int(early), int(late)))
    return FramePair(first, second, float(gap_FF[first, second]))


def weakest_push(member: RecordedMember, other: RecordedMember, success_ks: float) -> WeakestPush | None:
    """The frame at which ``member`` was pushed least beside ``other``, before either arrived; None unless both arrive.

    To arrive is to reach a KS of at most ``success_ks``.
    """
    arrived, other_arrived = (int((m.ks <= success_ks).argmax()) for m in (member, other))
    if not arrived or not other_arrived:  # argmax gives 0 where none is true, and no member starts on the target
        return None
    before = slice(1, max(2, min(arrived, other_arrived)))
    pushes, other_pushes = (np.abs(m.forces).mean(axis=1)[before] for m in (member, other))
    ratios = pushes / np.maximum(other_pushes, np.finfo(float).tiny)
    return WeakestPush(1 + int(ratios.argmin()), arrived, other_arrived)
