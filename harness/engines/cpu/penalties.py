"""D's gradient: that of its loss, and of the penalties on its slope in its input."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from harness.engines.cpu import spectral_norm
from harness.engines.cpu.bending import bend
from harness.engines.cpu.discriminator import backward_d, draw_labels, judge, read_both, where_drawn
from harness.engines.cpu.losses import FAKE, REAL, execute, slopes
from harness.engines.cpu.numeric import mlp, units
from harness.engines.cpu.numeric.jit import F4, NONE, b1, f8, game_type, i8, kernel
from harness.engines.cpu.numeric.record import double_table, doubles, float_table, floats, word_table, words
from harness.engines.cpu.numeric.rng import AROUND, SEGMENT, draw_from, draw_uniforms
from harness.engines.cpu.numeric.simd import LANES, room
from harness.engines.cpu.optimizers import squared_norm
from harness.engines.quantile_table import LEVELS
from harness.losses.penalties import Site
from harness.losses.penalties.gradient import SPREAD

_LEVELS, _SPREAD = LEVELS, SPREAD
_MOST = float(np.finfo(np.float32).max)
#: The sites in the order in which records and weights have them.
SITES = tuple(Site)
_SITES = len(SITES)
_REAL, _FAKE, _SEGMENT, _AROUND = (SITES.index(s) for s in (Site.REAL, Site.FAKE, Site.SEGMENT, Site.AROUND))


@njit(error_model="numpy")
def _deviation(game, values, first, along, across):
    """The standard deviation of all real features of the minibatch."""
    count = game.decisions * game.inputs
    mean = square = 0.0
    for k in range(game.decisions):
        for n in range(game.inputs):
            mean += values[first + n * along + k * across]
    mean /= count
    for k in range(game.decisions):
        for n in range(game.inputs):
            square += (values[first + n * along + k * across] - mean) ** 2
    return math.sqrt(square / count)


@kernel(NONE, game_type, i8, i8)
def _place(game, site, update):
    """The inputs at which a penalty looks, as columns of the site's tape."""
    decisions, inputs, tape = game.decisions, game.inputs, game.d_tape
    along, across = (tape.stride, 1) if game.rows else (1, room(inputs))
    values, first = floats(tape.values, 1), words(tape.places, 1)[0]
    out, out_first = floats(game.site.values, 1), words(game.site.places, 1)[0]
    levels, drawn = where_drawn(game)
    spread = 0.0
    if site == _SEGMENT:
        draw_uniforms(game.key0, game.key1, game.key2, SEGMENT, update, decisions, levels, drawn)
    elif site == _AROUND:
        normal = floats(game.normal, _LEVELS)
        draw_from(normal, game.key0, game.key1, game.key2, AROUND, update, decisions * inputs, levels, drawn)
        spread = _SPREAD * _deviation(game, values, first, along, across)
    for k in range(decisions):
        for n in range(inputs):
            place = first + n * along + k * across
            real, fake = values[place], values[place + decisions * across]
            x = real if site == _REAL else fake
            if site == _SEGMENT:
                x = fake + drawn[k] * (real - fake)
            elif site == _AROUND:
                x = real + np.float32(spread) * drawn[k * inputs + n]
            out[out_first + n * game.site.stride + k] = x


@kernel(NONE, game_type, i8, f8)
def _direct(game, site, share):
    """The norms of D's slope, which stands in ``features``, and at the inputs of ``along`` the direction v."""
    decisions, inputs, stride, pulls = game.decisions, game.inputs, game.site.stride, game.pulls
    slope, norms = floats(game.features, inputs * stride), floats(game.norms, _SITES * decisions)
    registers, outputs = double_table(pulls.registers, pulls.size, decisions), words(pulls.outputs, pulls.results)
    weights = double_table(game.weights, _SITES, pulls.results)
    for k in range(decisions):
        square = 0.0
        for n in range(inputs):
            square += np.float64(slope[n * stride + k]) ** 2
        registers[0, k] = math.sqrt(square)
        norms[site * decisions + k] = math.sqrt(square)
    execute(pulls, decisions)
    along, first = floats(game.along.values, 1), words(game.along.places, 1)[0]
    units.cleared(along, first, first + inputs * stride)
    for k in range(decisions):
        pull = 0.0
        for i in range(pulls.results):
            if weights[site, i] > 0 and outputs[i] >= 0:
                pull += weights[site, i] * registers[outputs[i], k]
        for n in range(inputs):
            along[first + n * stride + k] = pull * share / decisions * slope[n * stride + k]


@kernel(NONE, game_type, F4, i8, f8)
def _penalise(game, theta, site, share):
    """Add the gradient of the penalties that look at a site, whose inputs lie on the site's tape."""
    d, tape, decisions = game.d, game.site, game.decisions
    net, values, places = word_table(d.net, d.layers, 5), floats(tape.values, 1), words(tape.places, d.layers)
    stride, gradient, ones = tape.stride, floats(d.gradient, d.size), floats(game.ones, tape.stride)
    work = (floats(game.one, 1), floats(game.other, 1), floats(game.turned, 1))
    more = (floats(game.more_one, 1), floats(game.more_other, 1))
    mlp.forward(net, theta, values, places, stride, stride // LANES, floats(game.slopes, stride))
    mlp.backward(
        net, theta, values, places, stride, decisions, ones, stride, work, gradient, False, False,
        floats(game.features, 1), True,
    )  # fmt: skip
    _direct(game, site, share)
    bend(
        net, theta, values, places, stride, decisions, floats(game.along.values, 1), floats(game.pushed, 1), ones,
        work, more, gradient,
    )  # fmt: skip


@kernel(F4, game_type, b1)
def scaled(game, iterate):
    """The parameters that D computes with, after a power iteration where ``iterate``."""
    d = game.d
    theta = floats(d.theta, d.size)
    if not game.has_spectral_norm:
        return theta
    net, out = word_table(d.net, d.layers, 5), floats(game.scaled, d.size)
    left = float_table(game.left, d.layers, game.widest)
    right = float_table(game.right, d.layers, game.widest)
    if iterate:
        spectral_norm.iterate(net, theta, left, right)
    spectral_norm.scale(net, theta, left, right, game.spectral_norm, doubles(game.sigmas, d.layers), out)
    return out


@kernel(b1, game_type, i8, i8, f8)
def discriminator_gradient(game, first, update, share):
    """D's gradient at its ``update``, generated values standing in ``made`` from ``first`` on: whether it is finite."""
    d, decisions = game.d, game.decisions
    theta = scaled(game, True)
    read_both(game, first, update, share)
    logits, labels = floats(game.logits, 2 * decisions), floats(game.label_values, 2 * decisions)
    judge(game, theta, game.d_tape, 2 * decisions, logits)
    if game.has_labels:
        draw_labels(game, update)
    found = floats(game.slopes, game.slopes_size)
    total = slopes(game.loss_real, logits, decisions, labels, game.has_labels, REAL, found, 0)
    total += slopes(game.loss_fake, logits, decisions, labels, game.has_labels, FAKE, found, decisions)
    units.cleared(found, 2 * decisions, game.slopes_size)
    square = backward_d(game, theta, game.d_tape, 2 * decisions, True, False)
    # The last bias has the sum of all slopes. Where they cancel, as those of a loss of differences of logits do, Adam
    # would make a full step of what float32 leaves of them.
    net = word_table(d.net, d.layers, 5)
    floats(d.gradient, d.size)[net[d.layers - 1, 3] + net[d.layers - 1, 0]] = total
    if game.has_penalties:
        weights = double_table(game.weights, _SITES, game.pulls.results)
        for site in range(_SITES):
            looks = False
            for i in range(game.pulls.results):
                looks = looks or weights[site, i] > 0
            if looks:
                _place(game, site, update)
                _penalise(game, theta, site, share)
    if game.has_spectral_norm:
        left = float_table(game.left, d.layers, game.widest)
        right = float_table(game.right, d.layers, game.widest)
        spectral_norm.pull_back(
            word_table(d.net, d.layers, 5), floats(d.theta, d.size), left, right, game.spectral_norm,
            doubles(game.sigmas, d.layers), floats(d.gradient, d.size),
        )  # fmt: skip
    if game.has_penalties or game.has_spectral_norm or math.isnan(square):
        square = float(squared_norm(floats(d.gradient, d.size)))
    return square <= _MOST
