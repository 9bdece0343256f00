"""The blocks of a section: text, tables and figures as unescaped text, which the template renders."""

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
    """A list of sentences; ``warning``: a reader must not overlook them."""

    kind: ClassVar[str] = "bullets"
    lines: Sequence[str]
    warning: bool = False
    label: str = ""


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    kind: ClassVar[str] = "facts"
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Preformatted text; folded under ``label`` where there is one."""

    kind: ClassVar[str] = "code"
    text: str
    label: str = ""


@dataclass(frozen=True)
class TableBlock:
    """A table. ``ranges``: cells such as ``0.1 [0.08, 0.12]`` break before the bracket.

    With a ``name``, ``numbers`` are written beside the page as ``name``.csv and .parquet.
    """

    kind: ClassVar[str] = "table"
    label: str
    table: Table
    ranges: bool = False
    name: str = ""
    numbers: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Figure:
    """A figure. ``alt`` describes it to a reader who cannot see it; ``numbers`` is what it draws, as a table.

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
class ArmCard:
    """One arm: its formulas, its source, its prediction and its result.

    ``outcome``: the prediction in a word beside the diagnoses.
    """

    kind: ClassVar[str] = "arm"
    name: str
    discriminator: Formula
    generator: Formula
    source: str
    prediction: str
    found: str
    outcome: str

    def facts(self) -> list[tuple[str, str]]:
        """Names and texts, in order."""
        formulas = [("Discriminator", self.discriminator.text), ("Generator", self.generator.text)]
        texts = [
            ("Source", self.source),
            ("Predicted", self.prediction),
            ("Found", self.found),
            ("Outcome", self.outcome),
        ]
        return formulas + texts


Block = Text | Bullets | Facts | Code | TableBlock | Figure | ArmCard


@dataclass(frozen=True)
class Section:
    """A heading with its blocks; ``key`` is its anchor on the page."""

    key: str
    heading: str
    blocks: Sequence[Block]
