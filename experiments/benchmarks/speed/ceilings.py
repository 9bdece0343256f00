"""What the machine can do at best: float32 matrix products and copies of memory, through torch.

Any worker can be asked for them; the benchmark asks, once a round, one that does nothing else. "one" is one thread,
"all" one for each core.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from harness.engines.parallel import cores

#: The large product is square; the small one is the seed's: a hidden layer of G on a minibatch, many at once.
LARGE, SMALL, AT_ONCE = 1536, (100, 50, 50), 256

#: Numbers of an array that is copied, 128 MiB: more than any cache holds.
COPIED = 2**25

#: Calls of each kind a round, of which the fastest counts: a ceiling is what was reached.
_CALLS = 3


def measure() -> dict[str, dict[str, float]]:
    """For each device GFLOP/s of both products and GB/s of a copy (bytes read and written)."""
    found: dict[str, dict[str, float]] = {"cpu": {}}
    for words, threads in (("one", 1), ("all", cores())):
        torch.set_num_threads(threads)
        found["cpu"] |= {f"{name}_{words}": value for name, value in _on("cpu").items()}
    if torch.cuda.is_available():
        found["cuda"] = {f"{name}_all": value for name, value in _on("cuda").items()}
    return found


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
    found = []
    for _ in range(_CALLS):
        wait()
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        wait()
        found.append((time.perf_counter() - start) / repeats)
    return min(found)
