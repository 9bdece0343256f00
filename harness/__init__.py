"""Which GAN loss works, how robustly, and why, where the truth is known exactly.

Start with ``harness.losses.LOSSES`` (every variant as a formula), then ``harness.engines`` (what trains them),
``harness.metrics.distances`` (what is measured) and ``harness.sweep`` (the whole job).
"""

import os

# MKL chooses how to sum by where an operand lies in memory, so a member's bits would depend on its slot in a
# population. This asks for sums in one order always; it must be set before the first product, and costs no time that
# could be measured (docs/decisions/0002-bitwise-independence.md).
os.environ.setdefault("MKL_CBWR", "AUTO")

__version__ = "0.1.0"
