"""The training loop of one member: G's gradient, the moves, and the orders in which they follow each other."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from harness.engines.cpu import rows, spectral
from harness.engines.cpu.drawing import NOISE_G
from harness.engines.cpu.judging import backward_d, blurred, discriminator_gradient, generated, judge, read_into
from harness.engines.cpu.moving import average, clip, move, squared_norm
from harness.engines.cpu.programs import FAKE, enter, slopes
from harness.engines.cpu.reading import pulled
from harness.engines.cpu.units import room
from harness.engines.cpu.vectors import LANES

_ALTERNATING, _SIMULTANEOUS, _EXTRAGRADIENT = range(3)
_LINEAR = 0

#: Who stopped: nobody, or the player whose gradient is not finite.
NOBODY, D, G = range(3)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def generator_gradient(game, desk, state, update, share):  # type: ignore[no-untyped-def]
    """G's gradient at its ``update`` into ``desk.gradient_g``; its values are the first of ``desk.made``."""
    shapes, formulas, tape = game.shapes, game.formulas, desk.judged
    batch, decisions, inputs, theta = shapes.batch, shapes.decisions, shapes.inputs, state.d.theta
    if game.parts.spectral:
        bound = game.numbers.spectral_norm
        spectral.scale(game.net_d, theta, state.left, state.right, bound, desk.sigmas, desk.scaled)
        theta = desk.scaled
    blurred(game, desk, NOISE_G, update, share, desk.made)
    read_into(shapes, desk.read[:batch], tape, 0, desk.ranks)
    if game.parts.pairs:
        judge(shapes, game.net_d, theta, desk.d_tape, decisions, desk.judged_logits)
    judge(shapes, game.net_d, theta, tape, decisions, desk.judged_logits[decisions:])
    enter(formulas.generator, desk.judged_logits, decisions, desk.no_labels)
    slopes(formulas.generator, FAKE, desk.slopes, 0)
    desk.slopes[decisions:] = 0
    backward_d(game, desk, theta, tape, decisions, False, desk.features, True)
    if shapes.rows:
        along, across = (decisions + LANES - 1) // LANES * LANES, 1
    else:
        along, across = 1, room(inputs)
    pulled(shapes.form, desk.read[:batch], decisions, desk.features, 0, along, across, desk.ranks, desk.slopes)
    wide = (batch + LANES - 1) // LANES * LANES
    desk.slopes[batch:wide] = 0
    rows.backward(
        game.net_g, state.g.theta, desk.g_tape.values, desk.g_tape.places, desk.g_tape.stride, batch, desk.slopes, wide,
        desk.work, desk.gradient_g, True, False, desk.features, False,
    )  # fmt: skip


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _finite(gradient):  # type: ignore[no-untyped-def]
    return math.isfinite(squared_norm(gradient))


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _move_d(game, desk, state, update, share):  # type: ignore[no-untyped-def]
    d, numbers = state.d, game.numbers
    move(
        game.shapes.optimizer, d.theta, desk.gradient_d, d.moment, d.square, d.previous, numbers.lr_d * share,
        numbers.beta1, numbers.beta2, update + 1,
    )  # fmt: skip
    if numbers.weight_clip > 0:
        clip(d.theta, numbers.weight_clip)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _move_g(game, desk, state, update, share):  # type: ignore[no-untyped-def]
    g, numbers = state.g, game.numbers
    move(
        game.shapes.optimizer, g.theta, desk.gradient_g, g.moment, g.square, g.previous, numbers.lr_g * share,
        numbers.beta1, numbers.beta2, update + 1,
    )  # fmt: skip


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _average(game, state):  # type: ignore[no-untyped-def]
    average(state.average, state.g.theta, 1 - game.numbers.ema)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _alternate(game, desk, state, step, rate, share):  # type: ignore[no-untyped-def]
    """D's updates, then G's. G stands still until its first, whose values are made with those of D's last."""
    shapes = game.shapes
    batch, d_steps, g_steps = shapes.batch, shapes.d_steps, shapes.g_steps
    for j in range(d_steps):
        update = step * d_steps + j
        last = j == d_steps - 1
        generated(game, desk, state.g.theta, step * g_steps if last else -1, update)
        fresh = desk.made[batch : 2 * batch] if last else desk.made[:batch]
        discriminator_gradient(game, desk, state, fresh, update, share)
        if not _finite(desk.gradient_d):
            return D
        _move_d(game, desk, state, update, rate)
    for j in range(g_steps):
        update = step * g_steps + j
        if j > 0:
            generated(game, desk, state.g.theta, update, -1)
        generator_gradient(game, desk, state, update, share)
        if not _finite(desk.gradient_g):
            return G
        _move_g(game, desk, state, update, rate)
        _average(game, state)
    return NOBODY


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _both(game, desk, state, update, share):  # type: ignore[no-untyped-def]
    """Both gradients at the players as they stand; who has none that is finite."""
    batch = game.shapes.batch
    generated(game, desk, state.g.theta, update, update)
    discriminator_gradient(game, desk, state, desk.made[batch : 2 * batch], update, share)
    generator_gradient(game, desk, state, update, share)
    if not _finite(desk.gradient_d):
        return D
    return NOBODY if _finite(desk.gradient_g) else G


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _simultaneous(game, desk, state, step, rate, share):  # type: ignore[no-untyped-def]
    """Both players move from one point."""
    stopped = _both(game, desk, state, step, share)
    if stopped == NOBODY:
        _move_d(game, desk, state, step, rate)
        _move_g(game, desk, state, step, rate)
        _average(game, state)
    return stopped


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _extragradient(game, desk, state, step, rate, share):  # type: ignore[no-untyped-def]
    """Both look ahead, and step from where they were by the gradients found there (Korpelevich 1976)."""
    saved_g, saved_d = desk.saved
    saved_g[:], saved_d[:] = state.g.theta, state.d.theta
    for update in range(2 * step, 2 * step + 2):
        stopped = _both(game, desk, state, update, share)
        state.g.theta[:], state.d.theta[:] = saved_g, saved_d
        if stopped != NOBODY:
            return stopped
        _move_d(game, desk, state, update, rate)
        _move_g(game, desk, state, update, rate)
    _average(game, state)
    return NOBODY


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _left(schedule, decay, done):  # type: ignore[no-untyped-def]
    """What is left, at this share of the training, of something that loses the share ``decay`` over all of it."""
    phase = done if schedule == _LINEAR else (1 - math.cos(math.pi * done)) / 2
    return 1 - decay * phase


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def play(game, desk, state, start, stop):  # type: ignore[no-untyped-def]
    """The steps start, ..., stop - 1, counted from 0: (steps done when it ended, who stopped the member there)."""
    shapes, numbers = game.shapes, game.numbers
    for step in range(start, stop):
        done = step / shapes.steps
        rate = _left(shapes.schedule, numbers.lr_decay, done)
        share = _left(shapes.schedule, numbers.penalty_decay, done)
        if shapes.order == _ALTERNATING:
            stopped = _alternate(game, desk, state, step, rate, share)
        elif shapes.order == _SIMULTANEOUS:
            stopped = _simultaneous(game, desk, state, step, rate, share)
        else:
            stopped = _extragradient(game, desk, state, step, rate, share)
        if stopped != NOBODY:
            return step, stopped
    return stop, NOBODY
