"""What a section of the report is made of: text, tables and figures, unescaped; the template decides how they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pandas as pd
from markupsafe import Markup

from analysis.plotting import Scene
from analysis.report.tables import Table


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences; ``warning``: what a reader must not overlook."""

    kind: ClassVar[str] = "bullets"
    lines: Sequence[str]
    warning: bool = False
    label: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and what they stand for."""

    kind: ClassVar[str] = "facts"
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Text that keeps its lines; folded under ``label`` where one is given."""

    kind: ClassVar[str] = "code"
    text: str
    label: str = ""


@dataclass(frozen=True)
class Lines:
    """A table on the page. ``ranges``: cells such as ``0.1 [0.08, 0.12]`` break before the bracket.

    With a ``name``, ``numbers`` are written beside the page as ``name``.csv and .parquet.
    """

    kind: ClassVar[str] = "lines"
    label: str
    table: Table
    ranges: bool = False
    name: str = ""
    numbers: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Figure:
    """A figure: ``alt`` is what a reader who cannot see it is told, ``numbers`` what it draws, as a table.

    ``name`` names its files: ``name``.png, .svg, .csv and .parquet.
    """

    kind: ClassVar[str] = "figure"
    name: str
    heading: str
    caption: str
    alt: str
    scene: Scene
    numbers: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Formula:
    """A player's loss as text and, where the registry still has that formula, in MathML."""

    text: str
    mathml: Markup | None = None


@dataclass(frozen=True)
class Variant:
    """One arm: its formulas, its source, what theory predicts and what was found.

    ``outcome``: the prediction in a word beside the diagnoses.
    """

    kind: ClassVar[str] = "variant"
    name: str
    discriminator: Formula
    generator: Formula
    source: str
    prediction: str
    found: str
    outcome: str


Block = Text | Bullets | Facts | Code | Lines | Figure | Variant


@dataclass(frozen=True)
class Section:
    """A heading with its blocks; ``key`` is its anchor on the page."""

    key: str
    heading: str
    blocks: Sequence[Block]
