"""Text of passes through a network, with every size written in.

The bodies of phases are functions of ``kernel/*.cuh``; their order depends on the networks' layers and is made here.
Every line that begins with PHASE ends in a barrier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.data.mlp import Layer, Mlp
from harness.engines.cuda.kernel_spec import KernelSpec
from harness.engines.cuda.layout import Layout
from harness.engines.cuda.tiling import Rows, gradient_tiling, product_tiling


def phase(body: str) -> str:
    """Phase that runs ``body`` on every thread."""
    return f"    PHASE({body})"


def product(rows: Rows, sizes: tuple[int, int], source: str, weight: str, finish: str) -> list[str]:
    """Phases of one product with ``sizes`` (terms of each sum, columns): two, if its sums are split."""
    inner, columns = sizes
    t = product_tiling(rows, inner, columns)
    numbers = f"{rows.pack}, {rows.packs}, {rows.stride}, {inner}, {columns}, {t.packs}, {t.columns}, {t.split}"
    lines = [phase(f"multiply<{numbers}>({source}, {weight}, scratch(b), {finish}, tid)")]
    if t.split > 1:
        lines.append(phase(f"sum_parts<{rows.padded}, {columns}, {t.split}>(scratch(b), {finish}, tid)"))
    return lines


@dataclass(frozen=True)
class Pass:
    """A network and the rows that go through it, by the names of their arrays.

    ``theta`` is the flat array's name, ``inputs`` the first layer's; ``hidden`` the activations'; ``output`` the last
    layer's; ``scaled`` whether the weights are divided by their spectral norm.
    """

    network: Mlp
    rows: Rows
    theta: str
    inputs: str
    hidden: tuple[str, ...]
    output: str
    scaled: bool = False

    def factor(self, i: int) -> str:
        return f"factors(b)[{i}]" if self.scaled else "1.0f"

    def weight(self, layer: Layer) -> str:
        return f"{self.theta}(b) + {layer.start}"

    def kind(self, i: int) -> str:
        return self.network.activations[i].upper()

    def source(self, i: int) -> str:
        """Address of the inputs of layer i."""
        return f"{(self.inputs, *self.hidden)[i]}(b)"

    def gradient_sizes(self, i: int) -> str:
        """Template arguments of ``WeightGradient`` for layer i."""
        layer, rows = self.network.layers[i], self.rows
        tile = gradient_tiling(rows, layer.inputs, layer.outputs)
        numbers = (rows.pack, rows.packs, rows.stride, rows.stride, layer.inputs, layer.outputs, *tile)
        return ", ".join(map(str, numbers))


def forward(net: Pass) -> list[str]:
    """Phases from the inputs to the outputs."""
    lines: list[str] = []
    *hidden, last = net.network.layers
    for i, layer in enumerate(hidden):
        arrays = f"{net.hidden[i]}(b), {net.theta}(b) + {layer.bias}, {net.factor(i)}"
        finish = f"Hidden<{net.kind(i)}, {net.rows.stride}>{{{arrays}}}"
        straight = f"Weights<{layer.outputs}>{{{net.weight(layer)}}}"
        lines += product(net.rows, (layer.inputs, layer.outputs), net.source(i), straight, finish)
    finish = f"Output{{{net.output}(b), {net.theta}(b) + {last.bias}, {net.factor(len(hidden))}}}"
    straight = f"Weights<1>{{{net.weight(last)}}}"
    return lines + product(net.rows, (last.inputs, 1), net.source(len(hidden)), straight, finish)


def top_delta(net: Pass, top: str, out: str) -> str:
    """Phase that computes the slopes in the last hidden layer's sums, from those in the outputs."""
    i = len(net.hidden) - 1
    layer = net.network.layers[i + 1]
    sizes = f"{net.kind(i)}, {net.rows.padded}, {net.rows.stride}, {layer.inputs}"
    arrays = f"{top}(b), {net.weight(layer)}, {net.hidden[i]}(b), {out}(b)"
    return phase(f"top_delta<{sizes}>({arrays}, {net.factor(i + 1)}, tid)")


def delta_below(net: Pass, i: int, delta: str, out: str) -> list[str]:
    """Phases that compute the slopes in the sums of the hidden layer below layer i, from those in layer i's."""
    layer = net.network.layers[i]
    finish = f"DeltaBelow<{net.kind(i - 1)}, {net.rows.stride}>{{{net.hidden[i - 1]}(b), {out}(b), {net.factor(i)}}}"
    turned = f"TransposedWeights<{layer.outputs}>{{{net.weight(layer)}}}"
    return product(net.rows, (layer.outputs, layer.inputs), f"{delta}(b)", turned, finish)


def input_slopes(net: Pass, delta: str, out: str) -> list[str]:
    """Phases that compute the slopes in the inputs, from those in the first layer's sums."""
    layer = net.network.layers[0]
    finish = f"Store<{net.rows.stride}>{{{out}(b), {net.factor(0)}}}"
    turned = f"TransposedWeights<{layer.outputs}>{{{net.weight(layer)}}}"
    return product(net.rows, (layer.outputs, layer.inputs), f"{delta}(b)", turned, finish)


def backward(net: Pass, top: str, deltas: Sequence[str]) -> list[str]:
    """Phases from the slopes in the outputs to those in every hidden layer's sums, which go to ``deltas``."""
    if not net.hidden:
        return []
    lines = [top_delta(net, top, deltas[-1])]
    for i in range(len(net.hidden) - 1, 0, -1):
        lines += delta_below(net, i, deltas[i], deltas[i - 1])
    return lines


def stored_gradient(net: Pass, top: str, gradient: str) -> list[str]:
    """The whole gradient of a network, the slopes at the sums taking the place of the activations on the net down."""
    layers, depth = net.network.layers, len(net.hidden)

    def weight(i: int, delta: str) -> str:
        into = f"{gradient}(b) + {layers[i].start}"
        return phase(
            f"WeightGradient<{net.gradient_sizes(i)}>::run<false>({net.source(i)}, {delta}(b), {into}, true, tid)"
        )

    lines = [weight(depth, top)]
    if depth:
        lines.append(top_delta(net, top, net.hidden[-1]))
    for i in range(depth - 1, -1, -1):
        lines.append(weight(i, net.hidden[i]))
        if i:
            lines += delta_below(net, i, net.hidden[i], net.hidden[i - 1])
    return lines


def overlaid_gradient(net: Pass, top: str, last_gradient: str) -> list[str]:
    """Phases of a network's gradient, of which all but the last layer's goes where the last activations were.

    The gradient of the layer before the last waits in registers until those are no longer read.
    """
    layers, depth = net.network.layers, len(net.hidden)
    room = net.hidden[-1]
    sizes = net.gradient_sizes(depth - 1)
    lines = [
        phase(
            f"WeightGradient<{net.gradient_sizes(depth)}>::run<false>"
            f"({net.source(depth)}, {top}(b), {last_gradient}(b), true, tid)"
        ),
        top_delta(net, top, room),
        f"    KEEP((WeightGradient<{sizes}>::KEPT_FLOATS));",
        phase(f"WeightGradient<{sizes}>::keep({net.source(depth - 1)}, {room}(b), KEPT, tid)"),
    ]
    if depth > 1:
        lines += delta_below(net, depth - 1, room, net.hidden[depth - 2])
    putting = f"WeightGradient<{sizes}>::write(KEPT, {room}(b) + {layers[depth - 1].start}, tid)"
    for i in range(depth - 2, -1, -1):
        arrays = f"{net.source(i)}, {net.hidden[i]}(b), {room}(b) + {layers[i].start}"
        lines.append(phase(f"{putting}; WeightGradient<{net.gradient_sizes(i)}>::run<false>({arrays}, true, tid)"))
        putting = "(void)0"
        if i:
            lines += delta_below(net, i, net.hidden[i], net.hidden[i - 1])
    return lines if depth > 1 else [*lines, phase(putting)]


def pass_g(spec: KernelSpec) -> Pass:
    """Pass of G on a minibatch of noise."""
    hidden = tuple(f"h_{i}" for i in range(len(spec.generator.layers) - 1))
    return Pass(spec.generator, spec.rows_g, theta="theta_g", inputs="z", hidden=hidden, output="generated")


def pass_d(spec: KernelSpec, player: str) -> Pass:
    """Pass of D on the inputs of a player's update, "d" or "g"."""
    rows = spec.rows_d if player == "d" else spec.rows_dg
    kind = "a_d"
    if player == "g" and spec.factored:
        kind = "a_g" if spec.both_at_once else "delta_d"
    hidden = tuple(f"{kind}{i}" for i in range(len(spec.discriminator.layers) - 1))
    return Pass(
        spec.discriminator,
        rows,
        theta="theta_d",
        inputs=f"features_{player}",
        hidden=hidden,
        output=f"logits_{player}",
        scaled=spec.options.spectral_norm,
    )


def function(name: str, lines: Sequence[str], parameters: str = "const Block& b") -> str:
    """Device function of the lines."""
    return "\n".join([f"DEVICE void {name}({parameters}) {{", *lines, "}"]) + "\n"


def gradient_visitors(spec: KernelSpec, layout: Layout) -> str:
    """Functions ``visit_gradient_d`` and ``_g``: all threads visit every entry (position in the flat array, value)."""
    heading = "template <class Visit> DEVICE void visit_gradient_{}(const Block& b, int tid, Visit visit) {{"
    size, last = spec.generator.size, spec.generator.layers[-1]
    room, first = ("h_" + str(len(spec.generator.layers) - 2), last.start) if layout.overlaid else ("gradient_g", size)
    beyond = "gradient_g_last(b)" if layout.overlaid else "nullptr"
    g = [f"    visit_stored<{size}, {first}>({room}(b), {beyond}, tid, visit);"]
    whole = spec.discriminator.size
    d = [f"    visit_stored<{whole}, {whole}>(gradient_d(b), nullptr, tid, visit);"]
    if spec.factored:
        d = []
        for i, layer in enumerate(spec.discriminator.layers):
            net = pass_d(spec, "d")
            delta = f"delta_d{i}" if i < len(net.hidden) else "slopes_d"
            stride = net.rows.stride
            d.append(
                f"    visit_outer<{net.rows.count}, {stride}, {stride}, {layer.inputs}, {layer.outputs}>"
                f"({net.source(i)}, {delta}(b), tid, [&](int i, float g) {{ visit({layer.start} + i, g); }});"
            )
    return "\n".join([heading.format("g"), *g, "}", heading.format("d"), *d, "}"]) + "\n"
