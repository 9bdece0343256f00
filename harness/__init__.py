"""Which GAN loss works, how robustly, and why, where the truth is known exactly.

Start with ``harness.losses.LOSSES`` (every variant as a formula), then ``harness.engines`` (what trains them),
``harness.scoring`` (what is measured) and ``harness.sweep`` (the whole job).
"""

__version__ = "0.1.0"
