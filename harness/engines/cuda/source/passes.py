"""One training step as text: which phase follows which, with every size written in.

The phases' bodies are functions of ``kernel/*.cuh``; here stands their order, which depends on the networks' layers.
Every line that begins with PHASE ends in a barrier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.data.mlp import Layer, Mlp
from harness.engines.cuda.kernel_spec import Plan
from harness.engines.cuda.layout import Layout
from harness.engines.cuda.tiling import Rows, gradient_tiling, product_tiling


def phase(body: str) -> str:
    """A phase that does ``body`` on every thread."""
    return f"    PHASE({body})"


def product(rows: Rows, inner: int, columns: int, source: str, weight: str, finish: str) -> list[str]:
    """The phases of one product: of two, if its sum is split."""
    t = product_tiling(rows, inner, columns)
    sizes = f"{rows.pack}, {rows.packs}, {rows.stride}, {inner}, {columns}, {t.packs}, {t.columns}, {t.split}"
    found = [phase(f"multiply<{sizes}>({source}, {weight}, scratch(b), {finish}, tid)")]
    if t.split > 1:
        found.append(phase(f"gather<{rows.padded}, {columns}, {t.split}>(scratch(b), {finish}, tid)"))
    return found


@dataclass(frozen=True)
class Pass:
    """A network with some rows that go through it: the names of its arrays.

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
        """What layer i reads."""
        return f"{(self.inputs, *self.hidden)[i]}(b)"

    def gradient_sizes(self, i: int) -> str:
        """The template arguments of ``WeightGradient`` for layer i."""
        layer, rows = self.network.layers[i], self.rows
        tile = gradient_tiling(rows, layer.inputs, layer.outputs)
        numbers = (rows.pack, rows.packs, rows.stride, rows.stride, layer.inputs, layer.outputs, *tile)
        return ", ".join(map(str, numbers))


def forward(way: Pass) -> list[str]:
    """From the inputs to the outputs."""
    lines: list[str] = []
    *hidden, last = way.network.layers
    for i, layer in enumerate(hidden):
        arrays = f"{way.hidden[i]}(b), {way.theta}(b) + {layer.bias}, {way.factor(i)}"
        finish = f"Hidden<{way.kind(i)}, {way.rows.stride}>{{{arrays}}}"
        straight = f"Straight<{layer.outputs}>{{{way.weight(layer)}}}"
        lines += product(way.rows, layer.inputs, layer.outputs, way.source(i), straight, finish)
    finish = f"Output{{{way.output}(b), {way.theta}(b) + {last.bias}, {way.factor(len(hidden))}}}"
    straight = f"Straight<1>{{{way.weight(last)}}}"
    return lines + product(way.rows, last.inputs, 1, way.source(len(hidden)), straight, finish)


def from_output(way: Pass, top: str, out: str) -> str:
    """The slopes at the last hidden layer's sums, from those at the outputs."""
    i = len(way.hidden) - 1
    layer = way.network.layers[i + 1]
    sizes = f"{way.kind(i)}, {way.rows.padded}, {way.rows.stride}, {layer.inputs}"
    arrays = f"{top}(b), {way.weight(layer)}, {way.hidden[i]}(b), {out}(b)"
    return phase(f"back_from_output<{sizes}>({arrays}, {way.factor(i + 1)}, tid)")


def back(way: Pass, i: int, delta: str, out: str) -> list[str]:
    """The slopes at the sums of the hidden layer before layer i, from those at layer i's."""
    layer = way.network.layers[i]
    finish = f"Back<{way.kind(i - 1)}, {way.rows.stride}>{{{way.hidden[i - 1]}(b), {out}(b), {way.factor(i)}}}"
    turned = f"Turned<{layer.outputs}>{{{way.weight(layer)}}}"
    return product(way.rows, layer.outputs, layer.inputs, f"{delta}(b)", turned, finish)


def back_to_inputs(way: Pass, delta: str, out: str) -> list[str]:
    """The slopes at the inputs, from those at the first layer's sums."""
    layer = way.network.layers[0]
    finish = f"Store<{way.rows.stride}>{{{out}(b), {way.factor(0)}}}"
    turned = f"Turned<{layer.outputs}>{{{way.weight(layer)}}}"
    return product(way.rows, layer.outputs, layer.inputs, f"{delta}(b)", turned, finish)


def down(way: Pass, top: str, deltas: Sequence[str]) -> list[str]:
    """From the slopes at the outputs to those at every hidden layer's sums, which go to ``deltas``."""
    if not way.hidden:
        return []
    lines = [from_output(way, top, deltas[-1])]
    for i in range(len(way.hidden) - 1, 0, -1):
        lines += back(way, i, deltas[i], deltas[i - 1])
    return lines


def stored_gradient(way: Pass, top: str, gradient: str) -> list[str]:
    """The whole gradient of a network, the slopes at the sums taking the place of the activations on the way down."""
    layers, depth = way.network.layers, len(way.hidden)

    def weight(i: int, delta: str) -> str:
        into = f"{gradient}(b) + {layers[i].start}"
        return phase(
            f"WeightGradient<{way.gradient_sizes(i)}>::run<false>({way.source(i)}, {delta}(b), {into}, true, tid)"
        )

    lines = [weight(depth, top)]
    if depth:
        lines.append(from_output(way, top, way.hidden[-1]))
    for i in range(depth - 1, -1, -1):
        lines.append(weight(i, way.hidden[i]))
        if i:
            lines += back(way, i, way.hidden[i], way.hidden[i - 1])
    return lines


def overlaid_gradient(way: Pass, top: str, last_gradient: str) -> list[str]:
    """As ``stored_gradient``, but all before the last layer's goes to where the last activations were.

    The gradient of the layer before the last waits in registers until nobody reads those any more.
    """
    layers, depth = way.network.layers, len(way.hidden)
    room = way.hidden[-1]
    sizes = way.gradient_sizes(depth - 1)
    lines = [
        phase(
            f"WeightGradient<{way.gradient_sizes(depth)}>::run<false>"
            f"({way.source(depth)}, {top}(b), {last_gradient}(b), true, tid)"
        ),
        from_output(way, top, room),
        f"    KEEP((WeightGradient<{sizes}>::KEPT_FLOATS));",
        phase(f"WeightGradient<{sizes}>::keep({way.source(depth - 1)}, {room}(b), KEPT, tid)"),
    ]
    if depth > 1:
        lines += back(way, depth - 1, room, way.hidden[depth - 2])
    putting = f"WeightGradient<{sizes}>::put_down(KEPT, {room}(b) + {layers[depth - 1].start}, tid)"
    for i in range(depth - 2, -1, -1):
        arrays = f"{way.source(i)}, {way.hidden[i]}(b), {room}(b) + {layers[i].start}"
        lines.append(phase(f"{putting}; WeightGradient<{way.gradient_sizes(i)}>::run<false>({arrays}, true, tid)"))
        putting = "(void)0"
        if i:
            lines += back(way, i, way.hidden[i], way.hidden[i - 1])
    return lines if depth > 1 else [*lines, phase(putting)]


def generating(plan: Plan) -> Pass:
    """G on a minibatch of noise."""
    hidden = tuple(f"h_{i}" for i in range(len(plan.generator.layers) - 1))
    return Pass(plan.generator, plan.values, "theta_g", "z", hidden, "made")


def judging(plan: Plan, player: str) -> Pass:
    """D on what a player's update reads, "d" or "g"."""
    rows = plan.judged if player == "d" else plan.made
    kind = "a_d"
    if player == "g" and plan.outer:
        kind = "a_g" if plan.both_at_once else "delta_d"
    hidden = tuple(f"{kind}{i}" for i in range(len(plan.discriminator.layers) - 1))
    scaled = plan.features.spectral_norm
    return Pass(plan.discriminator, rows, "theta_d", f"features_{player}", hidden, f"logits_{player}", scaled)


def function(name: str, lines: Sequence[str], parameters: str = "const Block& b") -> str:
    """A device function of the lines."""
    return "\n".join([f"DEVICE void {name}({parameters}) {{", *lines, "}"]) + "\n"


def visiting(plan: Plan, layout: Layout) -> str:
    """``visit_gradient_d`` and ``_g``: every entry of a gradient, (place in the flat array, value), by all threads."""
    heading = "template <class Visit> DEVICE void visit_gradient_{}(const Block& b, int tid, Visit visit) {{"
    size, last = plan.generator.size, plan.generator.layers[-1]
    room, first = ("h_" + str(len(plan.generator.layers) - 2), last.start) if layout.overlaid else ("gradient_g", size)
    beyond = "gradient_g_last(b)" if layout.overlaid else "nullptr"
    g = [f"    visit_stored<{size}, {first}>({room}(b), {beyond}, tid, visit);"]
    whole = plan.discriminator.size
    d = [f"    visit_stored<{whole}, {whole}>(gradient_d(b), nullptr, tid, visit);"]
    if plan.outer:
        d = []
        for i, layer in enumerate(plan.discriminator.layers):
            way = judging(plan, "d")
            delta = f"delta_d{i}" if i < len(way.hidden) else "slopes_d"
            stride = way.rows.stride
            d.append(
                f"    visit_outer<{way.rows.count}, {stride}, {stride}, {layer.inputs}, {layer.outputs}>"
                f"({way.source(i)}, {delta}(b), tid, [&](int i, float g) {{ visit({layer.start} + i, g); }});"
            )
    return "\n".join([heading.format("g"), *g, "}", heading.format("d"), *d, "}"]) + "\n"
