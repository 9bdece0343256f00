"""``python -m analysis.dynamics SWEEP [-o DIR]``: how did the runs get where they ended?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from analysis.report.sections import dynamics
from analysis.script import answered


def main(arguments: Sequence[str] | None = None) -> int:
    """How did the runs get where they ended?"""
    return answered("dynamics", main.__doc__, [dynamics.section], arguments)


if __name__ == "__main__":
    sys.exit(main())
