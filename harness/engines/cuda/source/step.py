"""Text of a step: draws, inputs, losses, gradients, updates, and their order."""

from __future__ import annotations

from harness.data.views import Form
from harness.engines.cuda.kernel_spec import KernelSpec
from harness.engines.cuda.layout import Layout
from harness.engines.cuda.source.passes import (
    backward,
    forward,
    function,
    gradient_visitors,
    input_slopes,
    overlaid_gradient,
    pass_d,
    pass_g,
    phase,
    stored_gradient,
)
from harness.engines.cuda.source.penalties import (
    penalty_gradient,
    scaled_weights,
    spectral_gradient,
    spectral_iteration,
)

#: Threads that add up a sum over a minibatch (``SUMS`` of optimizers.cuh).
SUMS = 16


def _view_phases(spec: KernelSpec, readings: list[tuple[str, str, str, int]], stride: int, also: str = "") -> list[str]:
    """Phases that make features of minibatches, all at once: (values, their sums, features, first row) of each."""
    b, n = spec.batch, spec.inputs

    def together(body: str, last: str = "") -> str:
        calls = [
            body.format(
                x=f"{x}(b)", sums=f"{sums}(b)", features=f"{features}(b)", first=first, lane=f"tid - {SUMS * i}"
            )
            for i, (x, sums, features, first) in enumerate(readings)
        ]
        return phase(" ".join([*calls, last]))

    def sums(at: str, value: str, lane: int = 0) -> str:
        return f"partial_sums<{b}>({{sums}}{at}, [&](int i) {{{{ return {value}; }}}}, {{lane}} - {lane});"

    into = f"{b}, {stride}>({{x}}, {{sums}}, {{features}}, {{first}}, tid);"
    if spec.form is Form.VALUES:
        return [together(f"read_values<{b}, {n}, {stride}>({{x}}, {{features}}, {{first}}, tid);", also)]
    if spec.form is Form.ORDER:
        return [together(f"read_order<{b}, {stride}>({{x}}, {{features}}, {{first}}, tid);", also)]
    if spec.form is Form.MOMENTS:
        deviation = f"deviation_of<{b}>({{x}}, {{sums}}, i)"
        powers = [sums(f" + {p} * SUMS", f"power_of_z<{b}, {p}>({{x}}, {{sums}}, i)", 64 * (p - 1)) for p in (2, 3, 4)]
        return [
            together(sums("", "{x}[i] - {x}[0]")),
            together(sums(" + SUMS", f"{deviation} * {deviation}")),
            together(" ".join(powers)),
            together(f"read_moments<{into}", also),
        ]
    return [together(sums("", "{x}[i]")), together(f"read_deviations<{spec.form.name}, {into}", also)]


def _loss_phases(spec: KernelSpec, player: str, call: str) -> list[str]:
    """Phases from logits to slopes."""
    k, rows = spec.decisions, spec.rows_d if player == "d" else spec.rows_dg
    logits, slopes = f"logits_{player}(b)", f"slopes_{player}(b)"
    terms = f"terms_{player}(b)" if spec.through_statistics else "nullptr"
    lines = []
    if spec.statistics and rows.count == 2 * k:
        lines.append(phase(f"batch_statistics<{k}>({logits}, {logits} + {k}, numbers(b), tid)"))
    lines.append(phase(call.format(k=k, stride=rows.stride, terms=terms)))
    if spec.through_statistics:
        lines.append(phase(f"sum_terms<{k}, {rows.stride}>({terms}, {rows.count}, numbers(b), tid)"))
        lines.append(phase(f"finish_slopes<{k}>({logits}, {rows.count}, numbers(b), {slopes}, tid)"))
    return lines


def _norm_phases(player: str) -> list[str]:
    """Phases that put the sum of squares of a player's gradient into its half of ``norm_sums``."""
    return [
        phase(
            f"float sum = 0.0f; visit_gradient_{player}(b, tid, [&](int, float g) {{ sum = fn::fma(g, g, sum); }}); "
            "scratch(b)[tid] = sum"
        ),
        phase(f"reduce(scratch(b), {norm_sums(player)}, tid)"),
    ]


def norm_sums(player: str) -> str:
    """Address of the sums of a player's squared gradient."""
    return "norm_sums(b)" if player == "d" else "norm_sums(b) + SUMS"


def discriminator_gradient(spec: KernelSpec) -> str:
    """Function that computes D's whole gradient, on fresh draws."""
    batch, k, values, net = spec.batch, spec.decisions, spec.rows_g, pass_d(spec, "d")
    lines = spectral_iteration(spec) + scaled_weights(spec)
    lines += [
        phase(
            "if (tid == THREADS - 1) set_rates(b, numbers(b), (double*)powers(b), LR_D, STEP_D, EPSILON_D); "
            f"draw_latent<{batch}, {values.stride}, {spec.latent}>(b, LATENT_D, update, z(b), tid); "
            f"draws<{batch}>(b, REAL, update, tid, [&](int i, unsigned word) {{ real(b)[i] = b.target[word >> 9]; }})"
        ),
        "    generate(b);",
        "    if (b.recording) "
        + phase(
            f"for (int i = tid; i < {batch}; i += THREADS) "
            "b.record[RECORD_REAL + i] = real(b)[i], b.record[RECORD_FAKE + i] = generated(b)[i]"
        ).strip(),
    ]
    if spec.options.replay or spec.options.instance_noise:
        buffer = "replay_buffer(b)" if spec.options.replay else "nullptr"
        lines.append(
            phase(f"replay_and_add_noise<{batch}>(b, numbers(b), generated(b), real(b), {buffer}, update, tid)")
        )
    lines += _view_phases(
        spec, [("real", "view_sums", "features_d", 0), ("generated", "scratch", "features_d", k)], net.rows.stride
    )
    lines += forward(net)
    lines += _loss_phases(
        spec, "d", "set_slopes_d<{k}, {stride}>(b, numbers(b), logits_d(b), slopes_d(b), {terms}, update, tid)"
    )
    if spec.factored:
        lines += backward(net, "slopes_d", [f"delta_d{i}" for i in range(len(net.hidden))])
    else:
        lines += stored_gradient(net, "slopes_d", "gradient_d")
        lines += penalty_gradient(spec) + spectral_gradient(spec)
    return function("discriminator_gradient", lines + _norm_phases("d"), "const Block& b, unsigned update")


def generator_gradient(spec: KernelSpec, layout: Layout) -> str:
    """Function that computes G's whole gradient, on fresh noise, against D as it stands."""
    batch, k, values = spec.batch, spec.decisions, spec.rows_g
    net, first = pass_d(spec, "g"), spec.decisions if spec.options.pairs else 0
    stride = net.rows.stride
    lines = scaled_weights(spec)
    lines += [f"    if (!drawn) {phase('draw_for_g(b, update, tid)').strip()}", "    generate(b);"]
    if spec.options.instance_noise:
        lines.append(phase(f"add_noise_g<{batch}>(b, numbers(b), generated(b), update, tid)"))
    pairs = (
        f"for (int i = tid; i < {spec.inputs * k}; i += THREADS) features_g(b)[i / {k} * {stride} + i % {k}] = "
        f"features_d(b)[i / {k} * {spec.rows_d.stride} + i % {k}];"
    )
    lines += _view_phases(spec, [("generated", "view_sums", "features_g", first)], stride, pairs if first else "")
    lines += forward(net)
    lines += _loss_phases(
        spec,
        "g",
        f"set_slopes_g<{{k}}, {first}, {{stride}}>(b, numbers(b), logits_g(b), slopes_g(b), {{terms}}, tid)",
    )
    lines += backward(net, "slopes_g", net.hidden)
    lines += input_slopes(net, net.hidden[0] if net.hidden else "slopes_g", "features_g")
    lines.append(
        phase(
            f"slopes_at_values<{spec.form.name}, {batch}, {spec.inputs}, {stride}, {values.stride}>"
            f"(generated(b), view_sums(b), features_g(b), {first}, real(b), tid)"
        )
    )
    if layout.overlaid:
        lines += overlaid_gradient(pass_g(spec), "real", "gradient_g_last")
    else:
        lines += stored_gradient(pass_g(spec), "real", "gradient_g")
    return function("generator_gradient", lines + _norm_phases("g"), "const Block& b, unsigned update, bool drawn")


def draw_for_g(spec: KernelSpec) -> str:
    """Function that draws for G's update, in any phase that reads neither noise nor G's rates."""
    lines = [
        "    if (tid == THREADS - 1) set_rates(b, numbers(b), (double*)powers(b) + 2, LR_G, STEP_G, EPSILON_G);",
        f"    draw_latent<{spec.batch}, {spec.rows_g.stride}, {spec.latent}>(b, LATENT_G, update, z(b), tid);",
    ]
    return function("draw_for_g", lines, "const Block& b, unsigned update, int tid")


def generate(spec: KernelSpec) -> str:
    """Function that computes G's values on the noise that was drawn."""
    return function("generate", forward(pass_g(spec)))


def updates(spec: KernelSpec, layout: Layout) -> str:
    """Functions ``update_d``, ``update_g`` and ``average_g``."""
    parts = []
    for letter in "dg":
        big = letter.upper()
        arrays = [
            f"{kind}_{letter}(b)" if f"{kind}_{letter}" in layout.arrays else "nullptr"
            for kind in ("theta", "moment", "square", "previous")
        ]
        bounded = "true" if letter == "d" else "false"
        body = (
            f"const Rates r = rates_of(b, numbers(b), STEP_{big}, EPSILON_{big}, {bounded}); "
            f"const Player p = {{{', '.join(arrays)}}}; "
            f"visit_gradient_{letter}(b, tid, [&](int i, float g) {{ update_parameter<OPTIMIZER>(p, i, g, r); }}); "
            f"if (tid == 0 && b.recording) b.record[RECORD_NORMS + {int(letter == 'g')}] = sum_of({norm_sums(letter)})"
        )
        if letter == "d":  # noise for G meanwhile: the updates wait for memory, the draws for arithmetic
            body += "; if (draws) draw_for_g(b, update, tid)"
            parts.append(function("update_d", [phase(body)], "const Block& b, bool draws, unsigned update"))
        else:
            body += "; if (tid == 0 && b.recording) b.record[RECORD_SHARE] = numbers(b)[PENALTY_SHARE]"
            parts.append(function("update_g", [phase(body)]))
    average = (
        "const float share = (float)(1.0 - b.settings[EMA]); for (int i = tid; i < SIZE_G; i += THREADS) "
        "average(b)[i] = b.settings[EMA] > 0.0 ? moved_towards(average(b)[i], theta_g(b)[i], share) : theta_g(b)[i]"
    )
    return "".join(parts) + function("average_g", [phase(average)] if spec.has_average else ["    (void)b;"])


def finite_checks(spec: KernelSpec) -> str:
    """Functions ``finite_d`` and ``finite_g``: false if the squared norm is not finite, with step and tensor noted.

    The tensor is the first whose squares have no finite sum, or the first of all where only the whole has none.
    """
    parts = []
    first = 0
    for letter, network in (("d", spec.discriminator), ("g", spec.generator)):
        starts = [start for layer in network.layers for start in (layer.start, layer.bias)] + [network.size]
        lines = [
            f"    const int starts[] = {{{', '.join(map(str, starts))}}};",
            "    int tensor = -1;",
            f"    for (int t = 0; t < {len(starts) - 1} && tensor < 0; ++t) {{",
            "    "
            + phase(
                "float sum = 0.0f; "
                f"visit_gradient_{letter}(b, tid, [&](int i, float g) {{ "
                "if (i >= starts[t] && i < starts[t + 1]) sum = fn::fma(g, g, sum); }); scratch(b)[tid] = sum"
            ),
            "    " + phase(f"reduce(scratch(b), {norm_sums(letter)}, tid)"),
            f"        if (!fn::finite(sum_of({norm_sums(letter)}))) tensor = t;",
            "    }",
            phase(f"if (tid == 0) b.stopped[0] = b.step + 1, b.stopped[1] = {first} + (tensor < 0 ? 0 : tensor)"),
        ]
        # By value and compiled apart: the rare path must not keep the block's numbers from registers on the common one.
        parts.append("\n".join([f"APART void stop_{letter}(const Block b) {{", *lines, "}"]) + "\n")
        parts.append(
            f"DEVICE bool finite_{letter}(const Block& b) {{\n"
            f"    if (fn::finite(sum_of({norm_sums(letter)}))) return true;\n"
            f"    stop_{letter}(b);\n    return false;\n}}\n"
        )
        first += len(starts) - 1
    return "".join(parts)


_ORDERS = {
    "alternating": """\
DEVICE bool one_step(const Block& b) {
    const unsigned d_steps = b.words[D_STEPS], g_steps = b.words[G_STEPS];
    for (unsigned j = 0; j < d_steps; ++j) {
        discriminator_gradient(b, (unsigned)b.step * d_steps + j);
        if (!finite_d(b)) return false;
        update_d(b, j + 1u == d_steps, (unsigned)b.step * g_steps);
    }
    for (unsigned j = 0; j < g_steps; ++j) {
        generator_gradient(b, (unsigned)b.step * g_steps + j, j == 0u);
        if (!finite_g(b)) return false;
        update_g(b);
        average_g(b);
    }
    return true;
}
""",
    "simultaneous": """\
DEVICE bool one_step(const Block& b) {
    discriminator_gradient(b, (unsigned)b.step);
    generator_gradient(b, (unsigned)b.step, false);
    if (!finite_d(b) || !finite_g(b)) return false;
    update_d(b, false, 0u);
    update_g(b);
    average_g(b);
    return true;
}
""",
    # The look ahead is from theta, and so is the step by the gradients found there; a stop leaves theta in both halves.
    "extragradient": """\
DEVICE bool one_step(const Block& b) {
    PHASE(copy(saved_d(b), theta_d(b), SIZE_D, tid); copy(saved_g(b), theta_g(b), SIZE_G, tid))
    for (unsigned half = 0; half < 2u; ++half) {
        discriminator_gradient(b, 2u * (unsigned)b.step + half);
        generator_gradient(b, 2u * (unsigned)b.step + half, false);
        if (half) PHASE(copy(theta_d(b), saved_d(b), SIZE_D, tid); copy(theta_g(b), saved_g(b), SIZE_G, tid))
        if (!finite_d(b) || !finite_g(b)) return false;
        update_d(b, false, 0u);
        update_g(b);
    }
    average_g(b);
    return true;
}
""",
}


def step(spec: KernelSpec, layout: Layout) -> str:
    """Text of a step; its last function, ``one_step(b)``, returns false where the member stops."""
    parts = [
        gradient_visitors(spec, layout),
        generate(spec),
        draw_for_g(spec),
        discriminator_gradient(spec),
        generator_gradient(spec, layout),
        updates(spec, layout),
        finite_checks(spec),
    ]
    return "\n".join([*parts, _ORDERS[spec.order]])
