"""One GAN a block of a GPU: the training step as one CUDA kernel, and its host build for where there is none.

``kernel_spec`` the options that a kernel is compiled for; ``layout`` the positions of its arrays; ``tiling`` the
division of products among threads; ``source`` the kernel as text, on the functions of ``kernel/*.cuh``; ``devices`` and
``host_build`` compile and launch; ``launch`` some members on one device; ``engine`` the contract.
"""

from harness.engines.cuda.engine import CudaEngine
from harness.engines.cuda.host_build import HostBuild

__all__ = ["CudaEngine", "HostBuild"]
