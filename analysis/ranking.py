"""``python -m analysis.ranking SWEEP [-o DIR]``: which arm comes nearest, and which can be told apart?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from analysis.arms_table import text
from analysis.report.sections import pairs, profiles, ranking, seeds
from analysis.script import answered


def main(arguments: Sequence[str] | None = None) -> int:
    """Which arm comes nearest, and which can be told apart?"""
    sections = [ranking.section, pairs.section, seeds.section, profiles.section]
    return answered("ranking", main.__doc__, sections, arguments, lambda material: text(material.comparison))


if __name__ == "__main__":
    sys.exit(main())
