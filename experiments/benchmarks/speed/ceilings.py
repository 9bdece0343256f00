"""The floor of a training step: its matrix products, and the rate at which this machine multiplies at best.

The rates are those of float32 matrix products and of copies of memory, through torch. Any worker can be asked for them;
the benchmark asks, once a round, one that does nothing else. "one" is one thread, "all" one for each core.

Of the operations only matrix products count, a multiply-add as two, and only products that a step needs: no gradient of
G's input, none of D's weights in G's update. Activations, the optimizer and random numbers come on top.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import torch

from harness.data.mlp import Mlp
from harness.engines.parallel import cores
from harness.members import Group

#: The large product is square; the small one is the script's: a hidden layer of G on a minibatch, many at once.
LARGE, SMALL, AT_ONCE = 1536, (100, 50, 50), 256

#: Numbers of an array that is copied, 128 MiB: more than any cache holds.
COPIED = 2**25

#: Calls of each kind a round, of which the fastest counts: a ceiling is what was reached.
_CALLS = 3


def measure() -> dict[str, dict[str, float]]:
    """Measure for each device GFLOP/s of both products and GB/s of a copy (bytes read and written)."""
    rates: dict[str, dict[str, float]] = {"cpu": {}}
    for words, threads in (("one", 1), ("all", cores())):
        torch.set_num_threads(threads)
        rates["cpu"] |= {f"{name}_{words}": value for name, value in _on("cpu").items()}
    if torch.cuda.is_available():
        rates["cuda"] = {f"{name}_all": value for name, value in _on("cuda").items()}
    return rates


def _on(device: str) -> dict[str, float]:
    rows, inner, columns = SMALL
    large = [torch.ones(LARGE, LARGE, device=device) for _ in range(3)]
    shapes = ((rows, inner), (inner, columns), (rows, columns))
    small = [torch.ones(AT_ONCE, *shape, device=device) for shape in shapes]
    copied = [torch.ones(COPIED, device=device) for _ in range(2)]
    seconds_large = _least(lambda: torch.mm(large[0], large[1], out=large[2]), device, 1)
    seconds_small = _least(lambda: torch.bmm(small[0], small[1], out=small[2]), device, 20)
    return {
        "sgemm_large": 2 * LARGE**3 / seconds_large / 1e9,
        "sgemm_small": 2 * rows * inner * columns * AT_ONCE / seconds_small / 1e9,
        "copy": 2 * 4 * COPIED / _least(lambda: copied[1].copy_(copied[0]), device, 1) / 1e9,
    }


def _least(call: Callable[[], object], device: str, repeats: int) -> float:
    """Least seconds of a call, after one that is not counted."""
    wait: Callable[[], object] = torch.cuda.synchronize if device == "cuda" else lambda: None
    call()
    seconds = []
    for _ in range(_CALLS):
        wait()
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        wait()
        seconds.append((time.perf_counter() - start) / repeats)
    return min(seconds)


def forward(network: Mlp, rows: int) -> int:
    """Operations of computing the outputs of ``rows`` inputs."""
    return sum(2 * rows * a * b for a, b in itertools.pairwise(network.widths))


def backward_parameters(network: Mlp, rows: int) -> int:
    """Operations from the slopes at the outputs to the gradient of every weight.

    They are each layer's, and those of the slopes that reach the layers below. The gradient of a weight costs as much
    as the layer itself; so does the gradient of a layer's inputs, which the first layer need not have.
    """
    below = Mlp(network.widths[1:], network.activations[1:])
    return forward(network, rows) + forward(below, rows)


def backward_inputs(network: Mlp, rows: int) -> int:
    """Operations from the slopes at the outputs to the gradient of the network's inputs alone."""
    return forward(network, rows)


def step_flop(group: Group) -> int:
    """Operations of one alternating step of one member: D's update, then G's.

    D: D(real), G, D(fake), and the gradient of D's weights twice. G: G, D, back through D to its inputs, and through G.
    """
    batch, decisions = group.shape.batch, group.view.decisions(group.shape.batch)
    g, d = group.generator, group.discriminator
    d_update = forward(g, batch) + 2 * forward(d, decisions) + 2 * backward_parameters(d, decisions)
    g_update = forward(g, batch) + forward(d, decisions) + backward_inputs(d, decisions) + backward_parameters(g, batch)
    return d_update + g_update
