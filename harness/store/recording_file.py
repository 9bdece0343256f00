"""The recording of a sweep: generated values, logits and forces of its members at some of their steps.

``recording.parquet`` has a row per member and frame. It can be made again from the sweep's rows at any time, so it is
not part of the truth; its metadata hold the digests of the rows that it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.errors import StoreError
from harness.store import parquet
from harness.store.files import write_whole

#: The file's name in the sweep's folder.
NAME = "recording.parquet"

_F64, _F32S = pa.float64(), pa.list_(pa.float32())

#: One row per member and frame; Q values stand at the levels ``QUANTILE_LEVELS`` of the generator's law.
FRAMES = pa.schema(
    [
        ("key", pa.string()),  # the member's, as in the sweep's rows
        ("step", pa.int32()),  # GAN-steps done; 0 is the start
        ("ks", _F64),  # KS distance on stratified noise
        ("values", _F32S),  # Q generated values, ascending
        ("logits", _F32S),  # D's logit on each
        ("forces", _F32S),  # on each: the direction that the generator's loss falls in, -d(loss of the value)/dx
        ("curve", _F32S),  # D's logit at the points of the metadata's grid
        # Null but where the sweep's own setting trains, trial 0.
        ("through_input", _F64),  # norm of the generator's gradient
        ("input_cut", _F64),  # the same with the way through D's input cut
        ("left_on_d", _F64),  # norm of the gradient of the generator's loss in D's weights, which nobody takes
        ("moved_g", _F64),  # largest change of a weight of G in the generator's update
        ("moved_d", _F64),  # largest change of a weight of D in the same update
    ]
)

_ABOUT = "harness.about"


@dataclass(frozen=True)
class Recording:
    """Frames with the columns of ``FRAMES``, the points (X,) of ``curve``, and each member's digest by its key."""

    frames: pa.Table
    grid: tuple[float, ...]
    digests: Mapping[str, str]


def write_recording(folder: Path, frames: Sequence[Mapping[str, Any]], grid: Sequence[float],
                    digests: Mapping[str, str]) -> None:  # fmt: skip
    """Write a sweep's recording whole.

    Raises:
        StoreError: the system refuses to write it.
    """
    about = json.dumps({"grid": [float(x) for x in grid], "digests": dict(digests)}, sort_keys=True, allow_nan=False)
    table = pa.Table.from_pylist([dict(row) for row in frames], FRAMES.with_metadata({_ABOUT: about}))
    write_whole(folder / NAME, parquet.encoded(table))


def read_recording(folder: Path) -> Recording | None:
    """The recording in a sweep's folder; None where there is none.

    Raises:
        StoreError: it is damaged, or of another form.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        table = parquet.read(parquet.opened(path.read_bytes()))
        about = json.loads((table.schema.metadata or {})[_ABOUT.encode()])
        recording = Recording(table.select(FRAMES.names), tuple(about["grid"]), dict(about["digests"]))
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).partition("\n")[0][:120]
        raise StoreError(f"{path}: damaged ({reason}); delete it, and it will be made again") from None
    return recording
