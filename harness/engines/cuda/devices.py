"""How a kernel gets onto a device: one protocol, and the ways there are to compile and launch on CUDA.

The source is one string, memory is torch tensors on the launcher's devices, and every argument is a pointer. So a way
needs a compiler (NVRTC in all of them) and a launch, nothing else. None of the CUDA ways could be run where they were
written; ``host.py`` is the launcher that tests run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from harness.engines.cuda.tiling import THREADS

#: Nothing is contracted but what the source says (``fmaf``), so that host and device do the same operations.
OPTIONS = ("--std=c++17", "--fmad=false")

#: The name of the kernel's entry.
ENTRY = "train"


class Kernel(Protocol):
    """A compiled kernel."""

    def __call__(self, blocks: int, arguments: Sequence[Tensor]) -> None:
        """Launch that many blocks on the current stream of the device."""


class Device(Protocol):
    """Where blocks run. ``memory`` is the shared memory in bytes that one block may have."""

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


class Launcher(Protocol):
    """A machine's devices. ``identity`` names engine, version and kind of device; ``device`` is "cuda" or "cpu"."""

    identity: str
    device: str

    def missing(self) -> str | None:
        """What is missing to launch anything, as a sentence, or None."""

    def devices(self) -> Sequence[Device]:
        """The devices; members are dealt over them, and results do not depend on how many there are."""


class Backend(Protocol):
    """One way to compile and launch on CUDA."""

    def missing(self) -> str | None:
        """What it lacks here, or None."""

    def kernel(self, source: str, shared_bytes: int, index: int) -> Kernel:
        """A kernel on the device of that index."""


class TorchWay:
    """torch's own wrapper of NVRTC. It is private, so another torch may lack it."""

    def missing(self) -> str | None:
        return None if hasattr(torch.cuda, "_compile_kernel") else "this torch has no torch.cuda._compile_kernel"

    def kernel(self, source: str, shared_bytes: int, index: int) -> Kernel:
        from torch.utils import cpp_extension

        before = cpp_extension.CUDA_HOME
        # The wrapper asks for the toolkit's headers; the source includes none, so it does without a toolkit.
        cpp_extension.CUDA_HOME = before or "/nonexistent"
        try:
            with torch.cuda.device(index):
                compiled: Any = torch.cuda._compile_kernel(source, ENTRY, nvcc_options=list(OPTIONS))
                compiled.set_shared_memory_config(shared_bytes)
        finally:
            cpp_extension.CUDA_HOME = before

        def launch(blocks: int, arguments: Sequence[Tensor]) -> None:
            with torch.cuda.device(index):
                compiled(grid=(blocks, 1, 1), block=(THREADS, 1, 1), args=list(arguments), shared_mem=shared_bytes)

        return launch


class CudaCoreWay:
    """NVIDIA's cuda.core, version 1 or later."""

    def missing(self) -> str | None:
        try:
            import cuda.core  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError:
            return "cuda.core is not installed"
        return None if hasattr(cuda.core, "Program") else "cuda.core is older than 1.0"

    def kernel(self, source: str, shared_bytes: int, index: int) -> Kernel:
        from cuda import core  # type: ignore[import-not-found,import-untyped,attr-defined,unused-ignore]
        from cuda.bindings import driver  # type: ignore[import-not-found,import-untyped,unused-ignore]

        device = core.Device(index)
        device.set_current()
        options = core.ProgramOptions(std="c++17", fma=False, arch=f"sm_{device.arch}")
        kernel = core.Program(source, code_type="c++", options=options).compile("cubin").get_kernel(ENTRY)
        attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        (error,) = driver.cuKernelSetAttribute(attribute, shared_bytes, kernel.handle, device.device_id)
        if error != driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"{shared_bytes} bytes of shared memory are refused: {error}")

        def launch(blocks: int, arguments: Sequence[Tensor]) -> None:
            with torch.cuda.device(index):
                device.set_current()
                stream = device.create_stream(torch.cuda.current_stream())
                config = core.LaunchConfig(grid=blocks, block=THREADS, shmem_size=shared_bytes)
                core.launch(stream, config, kernel, *(tensor.data_ptr() for tensor in arguments))

        return launch


class CupyWay:
    """CuPy's RawKernel."""

    def missing(self) -> str | None:
        try:
            import cupy  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError:
            return "CuPy is not installed"
        return None if cupy.cuda.is_available() else "CuPy sees no device"

    def kernel(self, source: str, shared_bytes: int, index: int) -> Kernel:
        import cupy
        import numpy as np

        with cupy.cuda.Device(index):
            kernel = cupy.RawKernel(source, ENTRY, options=OPTIONS)
            kernel.max_dynamic_shared_size_bytes = shared_bytes

        def launch(blocks: int, arguments: Sequence[Tensor]) -> None:
            with cupy.cuda.Device(index), cupy.cuda.ExternalStream(torch.cuda.current_stream(index).cuda_stream):
                pointers = tuple(np.uint64(tensor.data_ptr()) for tensor in arguments)
                kernel((blocks,), (THREADS,), pointers, shared_mem=shared_bytes)

        return launch


#: The ways in the order in which they are tried.
WAYS: tuple[Backend, ...] = (TorchWay(), CudaCoreWay(), CupyWay())


class CudaLauncher:
    """Every CUDA device that torch sees, by the first way that works."""

    identity = "cuda/1"
    device = "cuda"

    def __init__(self, ways: Sequence[Backend] = WAYS) -> None:
        self._ways = ways

    def missing(self) -> str | None:
        if not torch.cuda.is_available() or torch.version.hip:
            return "torch sees no CUDA device"
        lacks = [way.missing() for way in self._ways]
        return None if None in lacks else f"nothing here can compile a kernel: {'; '.join(map(str, lacks))}"

    def devices(self) -> Sequence[CudaDevice]:
        """The devices that torch sees."""
        way = next(way for way in self._ways if way.missing() is None)
        return [CudaDevice(index, way) for index in range(torch.cuda.device_count())]


class CudaDevice:
    """One CUDA device."""

    def __init__(self, index: int, way: Backend) -> None:
        self.index, self._way = index, way
        properties = torch.cuda.get_device_properties(index)
        self.name, self.torch_device = f"{properties.name} {index}", f"cuda:{index}"
        # 48 KiB are what every device gives without being asked.
        self.memory = int(getattr(properties, "shared_memory_per_block_optin", 49_152))

    def kernel(self, source: str, shared_bytes: int) -> Kernel:
        """Compiled once in a process."""
        key = (type(self._way), source, self.index)
        if key not in _COMPILED:
            _COMPILED[key] = self._way.kernel(source, shared_bytes, self.index)
        return _COMPILED[key]


#: Kernels of this process, by way, source and device.
_COMPILED: dict[tuple[type[Backend], str, int], Kernel] = {}
