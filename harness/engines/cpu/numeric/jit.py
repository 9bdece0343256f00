"""Functions that are compiled once, each by itself, and call each other by name.

numba compiles what a function calls into that function, and all of it again into its caller: of a training loop a few
calls deep that makes minutes. A kernel is declared with its signature, compiled alone, kept on disk, and linked to the
others like the functions of a C library.

What is kept lies in a folder of the user's cache named by a hash of this package's sources: numba itself compares the
age of a function's own file, and would not see a change in another that is compiled into it.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from harness.engines.cpu.numeric.record import GAME

f4, i4, i8, f8, u8, b1 = types.float32, types.int32, types.int64, types.float64, types.uint64, types.boolean
#: Arrays of one dimension, and tables of two.
F4, I4, I8, F8 = (types.Array(kind, 1, "C") for kind in (f4, i4, i8, f8))
F4_2, I8_2 = (types.Array(kind, 2, "C") for kind in (f4, i8))
NONE = types.none
#: Scratch: two arrays of slopes and one turned over; and two more (bending.py).
WORK, MORE = types.UniTuple(F4, 3), types.UniTuple(F4, 2)


def _short(dtype: Any, name: str) -> Any:
    """A record's type under a name of one word: numba's spells out all fields, in every symbol of the machine code."""
    kind = copy.copy(numba.from_dtype(dtype))
    kind.name = name
    return kind


game_type = _short(GAME, "Game")
player_type, tape_type, program_type = (game_type.typeof(name) for name in ("g", "g_tape", "loss_g"))


class Kernel:
    """A function with a signature; ``load`` compiles it, or reads it from disk, and makes it known to the others."""

    def __init__(self, function: Callable[..., Any], result: Any, arguments: tuple[Any, ...]) -> None:
        self.symbol = f"{function.__module__}.{function.__qualname__}"
        self.result, self.arguments = result, arguments
        with _kept_apart():
            self.dispatcher = njit(error_model="numpy", nogil=True, cache=True)(function)

    @property
    def loaded(self) -> bool:
        """Whether its machine code is there."""
        return bool(self.dispatcher.overloads)

    def load(self) -> None:
        """Compile it, unless that was done before."""
        self.dispatcher.compile(self.arguments)
        self.dispatcher.disable_compile()  # a call with other kinds of arguments is a mistake here
        compiled = self.dispatcher.overloads[self.arguments]
        place = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        llvmlite.binding.add_symbol(self.symbol, place)


#: Every kernel, in the order in which they were declared: a kernel calls earlier ones only.
KERNELS: list[Kernel] = []


def kernel(result: Any, *arguments: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare a function of numba's language as a kernel; other kernels call it by the same name.

    The name has the ``Kernel`` itself as its attribute ``kernel``.
    """

    def declared(function: Callable[..., Any]) -> Any:
        made = Kernel(function, result, arguments)
        KERNELS.append(made)
        caller = _caller(made, list(inspect.signature(function).parameters))
        caller.kernel = made
        return caller

    return declared


def _caller(made: Kernel, names: list[str]) -> Any:
    def typed(typing: Any, *given: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            convention = context.call_conv
            kind = convention.get_function_type(made.result, made.arguments)
            function = cgutils.get_or_insert_function(builder.module, kind, made.symbol)
            _, result = convention.call_function(builder, function, made.result, made.arguments, values)
            return result

        return made.result(*made.arguments), build

    place = inspect.Parameter.POSITIONAL_OR_KEYWORD
    typed.__signature__ = inspect.Signature([inspect.Parameter(n, place) for n in ["typing", *names]])  # type: ignore[attr-defined]
    return intrinsic(typed)


@intrinsic
def game_at(typing: Any, address: Any) -> Any:
    """The record at an address."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.inttoptr(given[0], context.get_value_type(game_type))

    return game_type(types.int64), build


@cache
def _version() -> str:
    """A name that changes with any source of this package."""
    sources = b"".join(file.read_bytes() for file in sorted(Path(__file__).parents[1].rglob("*.py")))
    return f"harness-{hashlib.sha256(sources).hexdigest()[:16]}"


@contextmanager
def _kept_apart() -> Iterator[None]:
    """numba keeps what is declared within by the sources of this package."""
    before = numba.config.CACHE_DIR
    base = Path(before or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    numba.config.CACHE_DIR = str(base / _version())
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before
