"""One GAN a core: the whole training step in numba, without torch, for any shape and every loss that is a formula.

``vectors`` and ``products`` are the arithmetic; ``rows`` and ``units`` a perceptron on many inputs and on few;
``judging`` and ``playing`` the step; ``programs`` the losses, as data; ``engine`` the contract; ``sampling`` what
trained generators make, whoever trained them.
"""

from harness.engines.cpu.engine import CpuEngine
from harness.engines.cpu.generate import Columns, CompiledGenerator

__all__ = ["Columns", "CompiledGenerator", "CpuEngine"]
