"""The training loop of one member: G's gradient, the moves, and the orders in which they follow each other."""

from __future__ import annotations

import math

from numba import njit, types

from harness.engines.cpu.discriminator import backward_d, blurred, generated, judge, read_into
from harness.engines.cpu.losses import FAKE, slopes
from harness.engines.cpu.numeric import mlp, units
from harness.engines.cpu.numeric.jit import NONE, b1, f8, game_type, i8, kernel, player_type
from harness.engines.cpu.numeric.record import floats, word_table, words
from harness.engines.cpu.numeric.rng import NOISE_G
from harness.engines.cpu.numeric.simd import copy, padded, room
from harness.engines.cpu.numeric.views import pulled
from harness.engines.cpu.optimizers import average, clip, move, move_factored, squared_norm
from harness.engines.cpu.penalties import discriminator_gradient, scaled

#: The number of each order, and of each schedule, by the names of ``spec.Shape``.
ORDERS = {"alternating": 0, "simultaneous": 1, "extragradient": 2}
SCHEDULES = {"linear": 0, "cosine": 1}
_ALTERNATING, _SIMULTANEOUS, _EXTRAGRADIENT = range(3)
_LINEAR = 0

#: Who stopped: nobody, or the player whose gradient is not finite.
NOBODY, D, G = range(3)


@kernel(b1, game_type, i8, f8)
def generator_gradient(game, update, share):
    """G's gradient at its ``update``, whose values are the first of ``made``: whether it is finite."""
    batch, decisions, inputs, g, tape = game.batch, game.decisions, game.inputs, game.g, game.judged
    theta = scaled(game, False)
    blurred(game, NOISE_G, update, share, floats(game.made, batch))
    read_into(game, tape, 0)
    logits, found = floats(game.judged_logits, 3 * decisions), floats(game.slopes, game.slopes_size)
    if game.has_pairs:
        judge(game, theta, game.d_tape, decisions, logits)
    judge(game, theta, tape, decisions, logits[decisions:])
    slopes(game.loss_g, logits, decisions, logits, False, FAKE, found, 0)
    units.cleared(found, decisions, game.slopes_size)
    backward_d(game, theta, tape, decisions, False, True)
    along, across = (padded(decisions), 1) if game.rows else (1, room(inputs))
    features = floats(game.features, 1)
    pulled(game.form, floats(game.read, batch), decisions, features, 0, along, across, words(game.ranks, batch), found)
    units.cleared(found, batch, padded(batch))
    tape = game.g_tape
    work = (floats(game.one, 1), floats(game.other, 1), floats(game.turned, 1))
    mlp.backward(
        word_table(g.net, g.layers, 5), floats(g.theta, g.size), floats(tape.values, 1), words(tape.places, g.layers),
        tape.stride, batch, found, padded(batch), work, floats(g.gradient, g.size), True, False, features, False,
    )  # fmt: skip
    return math.isfinite(squared_norm(floats(g.gradient, g.size)))


@kernel(NONE, game_type, player_type, i8, f8, i8)
def _move(game, player, first, rate, update):
    """One update of a player's parameters from ``first`` on, numbered from 0, at this rate."""
    size, skipped = player.size - first, 4 * first
    move(
        game.optimizer, floats(player.theta + skipped, size), floats(player.gradient + skipped, size),
        floats(player.moment + skipped, size), floats(player.square + skipped, size),
        floats(player.previous + skipped, size), rate, game.beta1, game.beta2, update + 1,
    )  # fmt: skip


@njit(error_model="numpy")
def _move_d(game, rate, update):
    d, tape, first = game.d, game.d_tape, 0
    if game.factored:
        net = word_table(d.net, d.layers, 5)
        inputs, outputs, row = net[0, 0], net[0, 1], net[0, 2]
        first = net[1, 3]
        move_factored(
            floats(d.theta, first), floats(d.moment, first), floats(d.square, first), inputs + 1, row,
            floats(tape.values, 1), words(tape.places, 1)[0], room(inputs), floats(game.kept, 1),
            room(outputs), game.lr_d * rate, game.beta1, game.beta2, update + 1,
        )  # fmt: skip
    _move(game, d, first, game.lr_d * rate, update)
    if game.weight_clip > 0:
        clip(floats(game.d.theta, game.d.size), game.weight_clip)


@njit(error_model="numpy")
def _move_g(game, rate, update):
    _move(game, game.g, 0, game.lr_g * rate, update)


@njit(error_model="numpy")
def _average(game):
    if game.ema > 0:
        average(floats(game.average, game.g.size), floats(game.g.theta, game.g.size), 1 - game.ema)


@kernel(i8, game_type, i8, f8, f8)
def _alternate(game, step, rate, share):
    """D's updates, then G's. G stands still until its first, whose values are made with those of D's last."""
    batch, d_steps, g_steps = game.batch, game.d_steps, game.g_steps
    for j in range(d_steps):
        update = step * d_steps + j
        last = j == d_steps - 1
        generated(game, step * g_steps if last else -1, update)
        if not discriminator_gradient(game, batch if last else 0, update, share):
            return D
        _move_d(game, rate, update)
    for j in range(g_steps):
        update = step * g_steps + j
        if j > 0:
            generated(game, update, -1)
        if not generator_gradient(game, update, share):
            return G
        _move_g(game, rate, update)
        _average(game)
    return NOBODY


@kernel(i8, game_type, i8, f8)
def _both(game, update, share):
    """Both gradients at the players as they stand; who has none that is finite."""
    generated(game, update, update)
    finite_d = discriminator_gradient(game, game.batch, update, share)
    finite_g = generator_gradient(game, update, share)
    if not finite_d:
        return D
    return NOBODY if finite_g else G


@kernel(i8, game_type, i8, f8, f8)
def _simultaneous(game, step, rate, share):
    """Both players move from one point."""
    stopped = _both(game, step, share)
    if stopped == NOBODY:
        _move_d(game, rate, step)
        _move_g(game, rate, step)
        _average(game)
    return stopped


@njit(error_model="numpy")
def _kept(player, back):
    """Remember a player's parameters, or put them ``back``."""
    theta, saved = floats(player.theta, player.size), floats(player.saved, player.size)
    if back:
        copy(theta, saved)
    else:
        copy(saved, theta)


@kernel(i8, game_type, i8, f8, f8)
def _extragradient(game, step, rate, share):
    """Both look ahead, and step from where they were by the gradients found there (Korpelevich 1976)."""
    _kept(game.g, False)
    _kept(game.d, False)
    for update in range(2 * step, 2 * step + 2):
        stopped = _both(game, update, share)
        _kept(game.g, True)
        _kept(game.d, True)
        if stopped != NOBODY:
            return stopped
        _move_d(game, rate, update)
        _move_g(game, rate, update)
    _average(game)
    return NOBODY


@kernel(types.UniTuple(i8, 2), game_type, i8, i8)
def play(game, start, stop):
    """The steps start, ..., stop - 1, counted from 0: (steps done when it ended, who stopped the member there)."""
    for step in range(start, stop):
        done = step / game.steps
        phase = done if game.schedule == _LINEAR else (1 - math.cos(math.pi * done)) / 2
        rate, share = 1 - game.lr_decay * phase, 1 - game.penalty_decay * phase
        if game.order == _ALTERNATING:
            stopped = _alternate(game, step, rate, share)
        elif game.order == _SIMULTANEOUS:
            stopped = _simultaneous(game, step, rate, share)
        else:
            stopped = _extragradient(game, step, rate, share)
        if stopped != NOBODY:
            return step, stopped
    return stop, NOBODY
