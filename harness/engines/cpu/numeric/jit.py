"""Kernels: functions of numba's language that are compiled once, each by itself, and call each other by name.

Numba compiles what a function calls into that function, and all of it again into its caller: minutes for a training
loop a few calls deep. A kernel is declared with its signature, compiled alone, cached on disk, and linked to the others
like the functions of a C library.

The cache lies in the user's cache folder under a hash of this package's sources: numba itself compares the age of a
function's own file, and would miss a change in a file that is compiled into it.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from harness.engines.cpu.numeric.record import RUN_DTYPE

_LOG = logging.getLogger(__name__)

f4, i4, i8, f8, u8, b1 = types.float32, types.int32, types.int64, types.float64, types.uint64, types.boolean
#: Arrays of one dimension, and of two.
F4, I4, I8, F8 = (types.Array(kind, 1, "C") for kind in (f4, i4, i8, f8))
F4_2, I8_2 = (types.Array(kind, 2, "C") for kind in (f4, i8))
NONE = types.none


#: Options of all that is compiled. Arrays are seen through addresses and never allocated, so nothing counts references:
#: without ``_nrt: False`` each hand-over of an array would cost two calls. Nobody calls a kernel from C.
_OPTIONS = {"error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}


def helper(function: Callable[..., Any]) -> Any:
    """Declare a function that is compiled into every kernel that calls it."""
    return njit(**_OPTIONS)(function)


def tuple_type(cls: Any, *kinds: Any) -> Any:
    """Numba type of a NamedTuple with fields of these types."""
    return types.BaseTuple.from_types(kinds, cls)


def _short(dtype: Any, name: str) -> Any:
    """Record type under a name of one word: numba's spells out all fields, in every symbol of the machine code."""
    kind = copy.copy(numba.from_dtype(dtype))
    kind.name = name
    return kind


run_type = _short(RUN_DTYPE, "Run")
player_type, activations_type, program_type = (run_type.typeof(name) for name in ("g", "g_activations", "loss_g"))


class Kernel:
    """A function with a signature. ``load`` compiles it or reads it from disk, and makes it known to the others."""

    def __init__(self, function: Callable[..., Any], result: Any, arguments: tuple[Any, ...]) -> None:
        self.symbol = f"{function.__module__}.{function.__qualname__}"
        self.result, self.arguments = result, arguments
        with _cache_folder():
            self.dispatcher = njit(nogil=True, cache=True, **_OPTIONS)(function)

    @property
    def loaded(self) -> bool:
        """True if its machine code is in memory."""
        return bool(self.dispatcher.overloads)

    def load(self) -> None:
        """Compile it, or read it from the cache."""
        self.dispatcher.compile(self.arguments)
        self.dispatcher.disable_compile()  # a call with other argument types is an error here
        compiled = self.dispatcher.overloads[self.arguments]
        code = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        llvmlite.binding.add_symbol(self.symbol, code)


#: Every kernel in order of declaration: a kernel calls earlier ones only.
KERNELS: list[Kernel] = []

#: Seconds before a first call says what it waits for; reading machine code from disk takes less.
_PATIENCE = 4.0
_COMPILING = threading.Lock()
_TRAINING = "engine cpu: compiling its training loop for this processor, about 15 seconds"


def prepare(kernels: Sequence[Kernel] = KERNELS, message: str = _TRAINING) -> None:
    """Load kernels, given in order of declaration; log ``message`` if that takes long."""
    with _COMPILING:
        missing = [kernel for kernel in kernels if not kernel.loaded]
        if not missing:
            return
        notice = threading.Timer(_PATIENCE, _LOG.warning, [f"{message}; it is kept on disk"])
        notice.daemon = True
        notice.start()
        try:
            for kernel in missing:
                kernel.load()
        finally:
            notice.cancel()


def kernel(result: Any, *arguments: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare a function as a kernel; other kernels call it by the same name.

    The name has the ``Kernel`` as its attribute ``kernel``.
    """

    def declare(function: Callable[..., Any]) -> Any:
        declared = Kernel(function, result, arguments)
        KERNELS.append(declared)
        caller = _caller(declared, list(inspect.signature(function).parameters))
        caller.kernel = declared
        return caller

    return declare


def _caller(callee: Kernel, names: list[str]) -> Any:
    """Make the intrinsic that calls a kernel through its symbol."""

    def typed(typing: Any, *kinds: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            convention = context.call_conv
            kind = convention.get_function_type(callee.result, callee.arguments)
            function = cgutils.get_or_insert_function(builder.module, kind, callee.symbol)
            _, result = convention.call_function(builder, function, callee.result, callee.arguments, values)
            return result

        return callee.result(*callee.arguments), build

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    typed.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in ["typing", *names]])  # type: ignore[attr-defined]
    return intrinsic(typed)


@intrinsic
def run_at(typing: Any, address: Any) -> Any:
    """The run record at an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(run_type))

    return run_type(types.int64), build


@cache
def _version() -> str:
    """Name that changes with any source of this package."""
    sources = b"".join(file.read_bytes() for file in sorted(Path(__file__).parents[1].rglob("*.py")))
    return f"harness-{hashlib.sha256(sources).hexdigest()[:16]}"


@contextmanager
def _cache_folder() -> Iterator[None]:
    """Make numba cache what is declared within under the hash of this package's sources."""
    before = numba.config.CACHE_DIR
    base = Path(before or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    numba.config.CACHE_DIR = str(base / _version())
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before
