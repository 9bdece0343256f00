"""One record for all that a training loop works on: numbers, and the addresses of arrays.

Machine code for functions of many arrays takes minutes to make, because each array is handed on in seven parts. A
record is one pointer; a function takes from it the arrays that it needs, by ``floats(game.real, batch)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array
from numpy.typing import NDArray

from harness.config import Settings

_WORD, _NUMBER, _KEY = np.int64, np.float64, np.uint64

#: A network and its optimiser: lines of ``net`` (rows.py), how many, parameters, how many with padding.
PLAYER = np.dtype(
    [(name, _WORD) for name in ("net", "layers", "theta", "size", "gradient", "moment", "square", "previous", "saved")]
)

#: What the layers of a network are given (layout.Tape).
TAPE = np.dtype([(name, _WORD) for name in ("values", "places", "stride")])

#: A formula (programs.BoundProgram): instructions, how many, registers of K numbers, places of results.
PROGRAM = np.dtype([(name, _WORD) for name in ("code", "lines", "registers", "size", "outputs", "results", "shares")])

#: What members of a group share.
_SHAPES = (
    *("steps", "batch", "latent", "decisions", "inputs", "form", "optimizer", "order", "schedule", "d_steps"),
    *("g_steps", "rows", "normal_latent", "factored"),
)
#: Which of ``features.StepOptions`` a step has.
PARTS = ("labels", "pairs", "replay", "instance_noise", "spectral_norm", "penalties")
#: Where data come from (trainee.Source), and what else a member keeps from step to step.
_SOURCES = ("target", "given", "given_from", "normal", "average", "history", "left", "right", "widest")
#: Room of a thread, and what the last step leaves to be recorded.
_ROOM = (
    *("pushed", "one", "other", "turned", "more_one", "more_other", "scaled", "sigmas", "levels", "real", "made"),
    *("fake", "read", "drawn", "features", "logits", "slopes", "slopes_size", "judged_logits", "label_values"),
    *("label_draws", "ones", "norms", "ranks", "spare_ranks", "weights", "kept"),
)

GAME = np.dtype(
    [
        *((name, _WORD) for name in (*_SHAPES, *(f"has_{part}" for part in PARTS), *_SOURCES, *_ROOM)),
        *((name, _NUMBER) for name in Settings.model_fields if name != "replay"),
        ("replay_share", _NUMBER),
        *((f"key{i}", _KEY) for i in range(3)),
        *((name, PLAYER) for name in ("g", "d")),
        *((name, TAPE) for name in ("g_tape", "d_tape", "judged", "site", "along")),
        *((name, PROGRAM) for name in ("loss_real", "loss_fake", "loss_g", "law_real", "law_fake", "pulls")),
    ]
)


def address(array: NDArray[Any]) -> int:
    """Where an array begins."""
    return int(array.ctypes.data)


def fill(record: Any, values: Mapping[str, Any]) -> None:
    """Set fields by name: numbers as they are, arrays by their address."""
    for name, value in values.items():
        record[name] = address(value) if isinstance(value, np.ndarray) else value


def _view(kind: Any, dimensions: int) -> Any:
    """An array of ``kind`` at an address, as numba has it."""
    array = types.Array(kind, dimensions, "C")

    def typed(typing: Any, where: Any, *counts: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            size = context.get_constant(types.intp, kind.bitwidth // 8)
            shape = list(given[1:])
            strides = [builder.mul(size, shape[1]), size] if dimensions == 2 else [size]
            view = make_array(array)(context, builder)
            data = builder.inttoptr(given[0], context.get_data_type(kind).as_pointer())
            populate_array(view, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
            return view._getvalue()

        return array(types.int64, *[types.int64] * dimensions), build

    if dimensions == 1:

        @intrinsic
        def line(typing: Any, where: Any, count: Any) -> Any:
            """``count`` numbers at an address."""
            return typed(typing, where, count)

        return line

    @intrinsic
    def table(typing: Any, where: Any, rows: Any, columns: Any) -> Any:
        """``rows`` times ``columns`` numbers at an address."""
        return typed(typing, where, rows, columns)

    return table


#: ``floats(address, count)`` and its like.
floats, doubles, words, places32 = (_view(k, 1) for k in (types.float32, types.float64, types.int64, types.int32))
word_table, float_table, double_table = (_view(k, 2) for k in (types.int64, types.float32, types.float64))
