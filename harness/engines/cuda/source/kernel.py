"""Source of a kernel: the files of ``kernel/``, and between them the text that is generated for one spec."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from harness.engines.base import REPLAY_BUFFER
from harness.engines.cuda.kernel_spec import KernelSpec
from harness.engines.cuda.layout import Layout
from harness.engines.cuda.source.penalties import site_coefficients
from harness.engines.cuda.source.step import step
from harness.engines.cuda.tiling import THREADS
from harness.losses.backends.c_source import function_source, losses_source
from harness.losses.penalties import Site
from harness.losses.penalties.gradient import GRADIENT_PENALTIES
from harness.losses.penalties.penalty import norm

#: Columns of a member's settings, in the order of ``enum Setting`` of state.cuh.
SETTINGS = (
    *("lr_d", "lr_g", "beta1", "beta2", "lr_decay", "penalty_decay", "ema", "replay", "instance_noise", "weight_clip"),
    *("spectral_norm", *(penalty.name for penalty in GRADIENT_PENALTIES)),
)


@cache
def kernel_file(name: str) -> str:
    """Text of a file of ``kernel/`` without its ``#pragma once``."""
    text = (files("harness.engines.cuda") / "kernel" / f"{name}.cuh").read_text(encoding="utf-8")
    return text.replace("#pragma once\n", "")


def record_layout(spec: KernelSpec) -> dict[str, tuple[int, int]]:
    """Arrays that a launch leaves for a snapshot, by name: (first float, floats)."""
    k = spec.decisions
    sizes = {
        "real": spec.batch,
        "fake": spec.batch,
        "logits": 2 * k,
        "labels": 2 * k,
        "logits_g": 2 * k,
        "norms": 2,
        "share": 1,
        "sites": len(Site) * k,
    }
    layout, at = {}, 0
    for name, floats in sizes.items():
        layout[name] = (at, floats)
        at += floats
    return layout


def record_floats(spec: KernelSpec) -> int:
    """Length of a member's record in floats."""
    return sum(floats for _, floats in record_layout(spec).values())


def parameters_of(spec: KernelSpec) -> int:
    """Number of columns of the losses' parameters: that of the variant with most, at least one."""
    return max(1, *(len(v.parameters) for v in spec.variants))


def source_of(spec: KernelSpec, layout: Layout) -> str:
    """Text of the kernel: C++17 for NVRTC and nvcc, and for a host's compiler."""
    penalties = spec.options.penalties
    coefficients = [function_source(f"coefficient_{p.name}", p.coefficient_formula, norm) for p in penalties]
    return "\n".join(
        [
            f"#define THREADS {THREADS}",
            *map(kernel_file, ("platform", "elementary", "activations", "rng")),
            losses_source(spec.variants),
            *coefficients,
            *map(kernel_file, ("matmul", "optimizers")),
            _constants(spec, layout),
            *map(kernel_file, ("state", "losses", "views")),
            *([site_coefficients(spec), kernel_file("penalties")] if penalties else []),
            *([kernel_file("spectral_norm")] if spec.options.spectral_norm else []),
            _accessors(layout),
            step(spec, layout),
            kernel_file("kernel"),
        ]
    )


def _constants(spec: KernelSpec, layout: Layout) -> str:
    numbers: Mapping[str, int] = {
        "SIZE_D": spec.discriminator.size,
        "SIZE_G": spec.generator.size,
        "REPLAY_BUFFER": REPLAY_BUFFER,
        "SETTINGS": len(SETTINGS),
        "PARAMETERS": parameters_of(spec),
        "SHARED_FLOATS": layout.shared,
        "STATE_FLOATS": layout.state,
        "RECORD_FLOATS": record_floats(spec),
        **{f"RECORD_{name.upper()}": first for name, (first, _) in record_layout(spec).items()},
    }
    flags = {
        "DRAWS_LABELS": spec.labels,
        "THROUGH_STATISTICS": spec.through_statistics,
        "HAS_REPLAY": spec.options.replay,
        "ADDS_NOISE": spec.options.instance_noise,
    }
    return "\n".join(
        [
            f"constexpr int OPTIMIZER = {spec.optimizer.upper()};",
            *(f"constexpr int {name} = {value};" for name, value in numbers.items()),
            *(f"constexpr bool {name} = {str(value).lower()};" for name, value in flags.items()),
        ]
    )


def _accessors(layout: Layout) -> str:
    """Functions that give each array's address, and copy arrays between their home and shared memory."""
    lines, load, store = [], [], []
    for name, placed in layout.arrays.items():
        where, at = ("b.state", placed.state) if placed.shared is None else ("SHARED_OF(b)", placed.shared)
        lines.append(f"DEVICE float* {name}(const Block& b) {{ (void)b; return {where} + {at}; }}")
        if placed.shared is not None and placed.state is not None:
            home, floats = f"b.state + {placed.state}", placed.array.floats
            load.append(f"    copy({name}(b), {home}, {floats}, tid);")
            store.append(f"    copy({home}, {name}(b), {floats}, tid);")
    for title, copies in (("load", load), ("store", store)):
        lines += [f"DEVICE void {title}(const Block& b, int tid) {{", *copies, "}"]
    return "\n".join(lines)
