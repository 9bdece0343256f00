"""What D reads and says, in either layout: inputs side by side (mlp.py) or units side by side (units.py)."""

from __future__ import annotations

import math

from numba import njit

from harness.engines.base import REPLAY_BUFFER
from harness.engines.cpu.losses import execute
from harness.engines.cpu.numeric import mlp, units
from harness.engines.cpu.numeric.jit import F4, NONE, b1, f8, game_type, i8, kernel, program_type, tape_type
from harness.engines.cpu.numeric.record import double_table, floats, places32, word_table, words
from harness.engines.cpu.numeric.rng import (
    LABELS,
    LATENT_D,
    LATENT_G,
    NOISE_FAKE,
    NOISE_REAL,
    REAL,
    REPLAY,
    draw_from,
    draw_levels,
    draw_uniforms,
    uniform,
)
from harness.engines.cpu.numeric.simd import LANES, padded, room
from harness.engines.cpu.numeric.views import read
from harness.engines.quantile_table import LEVELS

_HISTORY, _LEVELS = REPLAY_BUFFER, LEVELS


@njit(error_model="numpy")
def where_drawn(game):
    """``levels`` and ``drawn``: where draws are made."""
    count = 4 + max(max(game.batch * game.latent, 2 * game.batch), game.decisions * max(game.inputs, 2))
    return places32(game.levels, count), floats(game.drawn, count)


@kernel(NONE, game_type, i8, i8)
def generated(game, update_g, update_d):
    """G's values on fresh noise into ``made``: first those of G's update, then those of D's, in one pass.

    Where one of them is not wanted its number is negative.
    """
    batch, latent, tape, g = game.batch, game.latent, game.g_tape, game.g
    values, places = floats(tape.values, 1), words(tape.places, g.layers)
    levels, _ = where_drawn(game)
    normal = floats(game.normal, _LEVELS)
    column = 0
    for stream, update in ((LATENT_G, update_g), (LATENT_D, update_d)):
        if update < 0:
            continue
        draw_levels(game.key0, game.key1, game.key2, stream, update, batch * latent, levels)
        for b in range(batch):
            for z in range(latent):
                level = levels[b * latent + z]
                place = places[0] + z * tape.stride + column + b
                values[place] = normal[level] if game.normal_latent else uniform(level)
        column += batch
    mlp.forward(
        word_table(g.net, g.layers, 5), floats(g.theta, g.size), values, places, tape.stride, padded(column) // LANES,
        floats(game.made, padded(2 * batch)),
    )  # fmt: skip


@kernel(NONE, game_type, i8, i8, f8, F4)
def blurred(game, stream, update, share, values):
    """read = the values (B,) with the member's instance noise on them."""
    batch = game.batch
    out = floats(game.read, batch)
    if not game.has_instance_noise:
        for b in range(batch):
            out[b] = values[b]
        return
    levels, drawn = where_drawn(game)
    draw_from(floats(game.normal, _LEVELS), game.key0, game.key1, game.key2, stream, update, batch, levels, drawn)
    for b in range(batch):
        out[b] = values[b] + game.instance_noise * share * drawn[b]


@kernel(NONE, game_type, i8, F4)
def _replayed(game, update, values):
    """read = the values (B,), some of them replaced by old ones; then the new ones are remembered."""
    batch = game.batch
    out, history = floats(game.read, batch), floats(game.history, _HISTORY * batch)
    levels, drawn = where_drawn(game)
    draw_uniforms(game.key0, game.key1, game.key2, REPLAY, update, 2 * batch, levels, drawn)
    filled = min(update, _HISTORY)
    for b in range(batch):
        out[b] = values[b]
        if filled and drawn[b] < game.replay_share:
            out[b] = history[int(drawn[batch + b] * float(filled)) * batch + b]
    start = update % _HISTORY * batch
    for b in range(batch):
        history[start + b] = values[b]


@kernel(NONE, game_type, F4, tape_type, i8, F4)
def judge(game, theta, tape, count, out):
    """D's logits of the first ``count`` inputs on the tape."""
    d = game.d
    net, values, places = word_table(d.net, d.layers, 5), floats(tape.values, 1), words(tape.places, d.layers)
    if game.rows:
        mlp.forward(net, theta, values, places, tape.stride, padded(count) // LANES, out)
    else:
        units.forward(net, theta, values, places, count, out)


@kernel(NONE, game_type, tape_type, i8)
def read_into(game, tape, first):
    """The features of ``read`` as D's inputs from number ``first`` on."""
    batch, decisions, inputs = game.batch, game.decisions, game.inputs
    x, values, places = floats(game.read, batch), floats(tape.values, 1), words(tape.places, 1)
    ranks, spare = words(game.ranks, batch), words(game.spare_ranks, batch)
    if game.rows:
        read(game.form, x, decisions, values, places[0] + first, tape.stride, 1, ranks, spare)
    else:
        width = room(inputs)
        place = places[0] + first * width
        read(game.form, x, decisions, values, place, 1, width, ranks, spare)
        units.complete(values, place, inputs, decisions)


@kernel(NONE, game_type, program_type, i8)
def _law(game, law, start):
    """Labels of one kind of decisions, from the draws that stand from ``start`` on."""
    decisions = game.decisions
    draws, labels = floats(game.label_draws, 2 * decisions), floats(game.label_values, 2 * decisions)
    registers, outputs = double_table(law.registers, law.size, decisions), words(law.outputs, 1)
    for k in range(decisions):
        registers[0, k] = draws[start + k]
    execute(law, decisions)
    for k in range(decisions):
        labels[start + k] = registers[outputs[0], k]


@kernel(NONE, game_type, i8)
def draw_labels(game, update):
    """Random labels of the real and then of the generated decisions."""
    decisions = game.decisions
    levels, drawn = where_drawn(game)
    draw_uniforms(game.key0, game.key1, game.key2, LABELS, update, 2 * decisions, levels, drawn)
    draws = floats(game.label_draws, 2 * decisions)
    for k in range(2 * decisions):
        draws[k] = drawn[k]
    _law(game, game.law_real, 0)
    _law(game, game.law_fake, decisions)


@kernel(NONE, game_type, i8, i8, f8)
def read_both(game, first, update, share):
    """D's inputs of an update: features of real values, and of the generated ones in ``made`` from ``first`` on."""
    batch = game.batch
    real, fake, made = floats(game.real, batch), floats(game.fake, batch), floats(game.made, 2 * batch)
    if game.target:
        levels, _ = where_drawn(game)
        table = floats(game.target, _LEVELS)
        draw_from(table, game.key0, game.key1, game.key2, REAL, update, batch, levels, real)
    else:
        given = floats(game.given, (update - game.given_from + 1) * batch)
        for b in range(batch):
            real[b] = given[(update - game.given_from) * batch + b]
    for b in range(batch):
        fake[b] = made[first + b]
    if game.has_replay:
        _replayed(game, update, fake)
        blurred(game, NOISE_FAKE, update, share, floats(game.read, batch))
    else:
        blurred(game, NOISE_FAKE, update, share, fake)
    read_into(game, game.d_tape, game.decisions)
    blurred(game, NOISE_REAL, update, share, real)
    read_into(game, game.d_tape, 0)


@kernel(f8, game_type, F4, tape_type, i8, b1, b1)
def backward_d(game, theta, tape, count, wants, reaches):
    """From ``slopes`` of D's logits to its gradient (``wants``), and to those of its inputs (``reaches``).

    The result is the gradient's squared norm where that is known from its factors, else nan.
    """
    d = game.d
    net, values, places = word_table(d.net, d.layers, 5), floats(tape.values, 1), words(tape.places, d.layers)
    slopes, gradient, features = floats(game.slopes, 1), floats(d.gradient, d.size), floats(game.features, 1)
    work = (floats(game.one, 1), floats(game.other, 1), floats(game.turned, 1))
    if game.rows:
        mlp.backward(
            net, theta, values, places, tape.stride, count, slopes, padded(count), work, gradient, wants, False,
            features, reaches,
        )  # fmt: skip
        return math.nan
    return units.backward(
        net, theta, values, places, count, slopes, work, gradient, wants, False, features, reaches, bool(game.factored),
        floats(game.kept, 1),
    )  # fmt: skip
