"""One GAN a core: the whole training step in numba, without torch, for any shape and every loss that is a formula.

``engine`` the contract; ``step`` the training loop, on ``discriminator``, ``penalties``, ``spectral_norm``,
``optimizers`` and ``losses``; ``state``, ``workspace`` and ``layout`` its memory; ``numeric`` the arithmetic;
``generate`` samples of trained generators, whichever engine trained them.
"""

from harness.engines.cpu.engine import CpuEngine
from harness.engines.cpu.generate import Columns, CompiledGenerator

__all__ = ["Columns", "CompiledGenerator", "CpuEngine"]
