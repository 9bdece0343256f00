"""D in either layout, and the gradient of all that it minimises."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from harness.engines.base import HISTORY
from harness.engines.cpu import rows, spectral, units
from harness.engines.cpu.bending import bend
from harness.engines.cpu.drawing import (
    AROUND,
    LABELS,
    LATENT_D,
    LATENT_G,
    NOISE_FAKE,
    NOISE_REAL,
    REAL,
    REPLAY,
    SEGMENT,
    draw_from,
    draw_levels,
    draw_uniforms,
    uniform,
)
from harness.engines.cpu.programs import FAKE, carry_out, enter, slopes
from harness.engines.cpu.programs import REAL as REAL_LOGITS
from harness.engines.cpu.reading import read
from harness.engines.cpu.vectors import LANES
from harness.penalties.gradient import SPREAD

_HISTORY, _SPREAD = HISTORY, SPREAD
_SITE_REAL, _SITE_FAKE, _SITE_SEGMENT, _SITE_AROUND = range(4)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def generated(game, desk, theta, update_g, update_d):  # type: ignore[no-untyped-def]
    """G's values on fresh noise into ``desk.made``: first those of G's update, then those of D's, in one pass.

    Where one of them is not wanted its number is negative.
    """
    shapes, tape = game.shapes, desk.g_tape
    batch, latent = shapes.batch, shapes.latent
    column = 0
    for stream, update in ((LATENT_G, update_g), (LATENT_D, update_d)):
        if update < 0:
            continue
        draw_levels(game.key, stream, update, batch * latent, desk.levels)
        for b in range(batch):
            for z in range(latent):
                level = desk.levels[b * latent + z]
                place = tape.places[0] + z * tape.stride + column + b
                tape.values[place] = game.tables.normal[level] if shapes.normal else uniform(level)
        column += batch
    vectors = (column + LANES - 1) // LANES
    rows.forward(game.net_g, theta, tape.values, tape.places, tape.stride, vectors, desk.made)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def blurred(game, desk, stream, update, share, values):  # type: ignore[no-untyped-def]
    """desk.read = the values (B,) with the member's instance noise on them."""
    batch = game.shapes.batch
    if not game.parts.noise:
        for b in range(batch):
            desk.read[b] = values[b]
        return
    draw_from(game.tables.normal, game.key, stream, update, batch, desk.levels, desk.noise)
    spread = game.numbers.instance_noise * share
    for b in range(batch):
        desk.read[b] = values[b] + np.float32(spread * desk.noise[b])


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def replayed(game, desk, state, update, values):  # type: ignore[no-untyped-def]
    """desk.read = the values (B,), some of them replaced by old ones; then the new ones are remembered."""
    batch = game.shapes.batch
    for b in range(batch):
        desk.read[b] = values[b]
    draw_uniforms(game.key, REPLAY, update, 2 * batch, desk.levels, desk.noise)
    filled = min(update, _HISTORY)
    for b in range(batch if filled else 0):
        if desk.noise[b] < game.numbers.replay:
            slot = int(np.float64(desk.noise[batch + b]) * filled)
            desk.read[b] = state.history[slot * batch + b]
    start = update % _HISTORY * batch
    for b in range(batch):
        state.history[start + b] = values[b]


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def judge(shapes, net, theta, tape, count, out):  # type: ignore[no-untyped-def]
    """D's logits of the first ``count`` inputs on the tape."""
    if shapes.rows:
        rows.forward(net, theta, tape.values, tape.places, tape.stride, (count + LANES - 1) // LANES, out)
    else:
        units.forward(net, theta, tape.values, tape.places, count, out)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def read_into(shapes, values, tape, first, ranks):  # type: ignore[no-untyped-def]
    """The features of the values as D's inputs from number ``first`` on."""
    decisions, inputs = shapes.decisions, shapes.inputs
    if shapes.rows:
        read(shapes.form, values, decisions, inputs, tape.values, tape.places[0] + first, tape.stride, 1, ranks)
    else:
        width = units.room(inputs)
        place = tape.places[0] + first * width
        read(shapes.form, values, decisions, inputs, tape.values, place, 1, width, ranks)
        units.complete(tape.values, place, inputs, decisions)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _draw_labels(game, desk, update):  # type: ignore[no-untyped-def]
    """Random labels of the real and then of the generated decisions."""
    decisions = game.shapes.decisions
    draw_uniforms(game.key, LABELS, update, 2 * decisions, desk.levels, desk.label_draws)
    for kind, law in ((0, game.formulas.label_real), (1, game.formulas.label_fake)):
        for k in range(decisions):
            law.registers[0, k] = desk.label_draws[kind * decisions + k]
        carry_out(law.code, law.registers)
        for k in range(decisions):
            desk.labels[kind * decisions + k] = law.registers[law.outputs[0], k]


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _place(game, desk, site, update):  # type: ignore[no-untyped-def]
    """The inputs at which a penalty looks, as columns of the site's tape."""
    shapes, tape, site_tape = game.shapes, desk.d_tape, desk.site
    decisions, inputs = shapes.decisions, shapes.inputs
    width = units.room(inputs)
    along, across = (tape.stride, 1) if shapes.rows else (1, width)
    if site == _SITE_SEGMENT:
        draw_uniforms(game.key, SEGMENT, update, decisions, desk.levels, desk.noise)
    if site == _SITE_AROUND:
        draw_from(game.tables.normal, game.key, AROUND, update, decisions * inputs, desk.levels, desk.noise)
        mean = square = 0.0
        for k in range(decisions):
            for n in range(inputs):
                mean += tape.values[tape.places[0] + n * along + k * across]
        mean /= decisions * inputs
        for k in range(decisions):
            for n in range(inputs):
                square += (tape.values[tape.places[0] + n * along + k * across] - mean) ** 2
        spread = np.float32(_SPREAD * math.sqrt(square / (decisions * inputs)))
    else:
        spread = np.float32(0)
    for k in range(decisions):
        for n in range(inputs):
            place = tape.places[0] + n * along + k * across
            real, fake = tape.values[place], tape.values[place + decisions * across]
            if site == _SITE_REAL:
                x = real
            elif site == _SITE_FAKE:
                x = fake
            elif site == _SITE_SEGMENT:
                x = fake + desk.noise[k] * (real - fake)
            else:
                x = real + spread * desk.noise[k * inputs + n]
            site_tape.values[site_tape.places[0] + n * site_tape.stride + k] = x


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _penalise(game, desk, theta, net, site, share):  # type: ignore[no-untyped-def]
    """Add the gradient of the penalties that look at a site, whose inputs lie on the site's tape."""
    decisions, inputs = game.shapes.decisions, game.shapes.inputs
    tape, along, pulls = desk.site, desk.along, game.formulas.pulls
    stride = tape.stride
    vectors = stride // LANES
    rows.forward(net, theta, tape.values, tape.places, stride, vectors, desk.slopes)
    rows.backward(
        net, theta, tape.values, tape.places, stride, decisions, desk.ones, stride, desk.work, desk.gradient_d, False,
        False, desk.features, True,
    )  # fmt: skip
    for k in range(decisions):
        square = 0.0
        for n in range(inputs):
            square += np.float64(desk.features[n * stride + k]) ** 2
        pulls.registers[0, k] = math.sqrt(square)
        desk.norms[site * decisions + k] = np.float32(math.sqrt(square))
    carry_out(pulls.code, pulls.registers)
    first = along.places[0]
    along.values[first : first + inputs * stride] = 0
    for k in range(decisions):
        pull = 0.0
        for i in range(len(pulls.outputs)):
            if game.formulas.weights[site, i] > 0 and pulls.outputs[i] >= 0:
                pull += game.formulas.weights[site, i] * pulls.registers[pulls.outputs[i], k]
        for n in range(inputs):
            along.values[first + n * stride + k] = np.float32(pull * share / decisions * desk.features[n * stride + k])
    bend(
        net, theta, tape.values, tape.places, stride, decisions, along.values, desk.pushed, desk.ones, desk.work,
        desk.more, desk.gradient_d,
    )  # fmt: skip


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _read_both(game, desk, state, fresh, update, share):  # type: ignore[no-untyped-def]
    """D's inputs of an update: the features of the real values, and of the ``fresh`` generated ones (B,)."""
    batch, tables, tape = game.shapes.batch, game.tables, desk.d_tape
    if len(tables.target):
        draw_from(tables.target, game.key, REAL, update, batch, desk.levels, desk.noise)
        for b in range(batch):
            desk.real[b] = desk.noise[b]
    else:
        for b in range(batch):
            desk.real[b] = tables.given[(update - tables.given_from) * batch + b]
    for b in range(batch):
        desk.fake[b] = fresh[b]
    values = desk.fake
    if game.parts.replay:
        replayed(game, desk, state, update, desk.fake)
        values = desk.read
    blurred(game, desk, NOISE_FAKE, update, share, values)
    read_into(game.shapes, desk.read[:batch], tape, game.shapes.decisions, desk.ranks)
    blurred(game, desk, NOISE_REAL, update, share, desk.real)
    read_into(game.shapes, desk.read[:batch], tape, 0, desk.ranks)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def discriminator_gradient(game, desk, state, fresh, update, share):  # type: ignore[no-untyped-def]
    """D's gradient at its ``update`` into ``desk.gradient_d``; its ``fresh`` generated values (B,) are made already."""
    shapes, parts, numbers, formulas = game.shapes, game.parts, game.numbers, game.formulas
    decisions, tape, net, theta = shapes.decisions, desk.d_tape, game.net_d, state.d.theta
    if parts.spectral:
        spectral.iterate(net, theta, state.left, state.right)
        spectral.scale(net, theta, state.left, state.right, numbers.spectral_norm, desk.sigmas, desk.scaled)
        theta = desk.scaled
    _read_both(game, desk, state, fresh, update, share)
    judge(shapes, net, theta, tape, 2 * decisions, desk.logits)
    if parts.labels:
        _draw_labels(game, desk, update)
    for loss, like, start in ((formulas.real, REAL_LOGITS, 0), (formulas.fake, FAKE, decisions)):
        enter(loss, desk.logits, decisions, desk.labels)
        slopes(loss, like, desk.slopes, start)
    desk.slopes[2 * decisions :] = 0
    backward_d(game, desk, theta, tape, 2 * decisions, True, desk.features, False)
    if parts.penalties:
        for site in range(4):
            if formulas.weights[site].max() > 0:
                _place(game, desk, site, update)
                _penalise(game, desk, theta, net, site, share)
    if parts.spectral:
        spectral.pull_back(
            net, state.d.theta, state.left, state.right, numbers.spectral_norm, desk.sigmas, desk.gradient_d
        )


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def backward_d(game, desk, theta, tape, count, wants, out, reaches):  # type: ignore[no-untyped-def]
    """From ``desk.slopes`` of D's logits to its gradient where ``wants``, to its inputs' slopes where ``reaches``."""
    net = game.net_d
    if game.shapes.rows:
        wide = (count + LANES - 1) // LANES * LANES
        rows.backward(
            net, theta, tape.values, tape.places, tape.stride, count, desk.slopes, wide, desk.work, desk.gradient_d,
            wants, False, out, reaches,
        )  # fmt: skip
    else:
        units.backward(
            net, theta, tape.values, tape.places, count, desk.slopes, desk.work, desk.gradient_d, wants, False, out,
            reaches,
        )  # fmt: skip
