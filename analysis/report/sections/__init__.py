"""The sections of a report, in order. A new one is a module here with ``section(material)``, named in ``SECTIONS``."""

from __future__ import annotations

from collections.abc import Callable

from analysis.report.blocks import Section
from analysis.report.context import ReportContext
from analysis.report.sections import (
    anatomy,
    answer,
    budget,
    diagnosis,
    dynamics,
    generators,
    importance,
    pairs,
    profiles,
    provenance,
    ranking,
    search,
    seeds,
    settings,
    variants,
)

SECTIONS: tuple[Callable[[ReportContext], Section], ...] = (
    answer.section,
    ranking.section,
    pairs.section,
    seeds.section,
    profiles.section,
    dynamics.section,
    anatomy.section,
    generators.section,
    budget.section,
    importance.section,
    search.section,
    settings.section,
    diagnosis.section,
    variants.section,
    provenance.section,
)
