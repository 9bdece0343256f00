"""The sections of a report, in order. A new one is a module here with ``section(material)``, named in ``SECTIONS``."""

from __future__ import annotations

from collections.abc import Callable

from analysis.report.blocks import Section
from analysis.report.material import Material
from analysis.report.sections import (
    answer,
    dynamics,
    generators,
    provenance,
    ranking,
    seeds,
    settings,
    variants,
)

SECTIONS: tuple[Callable[[Material], Section], ...] = (
    answer.section,
    ranking.section,
    seeds.section,
    dynamics.section,
    generators.section,
    settings.section,
    variants.section,
    provenance.section,
)
