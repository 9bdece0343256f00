"""The phases of gradient penalties and of spectral normalisation, as text (kernel/penalties.cuh, spectral.cuh)."""

from __future__ import annotations

from harness.data.mlp import Layer
from harness.engines.cuda.kernel_spec import Plan
from harness.engines.cuda.source.passes import Pass, back_to_inputs, phase, product
from harness.losses.penalties import Site
from harness.losses.penalties.gradient import GRADIENT_PENALTIES

#: The sites by the names that the kernel has for them, in the order of its ``enum Site``.
SITES = {Site.REAL: "AT_REAL", Site.FAKE: "AT_FAKE", Site.SEGMENT: "AT_SEGMENT", Site.AROUND: "AT_AROUND"}


def penalised(plan: Plan) -> list[str]:
    """Adds the gradients of the penalties to D's stored one."""
    lines = _spread(plan) if Site.AROUND in plan.sites else []
    for site in plan.sites:
        for first in range(0, plan.decisions, plan.penalised.count):
            lines += _portion(plan, SITES[site], first)
    return lines


def _spread(plan: Plan) -> list[str]:
    """The standard deviation of all real features."""
    count = plan.decisions * plan.inputs
    sizes = f"{plan.decisions}, {plan.inputs}, {plan.judged.stride}"
    mean = f"total(norm_sums(b)) / {float(count)}f"
    return [
        phase(f"sum_features<{sizes}>(features_d(b), 0.0f, false, scratch(b), tid)"),
        phase("add_up(scratch(b), norm_sums(b), tid)"),
        phase(f"sum_features<{sizes}>(features_d(b), {mean}, true, scratch(b), tid)"),
        phase("add_up(scratch(b), norm_sums(b), tid)"),
        phase(f"if (tid == 0) numbers(b)[SPREAD] = fn::sqrt({mean})"),
    ]


def _portion(plan: Plan, site: str, first: int) -> list[str]:
    """One site's penalties of some decisions."""
    rows, inputs = plan.penalised, plan.inputs
    stride, padded = rows.stride, rows.padded
    valid = min(rows.count, plan.decisions - first)
    network, depth = plan.discriminator, len(plan.discriminator.layers) - 1
    scaled = plan.features.spectral_norm
    a, slopes, tangents, bent = (tuple(f"{kind}{i}" for i in range(depth)) for kind in ("p_a", "p_b", "p_t", "p_c"))
    way = Pass(network, rows, "theta_d", "point", a, "", scaled)
    along = Pass(network, rows, "theta_d", "slope", tangents, "", scaled)
    last = network.layers[-1]
    place = f"{plan.decisions}, {inputs}"
    lines = [
        phase(
            f"set_points<{site}, {place}, {plan.judged.stride}, {stride}, {valid}, {padded}>"
            f"(b, numbers(b), features_d(b), point(b), {first}, update, tid)"
        )
    ]
    for i, layer in enumerate(network.layers[:-1]):
        finish = f"Hidden<{way.kind(i)}, {stride}>{{{a[i]}(b), theta_d(b) + {layer.bias}, {way.factor(i)}}}"
        lines += _straight(way, i, finish)
    if depth:
        sizes = f"{way.kind(depth - 1)}, {padded}, {stride}, {last.inputs}"
        arrays = f"{a[-1]}(b), {slopes[-1]}(b), {bent[-1]}(b)"
        lines.append(phase(f"unit_from_output<{sizes}>({way.weight(last)}, {arrays}, {way.factor(depth)}, tid)"))
        for i in range(depth - 1, 0, -1):
            arrays = f"{a[i - 1]}(b), {slopes[i - 1]}(b), {bent[i - 1]}(b)"
            lines += _turned(way, i, slopes[i], f"UnitBack<{way.kind(i - 1)}, {stride}>{{{arrays}, {way.factor(i)}}}")
        lines += back_to_inputs(way, slopes[0], "slope")
    else:
        lines.append(
            phase(f"unit_to_inputs<{padded}, {stride}, {inputs}>({way.weight(last)}, slope(b), {way.factor(0)}, tid)")
        )
    lines += [
        phase(
            f"set_pulls<{site}, {place}, {stride}, {valid}, {padded}>(b, numbers(b), slope(b), norms(b), {first}, tid)"
        ),
        phase(f"scale_rows<{stride}, {padded}, {inputs}>(slope(b), norms(b), tid)"),
    ]
    for i in range(depth):
        finish = f"Tangent<{way.kind(i)}, {stride}>{{{a[i]}(b), {tangents[i]}(b), {bent[i]}(b), {way.factor(i)}}}"
        lines += _straight(along, i, finish)
    lines.append(
        phase(f"add_rows<{stride}, {padded}, {last.inputs}>({along.source(depth)}, gradient_d(b) + {last.start}, tid)")
    )
    for i in range(depth - 1, -1, -1):
        into = f"gradient_d(b) + {network.layers[i].start}"
        for from_, delta, biased in ((way, bent, "true"), (along, slopes, "false")):
            call = f"WeightGradient<{way.gradient_sizes(i)}>::run<true>"
            lines.append(phase(f"{call}({from_.source(i)}, {delta[i]}(b), {into}, {biased}, tid)"))
        if i:
            finish = f"AddBack<{way.kind(i - 1)}, {stride}>{{{a[i - 1]}(b), {bent[i - 1]}(b), {way.factor(i)}}}"
            lines += _turned(way, i, bent[i], finish)
    return lines


def _straight(way: Pass, i: int, finish: str) -> list[str]:
    layer = way.network.layers[i]
    weight = f"Straight<{layer.outputs}>{{{way.weight(layer)}}}"
    return product(way.rows, layer.inputs, layer.outputs, way.source(i), weight, finish)


def _turned(way: Pass, i: int, delta: str, finish: str) -> list[str]:
    layer = way.network.layers[i]
    weight = f"Turned<{layer.outputs}>{{{way.weight(layer)}}}"
    return product(way.rows, layer.outputs, layer.inputs, f"{delta}(b)", weight, finish)


def site_pulls(plan: Plan) -> str:
    """``site_pull(site, weights, norm)``: the pulls of the plan's penalties at a site, times their weights, summed."""
    lines = ["DEVICE float site_pull(int site, const double* weights, float norm) {", "    float pull = 0.0f;"]
    for penalty in plan.features.penalties:
        at = " || ".join(f"site == {SITES[site]}" for site in penalty.sites)
        weight = GRADIENT_PENALTIES.index(penalty)
        lines.append(f"    if ({at}) pull += (float)weights[{weight}] * pull_{penalty.name}(norm);")
    return "\n".join([*lines, "    (void)site, (void)weights, (void)norm;", "    return pull;", "}"]) + "\n"


def _normalised(plan: Plan) -> list[tuple[int, Layer]]:
    """The layers of D whose weights are divided by their spectral norm, by number: all or none."""
    return list(enumerate(plan.discriminator.layers)) if plan.features.spectral_norm else []


def spectral_iteration(plan: Plan) -> list[str]:
    """One power iteration of every layer of D."""
    lines: list[str] = []
    for i, layer in _normalised(plan):
        sizes, w = f"{layer.inputs}, {layer.outputs}", f"theta_d(b) + {layer.start}"
        for side, count, call in (
            ("left", layer.inputs, f"times_right<{sizes}>({w}, right_{i}(b), left_{i}(b), tid)"),
            ("right", layer.outputs, f"left_times<{sizes}>({w}, left_{i}(b), right_{i}(b), tid)"),
        ):
            lines += [
                phase(call),
                phase(f"sum_squares<{count}>({side}_{i}(b), scratch(b), tid)"),
                phase("add_up(scratch(b), norm_sums(b), tid)"),
                phase(f"make_unit<{count}>({side}_{i}(b), norm_sums(b), tid)"),
            ]
    return lines


def scaled_weights(plan: Plan) -> list[str]:
    """The factor bound/sigma of every layer of D as it stands."""
    lines: list[str] = []
    for i, layer in _normalised(plan):
        arrays = f"theta_d(b) + {layer.start}, left_{i}(b), right_{i}(b)"
        lines += [
            phase(f"sum_sigma<{layer.inputs}, {layer.outputs}>({arrays}, scratch(b), tid)"),
            phase("add_up(scratch(b), spectral_sums(b), tid)"),
            phase(f"if (tid == 0) factors(b)[{i}] = (float)b.settings[SPECTRAL_NORM] / total(spectral_sums(b))"),
        ]
    return lines


def spectral_correction(plan: Plan) -> list[str]:
    """From the gradient in the scaled weights to that in the weights."""
    lines: list[str] = []
    for i, layer in _normalised(plan):
        gradient = f"gradient_d(b) + {layer.start}"
        arrays = f"{gradient}, left_{i}(b), right_{i}(b)"
        bound = "(float)b.settings[SPECTRAL_NORM]"
        lines += [
            phase(
                f"sum_product<{layer.inputs * layer.outputs}>({gradient}, theta_d(b) + {layer.start}, scratch(b), tid)"
            ),
            phase("add_up(scratch(b), spectral_sums(b), tid)"),
            phase(
                f"correct<{layer.inputs}, {layer.outputs}>({arrays}, factors(b)[{i}], {bound}, spectral_sums(b), tid)"
            ),
        ]
    return lines
