"""Compilation and launch of a kernel: the contract of a backend, and CUDA through ``cuda.core``.

The source is one string, memory is torch tensors on the backend's devices, and every argument is a pointer. CUDA needs
NVIDIA's ``cuda.core``, whose interface is public and documented: it compiles with NVRTC and launches on torch's
stream. No GPU was at hand where this was written; the tests run the other backend (host_build.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from harness.engines.cuda.tiling import THREADS

#: Language of the source, and whether a compiler may contract a * b + c. It may not, so that host and device do the
#: same operations; where one rounding is wanted the source says ``fmaf``.
STANDARD, CONTRACTS = "c++17", False

#: Name of the kernel's entry.
ENTRY = "train"


class Kernel(Protocol):
    """A compiled kernel."""

    def __call__(self, blocks: int, arguments: Sequence[Tensor]) -> None:
        """Launch that many blocks on the current stream of the device."""


class Device(Protocol):
    """A device that runs blocks. ``memory`` is the shared memory in bytes that one block may have."""

    @property
    def name(self) -> str: ...
    @property
    def torch_device(self) -> str: ...
    @property
    def memory(self) -> int: ...
    def kernel(self, source: str, shared_bytes: int) -> Kernel:
        """Compile and load, or take what was compiled before.

        Raises:
            RuntimeError: the compiler refuses the source.
        """


class Backend(Protocol):
    """A machine's devices. ``identity`` names engine, version and kind of device; ``device`` is "cuda" or "cpu"."""

    identity: str
    device: str

    def unavailable_reason(self) -> str | None:
        """Reason why nothing can be launched, as a sentence, or None."""

    def devices(self) -> Sequence[Device]:
        """The devices; members are dealt over them, and results do not depend on how many there are."""


class CudaBackend:
    """Every CUDA device that torch sees."""

    identity = "cuda/1"
    device = "cuda"

    def unavailable_reason(self) -> str | None:
        """Reason why nothing can be launched, as a sentence, or None."""
        if not torch.cuda.is_available() or torch.version.hip:
            return "torch sees no CUDA device"
        try:
            import cuda.core  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError:
            return "cuda.core is not installed; 'pip install cuda-core' adds it"
        if not hasattr(cuda.core, "Program"):
            return "cuda.core is older than 1.0; 'pip install --upgrade cuda-core' replaces it"
        return None

    def devices(self) -> Sequence[CudaDevice]:
        """The devices that torch sees."""
        return [CudaDevice(index) for index in range(torch.cuda.device_count())]


class CudaDevice:
    """One CUDA device."""

    def __init__(self, index: int) -> None:
        self.index = index
        properties = torch.cuda.get_device_properties(index)
        self.name, self.torch_device = f"{properties.name} {index}", f"cuda:{index}"
        # 48 KiB are what every device grants without being asked.
        self.memory = int(getattr(properties, "shared_memory_per_block_optin", 49_152))

    def kernel(self, source: str, shared_bytes: int) -> Kernel:
        """Compile once in a process."""
        key = (source, self.index)
        if key not in _COMPILED:
            _COMPILED[key] = CudaKernel(self.index, source, shared_bytes)
        return _COMPILED[key]


class CudaKernel:
    """A kernel on one CUDA device.

    Raises:
        RuntimeError: NVRTC refuses the source, or the device refuses the shared memory.
    """

    def __init__(self, index: int, source: str, shared_bytes: int) -> None:
        from cuda import core  # type: ignore[import-not-found,import-untyped,attr-defined,unused-ignore]
        from cuda.bindings import driver  # type: ignore[import-not-found,import-untyped,unused-ignore]

        self._index, self._shared_bytes = index, shared_bytes
        self._device: Any = core.Device(index)
        self._device.set_current()  # this thread may have no context yet, without which a module does not load
        options = core.ProgramOptions(std=STANDARD, fma=CONTRACTS, arch=f"sm_{self._device.arch}")
        self._kernel: Any = core.Program(source, code_type="c++", options=options).compile("cubin").get_kernel(ENTRY)
        # More shared memory than 48 KiB must be asked for, kernel by kernel.
        attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        handle, device = self._kernel.handle, self._device.device_id
        (error,) = driver.cuKernelSetAttribute(attribute, shared_bytes, handle, device)
        if error != driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"{torch.cuda.get_device_name(index)} refuses {shared_bytes} bytes a block: {error}")

    def __call__(self, blocks: int, arguments: Sequence[Tensor]) -> None:
        """Launch that many blocks on torch's current stream."""
        from cuda import core

        with torch.cuda.device(self._index):
            self._device.set_current()
            stream = self._device.create_stream(torch.cuda.current_stream())
            config = core.LaunchConfig(grid=blocks, block=THREADS, shmem_size=self._shared_bytes)
            core.launch(stream, config, self._kernel, *(tensor.data_ptr() for tensor in arguments))


#: Kernels of this process, by source and device.
_COMPILED: dict[tuple[str, int], Kernel] = {}
