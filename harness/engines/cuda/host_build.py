"""The kernel as a host's program: g++ builds the same source, and a loop stands for a block's threads.

It proves the kernel where there is no GPU, and opens it to a host's tools. It is not fast.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from torch import Tensor

#: Arithmetic as it is written, nothing contracted: results must depend neither on what else is compiled nor on how
#: much it is optimized.
OPTIONS = ("-std=c++17", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC", "-w")


class HostBuild:
    """A backend (devices.py) that compiles with g++ and runs on the calling thread.

    ``memory`` is the shared memory that a block is granted, as that of a device would be. ``backwards`` runs the
    threads of each phase from the last to the first: the bits change if one reads what another writes in that phase.
    ``level`` is g++'s of optimization: at 0 it compiles in half the time, and the program is several times slower.
    """

    identity = "cuda-host/1"
    device = "cpu"

    def __init__(self, memory: int = 232_448, backwards: bool = False, level: int = 1) -> None:
        self.memory, self.backwards, self.level = memory, backwards, level

    def unavailable_reason(self) -> str | None:
        """Reason why nothing can be launched, or None."""
        return None if shutil.which("g++") else "the host build needs g++, which is not on the PATH"

    def devices(self) -> Sequence[HostDevice]:
        """The one device there is."""
        return (HostDevice(self.memory, self.backwards, self.level),)


class HostDevice:
    """The host as a device."""

    name = torch_device = "cpu"

    def __init__(self, memory: int, backwards: bool, level: int) -> None:
        self.memory, self.backwards, self.level = memory, backwards, level

    def kernel(self, source: str, shared_bytes: int) -> HostKernel:
        """Compile the source.

        Raises:
            RuntimeError: g++ refuses it.
        """
        return HostKernel(_built(source, self.backwards, self.level))


class HostKernel:
    """A compiled kernel; calling it trains one member a block."""

    def __init__(self, path: Path) -> None:
        self._train = ctypes.CDLL(str(path)).train
        self._train.restype = None

    def __call__(self, blocks: int, arguments: Sequence[Tensor]) -> None:
        """Launch and wait."""
        self._train(ctypes.c_int(blocks), *(ctypes.c_void_p(tensor.data_ptr()) for tensor in arguments))


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="harness-cuda-host-", ignore_cleanup_errors=True)


@lru_cache(maxsize=256)
def _built(source: str, backwards: bool, level: int) -> Path:
    name = f"{sha256(source.encode()).hexdigest()[:16]}-{int(backwards)}-{level}"
    text, library = (Path(_folder().name) / f"{name}.{ending}" for ending in ("cpp", "so"))
    text.write_text(f"#define BACKWARDS {int(backwards)}\n{source}", encoding="utf-8")
    command = ["g++", f"-O{level}", *OPTIONS, str(text), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"g++ refuses the kernel:\n{done.stderr[-4000:]}")
    return library
