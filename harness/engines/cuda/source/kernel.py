"""The whole source of a kernel: the files of ``kernel/``, and between them what is generated for one plan."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from harness.engines.base import REPLAY_BUFFER
from harness.engines.cuda.kernel_spec import Plan
from harness.engines.cuda.layout import Layout
from harness.engines.cuda.source.penalties import site_pulls
from harness.engines.cuda.source.step import step
from harness.engines.cuda.tiling import THREADS
from harness.losses.backends.c_source import function_source, losses_source
from harness.losses.penalties import Site
from harness.losses.penalties.gradient import GRADIENT_PENALTIES
from harness.losses.penalties.penalty import norm

#: The columns of a member's settings, in the order of ``enum Setting`` of game.cuh.
SETTINGS = (
    *("lr_d", "lr_g", "beta1", "beta2", "lr_decay", "penalty_decay", "ema", "replay", "instance_noise", "weight_clip"),
    *("spectral_norm", *(penalty.name for penalty in GRADIENT_PENALTIES)),
)


@cache
def kernel_file(name: str) -> str:
    """A file of ``kernel/``, without the line that guards it from being read twice."""
    text = (files("harness.engines.cuda") / "kernel" / f"{name}.cuh").read_text(encoding="utf-8")
    return text.replace("#pragma once\n", "")


def record_places(plan: Plan) -> dict[str, tuple[int, int]]:
    """What a launch leaves for a snapshot, by name: (first float, floats)."""
    k = plan.decisions
    sizes = {
        "real": plan.batch,
        "fake": plan.batch,
        "logits": 2 * k,
        "labels": 2 * k,
        "logits_g": 2 * k,
        "norms": 2,
        "share": 1,
        "sites": len(Site) * k,
    }
    places, at = {}, 0
    for name, floats in sizes.items():
        places[name] = (at, floats)
        at += floats
    return places


def record_floats(plan: Plan) -> int:
    """Floats of a member's record."""
    return sum(floats for _, floats in record_places(plan).values())


def parameters_of(plan: Plan) -> int:
    """Columns of the losses' parameters: as many as the variant with most has, at least one."""
    return max(1, *(len(v.parameters) for v in plan.variants))


def source_of(plan: Plan, layout: Layout) -> str:
    """The kernel's text: C++17 for NVRTC and nvcc, and for a host's compiler."""
    pulls = [function_source(f"pull_{p.name}", p.coefficient_formula, norm) for p in plan.features.penalties]
    return "\n".join(
        [
            f"#define THREADS {THREADS}",
            *map(kernel_file, ("platform", "elementary", "activations", "philox")),
            losses_source(plan.variants),
            *pulls,
            *map(kernel_file, ("products", "moving")),
            _constants(plan, layout),
            *map(kernel_file, ("game", "views")),
            *([site_pulls(plan), kernel_file("penalties")] if plan.features.penalties else []),
            *([kernel_file("spectral")] if plan.features.spectral_norm else []),
            _accessors(layout),
            step(plan, layout),
            kernel_file("kernel"),
        ]
    )


def _constants(plan: Plan, layout: Layout) -> str:
    numbers: Mapping[str, int] = {
        "SIZE_D": plan.discriminator.size,
        "SIZE_G": plan.generator.size,
        "REPLAY_BUFFER": REPLAY_BUFFER,
        "SETTINGS": len(SETTINGS),
        "PARAMETERS": parameters_of(plan),
        "SHARED_FLOATS": layout.shared,
        "STATE_FLOATS": layout.state,
        "RECORD_FLOATS": record_floats(plan),
        **{f"RECORD_{name.upper()}": first for name, (first, _) in record_places(plan).items()},
    }
    flags = {
        "DRAWS_LABELS": plan.labels,
        "THROUGH_STATISTICS": plan.through_statistics,
        "REPLAYS": plan.features.replay,
        "BLURS": plan.features.instance_noise,
    }
    return "\n".join(
        [
            f"constexpr int OPTIMIZER = {plan.optimizer.upper()};",
            *(f"constexpr int {name} = {value};" for name, value in numbers.items()),
            *(f"constexpr bool {name} = {str(value).lower()};" for name, value in flags.items()),
        ]
    )


def _accessors(layout: Layout) -> str:
    """A function for each array, and the copies between an array's home and its place in shared memory."""
    lines, load, store = [], [], []
    for name, placed in layout.places.items():
        where, at = ("b.state", placed.state) if placed.shared is None else ("SHARED_OF(b)", placed.shared)
        lines.append(f"DEVICE float* {name}(const Block& b) {{ (void)b; return {where} + {at}; }}")
        if placed.shared is not None and placed.state is not None:
            home, floats = f"b.state + {placed.state}", placed.array.floats
            load.append(f"    copy({name}(b), {home}, {floats}, tid);")
            store.append(f"    copy({home}, {name}(b), {floats}, tid);")
    for title, copies in (("load", load), ("store", store)):
        lines += [f"DEVICE void {title}(const Block& b, int tid) {{", *copies, "}"]
    return "\n".join(lines)
