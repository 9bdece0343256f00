"""The run record: one numpy record of all that a training loop works on, numbers and addresses of arrays.

Numba hands an array on in seven parts, and machine code for functions of many arrays takes minutes to compile. A
record is one pointer; a kernel takes the arrays that it needs from it, as in ``floats(run.real, run.batch)``.

Sizes in comments: B values a minibatch, K decisions of D on it, N inputs of D, W floats of a network with padding.
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

#: One player: the table of its layers (mlp.py) and their number, ``size`` W, and arrays (W,) of parameters, gradient,
#: what the optimizer keeps, and a copy of the parameters (extragradient).
_PLAYER = ("layers", "depth", "size", "theta", "gradient", "moment", "square", "previous", "saved")
PLAYER_DTYPE = np.dtype([(name, _WORD) for name in _PLAYER])

#: The inputs of every layer (``mlp.Activations``).
ACTIVATIONS_DTYPE = np.dtype([(name, _WORD) for name in ("values", "offsets", "stride")])

#: A formula (``losses.BoundProgram``): instructions, registers of K numbers, the registers of its results.
_PROGRAM = ("code", "instructions", "registers", "register_count", "outputs", "output_count", "uses_log_mean_exp")
PROGRAM_DTYPE = np.dtype([(name, _WORD) for name in _PROGRAM])

#: Numbers that all members of a group share (``state.Shapes``), and whether D's first gradient stays factored.
_SHAPES = (
    *("steps", "batch", "latent", "decisions", "inputs", "form", "optimizer", "order", "schedule", "d_steps"),
    *("g_steps", "feature_major", "normal_latent", "factored"),
)

#: Fields of ``StepOptions`` that kernels ask for, as ``has_...``.
OPTIONS = ("labels", "pairs", "replay", "instance_noise", "spectral_norm", "penalties")

_DATA = (
    "normal_table",  # (2^23,) quantiles of the normal law
    "target_table",  # (2^23,) quantiles of the target, or 0: then real values are drawn before the loop runs
    "real_values",  # (updates, B) such values
    "real_values_from",  # the update of their first row
)

_STATE = (
    "average",  # (W,) running average of G
    "replay_buffer",  # (REPLAY_BUFFER, B) generated values of past updates
    "left_vectors",  # (depth, vector_stride) singular vectors of D's weights
    "right_vectors",
    "vector_stride",
)

_SCRATCH = (
    *("delta_a", "delta_b"),  # slopes of the loss in one layer's outputs, and in those of the layer below
    "transposed",  # one of them transposed
    *("second_delta_a", "second_delta_b"),  # a second pair, for penalties, whose backward pass carries two slopes
    "tangent_sums",  # laid out as the tangents: W^T h' before the activation's derivative (penalties.py)
    "scaled_theta",  # (W,) D's parameters after spectral normalization
    "sigmas",  # (depth,) float64 spectral norms
    *("random_levels", "random_values"),  # raw draws, int32; and as float32 numbers
    *("real", "fake"),  # (B,) values of D's update, before replay and noise
    "generated",  # (2 B,) what G made: for its own update, then for D's
    "viewed",  # (B,) values as the view takes them, with replay and noise
    *("ranks", "ranks_scratch"),  # (B,) int64 order of ``viewed``
    "input_slopes",  # slopes in D's inputs, in the layout of the inputs
    "output_slopes",  # slopes in a network's outputs: D's logits, then G's values
    "output_slopes_size",
    "unit_slopes",  # (K,) ones
    "first_delta",  # (2 K, row) slopes in the outputs of D's first layer, where its gradient stays factored
)

_RECORDED = (
    "logits",  # (2 K,) of D's update: real, fake
    "logits_g",  # (2 K,) of G's update: real where the loss reads pairs, fake
    *("labels", "label_draws"),  # (2 K,)
    "slope_norms",  # (sites, K) |dD/dx| where penalties look
    "penalty_weights",  # (sites, penalties) float64
)

RUN_DTYPE = np.dtype(
    [
        *((name, _WORD) for name in (*_SHAPES, *(f"has_{option}" for option in OPTIONS))),
        *((name, _WORD) for name in (*_DATA, *_STATE, *_SCRATCH, *_RECORDED)),
        *((name, _NUMBER) for name in Settings.model_fields),
        *((f"key{i}", _KEY) for i in range(3)),
        *((name, PLAYER_DTYPE) for name in ("g", "d")),
        # Of G; of D in its own update and in G's; of D where a penalty looks, and its derivatives there.
        *((name, ACTIVATIONS_DTYPE) for name in ("g_activations", "d_activations", "dg_activations")),
        *((name, ACTIVATIONS_DTYPE) for name in ("site_activations", "tangents")),
        *((name, PROGRAM_DTYPE) for name in ("loss_real", "loss_fake", "loss_g", "label_real", "label_fake")),
        ("penalty_coefficients", PROGRAM_DTYPE),
    ]
)


def address(array: NDArray[Any]) -> int:
    """Address of an array's first element."""
    return int(array.ctypes.data)


def fill(record: Any, values: Mapping[str, Any]) -> None:
    """Set fields by name: numbers as they are, arrays by address. The caller keeps the arrays alive."""
    for name, value in values.items():
        record[name] = address(value) if isinstance(value, np.ndarray) else value


def _view(kind: Any, dimensions: int) -> Any:
    """Make the intrinsic that sees the memory at an address as a numba array of ``kind``."""
    array = types.Array(kind, dimensions, "C")

    def typed() -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            size = context.get_constant(types.intp, kind.bitwidth // 8)
            shape = list(arguments[1:])
            strides = [builder.mul(size, shape[1]), size] if dimensions == 2 else [size]
            view = make_array(array)(context, builder)
            data = builder.inttoptr(arguments[0], context.get_data_type(kind).as_pointer())
            populate_array(view, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
            return view._getvalue()

        return array(types.int64, *[types.int64] * dimensions), build

    if dimensions == 1:

        @intrinsic
        def vector(typing: Any, where: Any, count: Any) -> Any:
            """``count`` numbers at an address."""
            return typed()

        return vector

    @intrinsic
    def table(typing: Any, where: Any, rows: Any, columns: Any) -> Any:
        """``rows`` times ``columns`` numbers at an address."""
        return typed()

    return table


#: ``floats(address, count)``, ``float_table(address, rows, columns)`` and the like.
floats, doubles, words, words32 = (_view(kind, 1) for kind in (types.float32, types.float64, types.int64, types.int32))
word_table, float_table, double_table = (_view(kind, 2) for kind in (types.int64, types.float32, types.float64))
