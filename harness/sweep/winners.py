"""Export of each arm's best generator as files that any torch or spreadsheet can read."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from harness.config import Shape
from harness.data.mlp import Mlp
from harness.engines.generate import samples, score_noise
from harness.members import generator_of
from harness.store import Store, slug, write_whole


def export_winners(store: Store) -> None:
    """Write winners/<arm>/generator.safetensors and sample.csv for each arm's best confirm seed.

    The tensors are named as in a ``torch.nn.Sequential`` of Linear layers with activations between, and shaped as
    Linear's (outputs, inputs); the one entry of metadata, ``harness``, is JSON that says whose they are, and names the
    layers (as torch.nn.functional does) and the noise. The sample is the generator's, in float32, on the 10,000
    independent draws of noise behind the row's ``ks_iid``. An arm none of whose members has a generator (out
    of memory) has no files.
    """
    for row in store.best_confirm_rows():
        folder = store.folder / "winners" / slug(row["arm"])
        write_whole(folder / "generator.safetensors", _tensors(row))
        text = io.StringIO()
        np.savetxt(text, _sample(row), fmt="%.9g", header="x", comments="")
        write_whole(folder / "sample.csv", text.getvalue().encode())


def _theta(row: dict[str, Any]) -> torch.Tensor:
    return torch.tensor([row["generator"]], dtype=torch.float32)


def _shape(row: dict[str, Any]) -> Shape:
    return Shape(**{name: row[name] for name in Shape.model_fields if name in row})


def _tensors(row: dict[str, Any]) -> bytes:
    network = generator_of(_shape(row))
    parts = network.split(_theta(row))
    tensors = {}
    for i in range(len(parts) // 2):
        # Even positions of a Sequential hold the linear layers, odd ones the activations.
        tensors[f"{2 * i}.weight"] = parts[2 * i][0].T.contiguous()
        tensors[f"{2 * i}.bias"] = parts[2 * i + 1][0, 0].contiguous()
    about = {name: str(row[name]) for name in ("arm", "key", "seed", "trial", "ks", "target", "engine")}
    about["layers"] = _layers(network)
    about["noise"] = f"{row['noise']}, {row['latent']} of them"
    # One entry: safetensors writes several in an order of chance, and the same winner is to be the same file.
    return save(tensors, {"harness": json.dumps(about, sort_keys=True)})


def _layers(network: Mlp) -> str:
    return " ".join(["linear", *(f"{activation} linear" for activation in network.activations)])


def _sample(row: dict[str, Any]) -> np.ndarray:
    shape = _shape(row)
    noise_SZ = score_noise(row["study_seed"], row["seed"], shape.noise, shape.latent)
    sample: np.ndarray = samples(generator_of(shape), _theta(row).numpy(), [noise_SZ])[0]
    return sample
