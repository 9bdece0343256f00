"""The sections of a report, in order. A new section is a module here with ``section(context)``, named in ``SECTIONS``.

The first line of the docstring of ``section`` is what ``python -m analysis`` says of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
    predictions,
    profiles,
    provenance,
    ranking,
    search,
    seeds,
    settings,
)

SectionFunction = Callable[[ReportContext], Section]

#: Each section by its key, which is also its anchor on the page.
SECTIONS: Mapping[str, SectionFunction] = {
    "answer": answer.section,
    "ranking": ranking.section,
    "pairs": pairs.section,
    "seeds": seeds.section,
    "profiles": profiles.section,
    "dynamics": dynamics.section,
    "anatomy": anatomy.section,
    "generators": generators.section,
    "budget": budget.section,
    "importance": importance.section,
    "search": search.section,
    "settings": settings.section,
    "diagnosis": diagnosis.section,
    "predictions": predictions.section,
    "provenance": provenance.section,
}
