"""Both players' turns as text: what is drawn, read and judged, the gradients, the moves, and their order in a step."""

from __future__ import annotations

from harness.data.views import Form
from harness.engines.cuda.kernel_spec import Plan
from harness.engines.cuda.layout import Layout
from harness.engines.cuda.source.passes import (
    back_to_inputs,
    down,
    forward,
    function,
    generating,
    judging,
    overlaid_gradient,
    phase,
    stored_gradient,
    visiting,
)
from harness.engines.cuda.source.penalties import penalised, scaled_weights, spectral_correction, spectral_iteration

#: Threads that add up a sum over a minibatch (``SUMS`` of moving.cuh).
SUMS = 16


def _viewed(plan: Plan, readings: list[tuple[str, str, str, int]], stride: int, also: str = "") -> list[str]:
    """The phases that read minibatches: (values, where sums go, features, first row) of each, all at once."""
    b, n = plan.batch, plan.inputs

    def together(body: str, last: str = "") -> str:
        found = [
            body.format(
                x=f"{x}(b)", sums=f"{sums}(b)", features=f"{features}(b)", first=first, lane=f"tid - {SUMS * i}"
            )
            for i, (x, sums, features, first) in enumerate(readings)
        ]
        return phase(" ".join([*found, last]))

    def sums(at: str, value: str, lane: int = 0) -> str:
        return f"sixteen<{b}>({{sums}}{at}, [&](int i) {{{{ return {value}; }}}}, {{lane}} - {lane});"

    into = f"{b}, {stride}>({{x}}, {{sums}}, {{features}}, {{first}}, tid);"
    if plan.form is Form.VALUES:
        return [together(f"read_values<{b}, {n}, {stride}>({{x}}, {{features}}, {{first}}, tid);", also)]
    if plan.form is Form.ORDER:
        return [together(f"read_order<{b}, {stride}>({{x}}, {{features}}, {{first}}, tid);", also)]
    if plan.form is Form.MOMENTS:
        deviation = f"deviation_of<{b}>({{x}}, {{sums}}, i)"
        powers = [sums(f" + {p} * SUMS", f"power_of_z<{b}, {p}>({{x}}, {{sums}}, i)", 64 * (p - 1)) for p in (2, 3, 4)]
        return [
            together(sums("", "{x}[i] - {x}[0]")),
            together(sums(" + SUMS", f"{deviation} * {deviation}")),
            together(" ".join(powers)),
            together(f"read_moments<{into}", also),
        ]
    return [together(sums("", "{x}[i]")), together(f"read_deviations<{plan.form.name}, {into}", also)]


def _judged(plan: Plan, player: str, call: str) -> list[str]:
    """The phases from logits to slopes."""
    k, rows = plan.decisions, plan.judged if player == "d" else plan.made
    logits, slopes = f"logits_{player}(b)", f"slopes_{player}(b)"
    terms = f"terms_{player}(b)" if plan.through_statistics else "nullptr"
    lines = []
    if plan.statistics and rows.count == 2 * k:
        lines.append(phase(f"batch_statistics<{k}>({logits}, {logits} + {k}, numbers(b), tid)"))
    lines.append(phase(call.format(k=k, stride=rows.stride, terms=terms)))
    if plan.through_statistics:
        lines.append(phase(f"sum_terms<{k}, {rows.stride}>({terms}, {rows.count}, numbers(b), tid)"))
        lines.append(phase(f"close_slopes<{k}>({logits}, {rows.count}, numbers(b), {slopes}, tid)"))
    return lines


def _normed(player: str) -> list[str]:
    """The sum of squares of a player's gradient, into its half of the norms' sums."""
    return [
        phase(
            f"float sum = 0.0f; visit_gradient_{player}(b, tid, [&](int, float g) {{ sum = fn::fma(g, g, sum); }}); "
            "scratch(b)[tid] = sum"
        ),
        phase(f"add_up(scratch(b), {norm_sums(player)}, tid)"),
    ]


def norm_sums(player: str) -> str:
    """Where the sums of a player's squared gradient lie."""
    return "norm_sums(b)" if player == "d" else "norm_sums(b) + SUMS"


def discriminator_gradient(plan: Plan) -> str:
    """D's whole gradient, on fresh draws."""
    batch, k, values, way = plan.batch, plan.decisions, plan.values, judging(plan, "d")
    lines = spectral_iteration(plan) + scaled_weights(plan)
    lines += [
        phase(
            "if (tid == THREADS - 1) set_rates(b, numbers(b), (double*)powers(b), LR_D, STEP_D, EPSILON_D); "
            f"draw_latent<{batch}, {values.stride}, {plan.latent}>(b, LATENT_D, update, z(b), tid); "
            f"draws<{batch}>(b, REAL, update, tid, [&](int i, unsigned word) {{ given(b)[i] = b.target[word >> 9]; }})"
        ),
        "    generate(b);",
        "    if (b.recording) "
        + phase(
            f"for (int i = tid; i < {batch}; i += THREADS) "
            "b.record[RECORD_REAL + i] = given(b)[i], b.record[RECORD_FAKE + i] = made(b)[i]"
        ).strip(),
    ]
    if plan.features.replay or plan.features.instance_noise:
        history = "history(b)" if plan.features.replay else "nullptr"
        lines.append(phase(f"publish<{batch}>(b, numbers(b), made(b), given(b), {history}, update, tid)"))
    lines += _viewed(
        plan, [("given", "view_sums", "features_d", 0), ("made", "scratch", "features_d", k)], way.rows.stride
    )
    lines += forward(way)
    lines += _judged(plan, "d", "judge<{k}, {stride}>(b, numbers(b), logits_d(b), slopes_d(b), {terms}, update, tid)")
    if plan.outer:
        lines += down(way, "slopes_d", [f"delta_d{i}" for i in range(len(way.hidden))])
    else:
        lines += stored_gradient(way, "slopes_d", "gradient_d")
        lines += penalised(plan) + spectral_correction(plan)
    return function("discriminator_gradient", lines + _normed("d"), "const Block& b, unsigned update")


def generator_gradient(plan: Plan, layout: Layout) -> str:
    """G's whole gradient, on fresh noise, against D as it stands."""
    batch, k, values = plan.batch, plan.decisions, plan.values
    way, first = judging(plan, "g"), plan.decisions if plan.features.pairs else 0
    stride = way.rows.stride
    lines = scaled_weights(plan)
    lines += [f"    if (!drawn) {phase('draw_for_g(b, update, tid)').strip()}", "    generate(b);"]
    if plan.features.instance_noise:
        lines.append(phase(f"blur_generated<{batch}>(b, numbers(b), made(b), update, tid)"))
    pairs = (
        f"for (int i = tid; i < {plan.inputs * k}; i += THREADS) features_g(b)[i / {k} * {stride} + i % {k}] = "
        f"features_d(b)[i / {k} * {plan.judged.stride} + i % {k}];"
    )
    lines += _viewed(plan, [("made", "view_sums", "features_g", first)], stride, pairs if first else "")
    lines += forward(way)
    lines += _judged(
        plan,
        "g",
        f"judge_generated<{{k}}, {first}, {{stride}}>(b, numbers(b), logits_g(b), slopes_g(b), {{terms}}, tid)",
    )
    lines += down(way, "slopes_g", way.hidden)
    lines += back_to_inputs(way, way.hidden[0] if way.hidden else "slopes_g", "features_g")
    lines.append(
        phase(
            f"slopes_at_values<{plan.form.name}, {batch}, {plan.inputs}, {stride}, {values.stride}>"
            f"(made(b), view_sums(b), features_g(b), {first}, given(b), tid)"
        )
    )
    if layout.overlaid:
        lines += overlaid_gradient(generating(plan), "given", "gradient_g_last")
    else:
        lines += stored_gradient(generating(plan), "given", "gradient_g")
    return function("generator_gradient", lines + _normed("g"), "const Block& b, unsigned update, bool drawn")


def drawing_for_g(plan: Plan) -> str:
    """What G's update draws, by all threads in any phase that reads neither noise nor G's rates."""
    lines = [
        "    if (tid == THREADS - 1) set_rates(b, numbers(b), (double*)powers(b) + 2, LR_G, STEP_G, EPSILON_G);",
        f"    draw_latent<{plan.batch}, {plan.values.stride}, {plan.latent}>(b, LATENT_G, update, z(b), tid);",
    ]
    return function("draw_for_g", lines, "const Block& b, unsigned update, int tid")


def generation(plan: Plan) -> str:
    """G's values on the noise that was drawn."""
    return function("generate", forward(generating(plan)))


def moves(plan: Plan, layout: Layout) -> str:
    """``update_d``, ``update_g`` and ``average_g``."""
    parts = []
    for letter in "dg":
        big = letter.upper()
        arrays = [
            f"{kind}_{letter}(b)" if f"{kind}_{letter}" in layout.places else "nullptr"
            for kind in ("theta", "moment", "square", "previous")
        ]
        bounded = "true" if letter == "d" else "false"
        body = (
            f"const Rates r = rates_of(b, numbers(b), STEP_{big}, EPSILON_{big}, {bounded}); "
            f"const Player p = {{{', '.join(arrays)}}}; "
            f"visit_gradient_{letter}(b, tid, [&](int i, float g) {{ move<OPTIMIZER>(p, i, g, r); }}); "
            f"if (tid == 0 && b.recording) b.record[RECORD_NORMS + {int(letter == 'g')}] = total({norm_sums(letter)})"
        )
        if letter == "d":  # noise for G meanwhile: the moves wait for memory, the draws for arithmetic
            body += "; if (draws) draw_for_g(b, update, tid)"
            parts.append(function("update_d", [phase(body)], "const Block& b, bool draws, unsigned update"))
        else:
            body += "; if (tid == 0 && b.recording) b.record[RECORD_SHARE] = numbers(b)[PENALTY_SHARE]"
            parts.append(function("update_g", [phase(body)]))
    average = (
        "const float share = (float)(1.0 - b.settings[EMA]); for (int i = tid; i < SIZE_G; i += THREADS) "
        "average(b)[i] = b.settings[EMA] > 0.0 ? towards(average(b)[i], theta_g(b)[i], share) : theta_g(b)[i]"
    )
    return "".join(parts) + function("average_g", [phase(average)] if plan.averages else ["    (void)b;"])


def stops(plan: Plan) -> str:
    """``healthy_d`` and ``healthy_g``: whether the squared norm is finite; if not, the member stops, the tensor named.

    That is the first tensor whose squares have no finite sum, or the first of all where only the whole has none.
    """
    parts = []
    named = 0
    for letter, network in (("d", plan.discriminator), ("g", plan.generator)):
        starts = [place for layer in network.layers for place in (layer.start, layer.bias)] + [network.size]
        lines = [
            f"    const int starts[] = {{{', '.join(map(str, starts))}}};",
            "    int found = -1;",
            f"    for (int t = 0; t < {len(starts) - 1} && found < 0; ++t) {{",
            "    "
            + phase(
                "float sum = 0.0f; "
                f"visit_gradient_{letter}(b, tid, [&](int i, float g) {{ "
                "if (i >= starts[t] && i < starts[t + 1]) sum = fn::fma(g, g, sum); }); scratch(b)[tid] = sum"
            ),
            "    " + phase(f"add_up(scratch(b), {norm_sums(letter)}, tid)"),
            f"        if (!fn::finite(total({norm_sums(letter)}))) found = t;",
            "    }",
            phase(f"if (tid == 0) b.stopped[0] = b.step + 1, b.stopped[1] = {named} + (found < 0 ? 0 : found)"),
        ]
        # By value and compiled apart: the rare way must not keep the block's numbers from registers on the common one.
        parts.append("\n".join([f"APART void name_{letter}(const Block b) {{", *lines, "}"]) + "\n")
        parts.append(
            f"DEVICE bool healthy_{letter}(const Block& b) {{\n"
            f"    if (fn::finite(total({norm_sums(letter)}))) return true;\n"
            f"    name_{letter}(b);\n    return false;\n}}\n"
        )
        named += len(starts) - 1
    return "".join(parts)


_ORDERS = {
    "alternating": """\
DEVICE bool one_step(const Block& b) {
    const unsigned d_steps = b.words[D_STEPS], g_steps = b.words[G_STEPS];
    for (unsigned j = 0; j < d_steps; ++j) {
        discriminator_gradient(b, (unsigned)b.step * d_steps + j);
        if (!healthy_d(b)) return false;
        update_d(b, j + 1u == d_steps, (unsigned)b.step * g_steps);
    }
    for (unsigned j = 0; j < g_steps; ++j) {
        generator_gradient(b, (unsigned)b.step * g_steps + j, j == 0u);
        if (!healthy_g(b)) return false;
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
    if (!healthy_d(b) || !healthy_g(b)) return false;
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
        if (!healthy_d(b) || !healthy_g(b)) return false;
        update_d(b, false, 0u);
        update_g(b);
    }
    average_g(b);
    return true;
}
""",
}


def step(plan: Plan, layout: Layout) -> str:
    """Everything of a step, ``one_step(b)`` last: whether the member goes on."""
    parts = [
        visiting(plan, layout),
        generation(plan),
        drawing_for_g(plan),
        discriminator_gradient(plan),
        generator_gradient(plan, layout),
        moves(plan, layout),
        stops(plan),
    ]
    return "\n".join([*parts, _ORDERS[plan.order]])
