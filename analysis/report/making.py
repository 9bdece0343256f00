"""The sections of a report made from one sweep's material."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from analysis.plotting.naming import renamed, without_shared_end
from analysis.report.blocks import Block, Figure, Section
from analysis.report.context import ReportContext


def made(material: ReportContext, sections: Sequence[Callable[[ReportContext], Section]]) -> list[Section]:
    """Each section; where all arms are of one view its figures need not repeat it.

    Text and tables have the arms' whole names, which commands take.
    """
    words = without_shared_end(material.arms, " / ")
    found = [section(material) for section in sections]
    return [replace(one, blocks=[_renamed(block, words) for block in one.blocks]) for one in found]


def _renamed(block: Block, words: Mapping[str, str]) -> Block:
    return replace(block, scene=renamed(block.scene, words)) if isinstance(block, Figure) else block
