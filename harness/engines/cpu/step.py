"""A training step: the gradients of both players, their updates, and the orders in which these follow each other."""

from __future__ import annotations

import math

import numpy as np

from harness.engines.cpu import spectral_norm
from harness.engines.cpu.discriminator import (
    add_instance_noise,
    backward_to_inputs,
    backward_to_weights,
    draw_labels,
    evaluate,
    generate,
    input_grid,
    read_minibatches,
    view_into,
)
from harness.engines.cpu.losses import FAKE, REAL, loss_slopes
from harness.engines.cpu.numeric import feature_major
from harness.engines.cpu.numeric.jit import I4, NONE, b1, f8, helper, i8, kernel, player_type, run_at, run_type
from harness.engines.cpu.numeric.matmul import Rows
from harness.engines.cpu.numeric.mlp import INPUTS, START, WEIGHTS, activations_of, scratch_of, weights_of
from harness.engines.cpu.numeric.record import doubles, floats, word_table, words
from harness.engines.cpu.numeric.rng import NOISE_G
from harness.engines.cpu.numeric.simd import clear, copy, padded, row_length
from harness.engines.cpu.numeric.views import Ranks, value_slopes
from harness.engines.cpu.optimizers import (
    Rates,
    clip,
    squared_norm,
    update_average,
    update_factored,
    update_parameters,
)
from harness.engines.cpu.penalties import add_penalties

#: Identifiers of each order and schedule, by the names of ``config.Shape``.
ORDER_IDS = {"alternating": 0, "simultaneous": 1, "extragradient": 2}
SCHEDULE_IDS = {"linear": 0, "cosine": 1}
_ALTERNATING, _SIMULTANEOUS, _EXTRAGRADIENT = range(3)
_LINEAR = 0

_MOST = float(np.finfo(np.float32).max)

#: The player whose gradient was not finite.
STOPPED_BY_NOBODY, STOPPED_BY_D, STOPPED_BY_G = range(3)


# -- gradients ---------------------------------------------------------------------------------------------------------


@kernel(WEIGHTS, run_type, b1)
def effective_weights(run, iterate):
    """D's weights as it computes with them: scaled under spectral norm, after a power iteration if ``iterate``."""
    weights = weights_of(run.d, run.d.theta)
    if not run.has_spectral_norm:
        return weights
    vectors, scaled = spectral_norm.vectors_of(run), weights_of(run.d, run.scaled_theta)
    # One iteration an update of D, as in Miyato et al.; G's update takes the vectors as D's left them.
    if iterate:
        spectral_norm.iterate(weights, vectors)
    spectral_norm.scale(weights, vectors, run.spectral_norm, doubles(run.sigmas, run.d.depth), scaled.theta)
    return scaled


@kernel(f8, run_type, WEIGHTS, i8)
def _loss_gradient(run, weights, update):
    """D's gradient without penalties; returns its squared norm, nan where that is not known from factors."""
    d, decisions = run.d, run.decisions
    logits = floats(run.logits, 2 * decisions)
    evaluate(run, weights, run.d_activations, logits)
    if run.has_labels:
        draw_labels(run, update)
    labels = floats(run.labels, 2 * decisions if run.has_labels else 0)
    slopes = floats(run.output_slopes, run.output_slopes_size)
    total = loss_slopes(run.loss_real, logits, labels, REAL, slopes)
    total += loss_slopes(run.loss_fake, logits, labels, FAKE, slopes[decisions:])
    clear(slopes, 2 * decisions, run.output_slopes_size)  # columns of padding
    square = backward_to_weights(run, weights, slopes[: 2 * decisions])
    # The last bias has the sum of all slopes. Where they cancel, as in every loss of differences of logits, Adam would
    # make a whole step of what rounding in float32 leaves of them: so the float64 sum takes its place.
    start, inputs = weights.layers[d.depth - 1, START], weights.layers[d.depth - 1, INPUTS]
    floats(d.gradient, d.size)[start + inputs] = total
    return square


@kernel(b1, run_type, i8, i8, f8)
def discriminator_gradient(run, first, update, factor):
    """D's gradient on the generated values from ``first`` on; returns whether it is finite.

    ``factor`` is what the decay leaves of penalties and instance noise.
    """
    d = run.d
    weights = effective_weights(run, True)
    read_minibatches(run, first, update, factor)
    square = _loss_gradient(run, weights, update)
    gradient = floats(d.gradient, d.size)
    if run.has_penalties:
        add_penalties(run, weights, update, factor)
    if run.has_spectral_norm:
        raw, vectors = weights_of(d, d.theta), spectral_norm.vectors_of(run)
        spectral_norm.scale_gradient(raw, vectors, run.spectral_norm, doubles(run.sigmas, d.depth), gradient)
    # The norm from the factors is that of the loss's gradient alone.
    if run.has_penalties or run.has_spectral_norm or math.isnan(square):
        square = float(squared_norm(gradient))
    return square <= _MOST


@kernel(b1, run_type, i8, f8)
def generator_gradient(run, update, factor):
    """G's gradient on the first B of ``generated``; returns whether it is finite.

    ``factor`` is what the decay leaves of the instance noise.
    """
    batch, decisions, g = run.batch, run.decisions, run.g
    weights = effective_weights(run, False)
    add_instance_noise(run, NOISE_G, update, factor, floats(run.generated, batch))
    view_into(run, run.dg_activations, 0)
    logits, slopes = floats(run.logits_g, 2 * decisions), floats(run.output_slopes, run.output_slopes_size)
    if run.has_pairs:
        # Real decisions are evaluated anew: D has been updated since its own logits.
        evaluate(run, weights, run.d_activations, logits[:decisions])
    evaluate(run, weights, run.dg_activations, logits[decisions:])
    loss_slopes(run.loss_g, logits, floats(run.labels, 0), FAKE, slopes)
    clear(slopes, decisions, run.output_slopes_size)
    backward_to_inputs(run, weights, slopes[:decisions])
    # From D's inputs back through the view to the generated values, whose slopes then are G's output slopes.
    grid = input_grid(run, floats(run.input_slopes, 1), 0, padded(decisions))
    ranks = Ranks(words(run.ranks, batch), words(run.ranks_scratch, batch))
    value_slopes(run.form, floats(run.viewed, batch), grid, ranks, slopes)
    clear(slopes, batch, padded(batch))
    activations, gradient = activations_of(run.g_activations, g), floats(g.gradient, g.size)
    feature_major.gradient(weights_of(g, g.theta), activations, slopes[:batch], scratch_of(run), gradient)
    return math.isfinite(squared_norm(gradient))


# -- updates -------------------------------------------------------------------------------------------------------


@helper
def _update_d(run, rate_factor, update):
    d, first = run.d, 0
    rates = Rates(run.lr_d * rate_factor, run.beta1, run.beta2, update + 1)
    if run.factored:
        # The first layer from its factors, the layers above from their stored gradient.
        layers = word_table(d.layers, d.depth, 5)
        first = layers[1, START]
        activations = activations_of(run.d_activations, d)
        h = Rows(activations.values, activations.offsets[0], row_length(layers[0, INPUTS]))
        update_factored(d, h, floats(run.first_delta, 1), rates)
    update_parameters(run.optimizer, d, first, rates)
    if run.weight_clip > 0:
        clip(floats(d.theta, d.size), run.weight_clip)


@helper
def _update_g(run, rate_factor, update):
    update_parameters(run.optimizer, run.g, 0, Rates(run.lr_g * rate_factor, run.beta1, run.beta2, update + 1))


@helper
def _update_average(run):
    if run.ema > 0:
        update_average(floats(run.average, run.g.size), floats(run.g.theta, run.g.size), 1 - run.ema)


@kernel(NONE, player_type)
def _save(player):
    copy(floats(player.saved, player.size), floats(player.theta, player.size))


@kernel(NONE, player_type)
def _restore(player):
    copy(floats(player.theta, player.size), floats(player.saved, player.size))


# -- orders --------------------------------------------------------------------------------------------------------


@kernel(i8, run_type, i8, f8, f8)
def _alternating_step(run, step, rate_factor, factor):
    """D's updates, then G's."""
    d_steps, g_steps = run.d_steps, run.g_steps
    for j in range(d_steps):
        update = step * d_steps + j
        # G stands still until its first update, so its values for that are made in one pass with those of D's last.
        last = j == d_steps - 1
        generate(run, step * g_steps if last else -1, update)
        if not discriminator_gradient(run, run.batch if last else 0, update, factor):
            return STOPPED_BY_D
        _update_d(run, rate_factor, update)
    for j in range(g_steps):
        update = step * g_steps + j
        if j > 0:
            generate(run, update, -1)
        if not generator_gradient(run, update, factor):
            return STOPPED_BY_G
        _update_g(run, rate_factor, update)
        _update_average(run)
    return STOPPED_BY_NOBODY


@kernel(i8, run_type, i8, f8)
def _both_gradients(run, update, factor):
    """Gradients of both players where they stand; returns whose is not finite."""
    generate(run, update, update)
    finite_d = discriminator_gradient(run, run.batch, update, factor)
    finite_g = generator_gradient(run, update, factor)
    if not finite_d:
        return STOPPED_BY_D
    return STOPPED_BY_NOBODY if finite_g else STOPPED_BY_G


@kernel(i8, run_type, i8, f8, f8)
def _simultaneous_step(run, step, rate_factor, factor):
    """Both players move from one point."""
    stopped_by = _both_gradients(run, step, factor)
    if stopped_by == STOPPED_BY_NOBODY:
        _update_d(run, rate_factor, step)
        _update_g(run, rate_factor, step)
        _update_average(run)
    return stopped_by


@kernel(i8, run_type, i8, f8, f8)
def _extragradient_step(run, step, rate_factor, factor):
    """Both look ahead, and step from where they were by the gradients found there (Korpelevich 1976)."""
    _save(run.g)
    _save(run.d)
    # The first update looks ahead; the second goes from the saved parameters, so its gradients decide. Optimizers see
    # two updates a step.
    for update in range(2 * step, 2 * step + 2):
        stopped_by = _both_gradients(run, update, factor)
        _restore(run.g)
        _restore(run.d)
        if stopped_by != STOPPED_BY_NOBODY:
            return stopped_by
        _update_d(run, rate_factor, update)
        _update_g(run, rate_factor, update)
    _update_average(run)
    return STOPPED_BY_NOBODY


@kernel(NONE, i8, i8, i8, I4)
def train_steps(record, start, stop, ended):
    """Train the run record at an address from ``start`` steps done to ``stop``.

    ended = (steps done, who stopped the member in the step after them).
    """
    run = run_at(record)
    for step in range(start, stop):
        done = step / run.steps
        phase = done if run.schedule == _LINEAR else (1 - math.cos(math.pi * done)) / 2
        rate_factor, factor = 1 - run.lr_decay * phase, 1 - run.penalty_decay * phase
        if run.order == _ALTERNATING:
            stopped_by = _alternating_step(run, step, rate_factor, factor)
        elif run.order == _SIMULTANEOUS:
            stopped_by = _simultaneous_step(run, step, rate_factor, factor)
        else:
            stopped_by = _extragradient_step(run, step, rate_factor, factor)
        if stopped_by != STOPPED_BY_NOBODY:
            ended[0], ended[1] = step, stopped_by
            return
    ended[0], ended[1] = stop, STOPPED_BY_NOBODY
