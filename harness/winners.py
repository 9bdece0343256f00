"""The best generator of each arm as files that any torch or spreadsheet can read."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from harness.engines.threads import single_threaded
from harness.networks import generate, generator
from harness.store import Store, slug, write_whole
from harness.streams import Stream, uniforms
from harness.training import SCORE_DRAWS


def export_winners(store: Store) -> None:
    """Write winners/<arm>/generator.safetensors and sample.csv for each arm's best confirm seed.

    The tensors are named as in ``torch.nn.Sequential(Linear, ELU, Linear, Sigmoid, Linear)`` and shaped as Linear's
    (outputs, inputs); the one entry of metadata, ``harness``, is JSON that says whose they are. The sample is what the
    generator, in float32, makes of the 10,000 independent draws of noise behind the row's ``ks_iid``. An arm none of
    whose members has a generator (out of memory) has no files.
    """
    for best in store.winners():
        folder = store.folder / "winners" / slug(best["arm"])
        write_whole(folder / "generator.safetensors", _tensors(best))
        text = io.StringIO()
        np.savetxt(text, _sample(best), fmt="%.9g", header="x", comments="")
        write_whole(folder / "sample.csv", text.getvalue().encode())


def _theta(row: dict[str, Any]) -> torch.Tensor:
    return torch.tensor([row["generator"]], dtype=torch.float32)


def _tensors(row: dict[str, Any]) -> bytes:
    parts = generator(row["hidden"]).split(_theta(row))
    tensors = {}
    for i in range(len(parts) // 2):
        # Positions 0, 2, 4 of a Sequential hold the linear layers, 1 and 3 the activations.
        tensors[f"{2 * i}.weight"] = parts[2 * i][0].T.contiguous()
        tensors[f"{2 * i}.bias"] = parts[2 * i + 1][0, 0].contiguous()
    about = {name: str(row[name]) for name in ("arm", "key", "seed", "trial", "ks", "target", "engine")}
    about["layers"] = "Linear ELU Linear Sigmoid Linear, on noise U(0, 1)"
    # One entry: safetensors writes several in an order of chance, and the same winner is to be the same file.
    return save(tensors, {"harness": json.dumps(about, sort_keys=True)})


def _sample(row: dict[str, Any]) -> np.ndarray:
    noise = uniforms(row["study_seed"], torch.tensor([row["seed"]]), Stream.SCORE, range(1), SCORE_DRAWS)[0, 0]
    with single_threaded():
        return generate(generator(row["hidden"]), _theta(row), noise)[0].numpy()
