"""Text of gradient penalties and of spectral normalization (kernel/penalties.cuh, kernel/spectral_norm.cuh)."""

from __future__ import annotations

from harness.data.mlp import Layer
from harness.engines.cuda.kernel_spec import KernelSpec
from harness.engines.cuda.source.passes import Pass, input_slopes, phase, product
from harness.losses.penalties import Site
from harness.losses.penalties.gradient import GRADIENT_PENALTIES

#: Sites by their names in the kernel, in the order of its ``enum Site``.
SITES = {Site.REAL: "AT_REAL", Site.FAKE: "AT_FAKE", Site.SEGMENT: "AT_SEGMENT", Site.AROUND: "AT_AROUND"}


def penalty_gradient(spec: KernelSpec) -> list[str]:
    """Phases that add the gradients of the penalties to D's stored one."""
    lines = _feature_deviation(spec) if Site.AROUND in spec.sites else []
    for site in spec.sites:
        for first in range(0, spec.decisions, spec.rows_penalty.count):
            lines += _SitePasses(spec, SITES[site], first).phases()
    return lines


def _feature_deviation(spec: KernelSpec) -> list[str]:
    """Phases that compute the standard deviation of all real features."""
    count = spec.decisions * spec.inputs
    sizes = f"{spec.decisions}, {spec.inputs}, {spec.rows_d.stride}"
    mean = f"sum_of(norm_sums(b)) / {float(count)}f"
    return [
        phase(f"sum_features<{sizes}>(features_d(b), 0.0f, false, scratch(b), tid)"),
        phase("reduce(scratch(b), norm_sums(b), tid)"),
        phase(f"sum_features<{sizes}>(features_d(b), {mean}, true, scratch(b), tid)"),
        phase("reduce(scratch(b), norm_sums(b), tid)"),
        phase(f"if (tid == 0) numbers(b)[SPREAD] = fn::sqrt({mean})"),
    ]


class _SitePasses:
    """Passes of D at one site, for the decisions from ``first`` on: forward, back for dD/dx, and tangents along v."""

    def __init__(self, spec: KernelSpec, site: str, first: int) -> None:
        self.spec, self.site, self.first = spec, site, first
        self.rows, self.depth = spec.rows_penalty, len(spec.discriminator.layers) - 1
        self.valid = min(self.rows.count, spec.decisions - first)
        self.h, self.deltas, self.tangents, self.curved = (
            tuple(f"{kind}{i}" for i in range(self.depth))
            for kind in ("site_h", "site_delta", "site_tangent", "site_curved")
        )
        self.net, self.along = (
            Pass(
                spec.discriminator,
                self.rows,
                theta="theta_d",
                inputs=inputs,
                hidden=hidden,
                output="",
                scaled=spec.options.spectral_norm,
            )
            for inputs, hidden in (("point", self.h), ("slope", self.tangents))
        )

    def phases(self) -> list[str]:
        """Everything that adds the site's gradients to D's."""
        return [*self._forward(), *self._slope(), *self._direction(), *self._tangents(), *self._gradient()]

    def _forward(self) -> list[str]:
        """From the inputs at which penalties look to h."""
        spec, rows, net = self.spec, self.rows, self.net
        sizes = f"{self.site}, {spec.decisions}, {spec.inputs}, {spec.rows_d.stride}"
        arrays = f"(b, numbers(b), features_d(b), point(b), {self.first}, update, tid)"
        lines = [phase(f"set_points<{sizes}, {rows.stride}, {self.valid}, {rows.padded}>{arrays}")]
        for i, layer in enumerate(net.network.layers[:-1]):
            out = f"{self.h[i]}(b), theta_d(b) + {layer.bias}, {net.factor(i)}"
            lines += _forward_product(net, i, f"Hidden<{net.kind(i)}, {rows.stride}>{{{out}}}")
        return lines

    def _slope(self) -> list[str]:
        """Back from slope 1 at the logits to dD/dx."""
        rows, net, depth, last = self.rows, self.net, self.depth, self.net.network.layers[-1]
        if not depth:
            sizes = f"{rows.padded}, {rows.stride}, {self.spec.inputs}"
            return [phase(f"unit_to_inputs<{sizes}>({net.weight(last)}, slope(b), {net.factor(0)}, tid)")]
        sizes = f"{net.kind(depth - 1)}, {rows.padded}, {rows.stride}, {last.inputs}"
        arrays = f"{self.h[-1]}(b), {self.deltas[-1]}(b), {self.curved[-1]}(b)"
        lines = [phase(f"unit_top_delta<{sizes}>({net.weight(last)}, {arrays}, {net.factor(depth)}, tid)")]
        for i in range(depth - 1, 0, -1):
            arrays = f"{self.h[i - 1]}(b), {self.deltas[i - 1]}(b), {self.curved[i - 1]}(b)"
            finish = f"UnitDeltaBelow<{net.kind(i - 1)}, {rows.stride}>{{{arrays}, {net.factor(i)}}}"
            lines += _backward_product(net, i, self.deltas[i], finish)
        return lines + input_slopes(net, self.deltas[0], "slope")

    def _direction(self) -> list[str]:
        """The norm of dD/dx and its coefficient, which makes it the direction v."""
        rows = self.rows
        sizes = f"{self.site}, {self.spec.decisions}, {self.spec.inputs}, {rows.stride}, {self.valid}, {rows.padded}"
        arrays = f"(b, numbers(b), slope(b), norms(b), {self.first}, tid)"
        return [
            phase(f"set_coefficients<{sizes}>{arrays}"),
            phase(f"scale_rows<{rows.stride}, {rows.padded}, {self.spec.inputs}>(slope(b), norms(b), tid)"),
        ]

    def _tangents(self) -> list[str]:
        """Derivatives along v, forward."""
        lines = []
        for i in range(self.depth):
            arrays = f"{self.h[i]}(b), {self.tangents[i]}(b), {self.curved[i]}(b), {self.net.factor(i)}"
            lines += _forward_product(self.along, i, f"Tangent<{self.net.kind(i)}, {self.rows.stride}>{{{arrays}}}")
        return lines

    def _gradient(self) -> list[str]:
        """Back over activations and tangents, adding to D's gradient."""
        rows, net, along, last = self.rows, self.net, self.along, self.net.network.layers[-1]
        into = f"gradient_d(b) + {last.start}"
        sizes = f"{rows.stride}, {rows.padded}, {last.inputs}"
        lines = [phase(f"add_rows<{sizes}>({along.source(self.depth)}, {into}, tid)")]
        for i in range(self.depth - 1, -1, -1):
            into = f"gradient_d(b) + {net.network.layers[i].start}"
            for source, delta, biased in ((net, self.curved, "true"), (along, self.deltas, "false")):
                call = f"WeightGradient<{net.gradient_sizes(i)}>::run<true>"
                lines.append(phase(f"{call}({source.source(i)}, {delta[i]}(b), {into}, {biased}, tid)"))
            if i:
                arrays = f"{self.h[i - 1]}(b), {self.curved[i - 1]}(b), {net.factor(i)}"
                finish = f"AddDeltaBelow<{net.kind(i - 1)}, {rows.stride}>{{{arrays}}}"
                lines += _backward_product(net, i, self.curved[i], finish)
        return lines


def _forward_product(net: Pass, i: int, finish: str) -> list[str]:
    layer = net.network.layers[i]
    weight = f"Weights<{layer.outputs}>{{{net.weight(layer)}}}"
    return product(net.rows, (layer.inputs, layer.outputs), net.source(i), weight, finish)


def _backward_product(net: Pass, i: int, delta: str, finish: str) -> list[str]:
    layer = net.network.layers[i]
    weight = f"TransposedWeights<{layer.outputs}>{{{net.weight(layer)}}}"
    return product(net.rows, (layer.outputs, layer.inputs), f"{delta}(b)", weight, finish)


def site_coefficients(spec: KernelSpec) -> str:
    """Function ``site_coefficient(site, weights, norm)``: coefficients of a site's penalties, weighted and summed."""
    lines = [
        "DEVICE float site_coefficient(int site, const double* weights, float norm) {",
        "    float coefficient = 0.0f;",
    ]
    for penalty in spec.options.penalties:
        at = " || ".join(f"site == {SITES[site]}" for site in penalty.sites)
        weight = GRADIENT_PENALTIES.index(penalty)
        lines.append(f"    if ({at}) coefficient += (float)weights[{weight}] * coefficient_{penalty.name}(norm);")
    return "\n".join([*lines, "    (void)site, (void)weights, (void)norm;", "    return coefficient;", "}"]) + "\n"


def _normalised(spec: KernelSpec) -> list[tuple[int, Layer]]:
    """Layers of D whose weights are divided by their spectral norm, numbered: all or none."""
    return list(enumerate(spec.discriminator.layers)) if spec.options.spectral_norm else []


def spectral_iteration(spec: KernelSpec) -> list[str]:
    """Phases of one power iteration in every layer of D."""
    lines: list[str] = []
    for i, layer in _normalised(spec):
        sizes, w = f"{layer.inputs}, {layer.outputs}", f"theta_d(b) + {layer.start}"
        for side, count, call in (
            ("left", layer.inputs, f"times_right<{sizes}>({w}, right_{i}(b), left_{i}(b), tid)"),
            ("right", layer.outputs, f"left_times<{sizes}>({w}, left_{i}(b), right_{i}(b), tid)"),
        ):
            lines += [
                phase(call),
                phase(f"sum_squares<{count}>({side}_{i}(b), scratch(b), tid)"),
                phase("reduce(scratch(b), norm_sums(b), tid)"),
                phase(f"make_unit<{count}>({side}_{i}(b), norm_sums(b), tid)"),
            ]
    return lines


def scaled_weights(spec: KernelSpec) -> list[str]:
    """Phases that compute the factor bound/sigma of every layer of D."""
    lines: list[str] = []
    for i, layer in _normalised(spec):
        arrays = f"theta_d(b) + {layer.start}, left_{i}(b), right_{i}(b)"
        lines += [
            phase(f"sum_sigma<{layer.inputs}, {layer.outputs}>({arrays}, scratch(b), tid)"),
            phase("reduce(scratch(b), spectral_sums(b), tid)"),
            phase(f"if (tid == 0) factors(b)[{i}] = (float)b.settings[SPECTRAL_NORM] / sum_of(spectral_sums(b))"),
        ]
    return lines


def spectral_gradient(spec: KernelSpec) -> list[str]:
    """Phases that turn the gradient in the scaled weights into that in the weights."""
    lines: list[str] = []
    for i, layer in _normalised(spec):
        gradient = f"gradient_d(b) + {layer.start}"
        arrays = f"{gradient}, left_{i}(b), right_{i}(b)"
        bound = "(float)b.settings[SPECTRAL_NORM]"
        lines += [
            phase(
                f"sum_product<{layer.inputs * layer.outputs}>({gradient}, theta_d(b) + {layer.start}, scratch(b), tid)"
            ),
            phase("reduce(scratch(b), spectral_sums(b), tid)"),
            phase(
                f"correct<{layer.inputs}, {layer.outputs}>({arrays}, factors(b)[{i}], {bound}, spectral_sums(b), tid)"
            ),
        ]
    return lines
