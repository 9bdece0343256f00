"""One GAN a block of a GPU: the training step as one CUDA kernel, and its host build for where there is none.

``plan`` what a kernel is compiled for; ``layout`` where its numbers lie; ``tiles`` how threads divide products;
``phases``, ``turns`` and ``penalising`` the step as text, on the functions of ``kernel/*.cuh``; ``source`` all of it;
``launching`` and ``host`` compile and launch; ``crew`` some members on one device; ``engine`` the contract.
"""

from harness.engines.cuda.engine import CudaEngine
from harness.engines.cuda.host_build import HostBuild

__all__ = ["CudaEngine", "HostBuild"]
