"""Parts of both players' updates: G's values, D's inputs and logits, labels, and gradients through D.

Every function takes the run record and reads and writes its arrays (numeric/record.py). B values a minibatch, K
decisions on it; D's own update has 2 K columns or rows, real ones first.
"""

from __future__ import annotations

import math

from harness.engines.base import REPLAY_BUFFER
from harness.engines.cpu.losses import execute
from harness.engines.cpu.numeric import batch_major, feature_major
from harness.engines.cpu.numeric.jit import F4, NONE, activations_type, f8, helper, i8, kernel, program_type, run_type
from harness.engines.cpu.numeric.mlp import WEIGHTS, Gradient, activations_of, scratch_of, weights_of
from harness.engines.cpu.numeric.record import double_table, floats, words, words32
from harness.engines.cpu.numeric.rng import (
    LABELS,
    LATENT_D,
    LATENT_G,
    NOISE_FAKE,
    NOISE_REAL,
    REAL,
    REPLAY,
    draw_at,
    draw_from,
    draw_levels,
    draw_uniforms,
    uniform,
)
from harness.engines.cpu.numeric.simd import LANES, padded, row_length
from harness.engines.cpu.numeric.views import FeatureGrid, Ranks, compute_features
from harness.engines.quantile_table import LEVELS

_REPLAY_BUFFER, _LEVELS = REPLAY_BUFFER, LEVELS


@helper
def random_buffers(run):
    """Scratch for draws: levels (int32), and values (float32)."""
    count = 4 + max(max(run.batch * run.latent, 2 * run.batch), run.decisions * max(run.inputs, 2))
    return words32(run.random_levels, count), floats(run.random_values, count)


# -- values --------------------------------------------------------------------------------------------------------


@kernel(NONE, run_type, i8, i8)
def generate(run, update_g, update_d):
    """Put G's values on fresh noise into ``generated``: those of G's update, then those of D's, in one pass.

    A negative update number leaves that half out.
    """
    batch, latent, activations = run.batch, run.latent, activations_of(run.g_activations, run.g)
    levels, _ = random_buffers(run)
    normal = floats(run.normal_table, _LEVELS)
    # One pass of 2 B columns costs less than two of B: more of the tiles are whole, and weights are loaded once.
    column = 0
    for stream, update in ((LATENT_G, update_g), (LATENT_D, update_d)):
        if update < 0:
            continue
        draw_levels(draw_at(run, stream, update), batch * latent, levels)
        # Draw b Z + z is number z of value b: a column of the inputs (Z, 2 B).
        for b in range(batch):
            for z in range(latent):
                level = levels[b * latent + z]
                at = activations.offsets[0] + z * activations.stride + column + b
                activations.values[at] = normal[level] if run.normal_latent else uniform(level)
        column += batch
    out = floats(run.generated, padded(2 * batch))
    feature_major.forward(weights_of(run.g, run.g.theta), activations, padded(column) // LANES, out)


@kernel(NONE, run_type, i8, i8, f8, F4)
def add_instance_noise(run, stream, update, factor, values):
    """viewed = values (B,) + noise of the member's size times ``factor``."""
    batch = run.batch
    out = floats(run.viewed, batch)  # may be ``values`` itself
    if not run.has_instance_noise:
        for b in range(batch):
            out[b] = values[b]
        return
    levels, noise = random_buffers(run)
    draw_from(floats(run.normal_table, _LEVELS), draw_at(run, stream, update), batch, levels, noise)
    for b in range(batch):
        out[b] = values[b] + run.instance_noise * factor * noise[b]


@kernel(NONE, run_type, i8, F4)
def _replay(run, update, values):
    """viewed = values (B,), a share of them replaced by old ones; then the new ones enter the buffer."""
    batch = run.batch
    out, buffer = floats(run.viewed, batch), floats(run.replay_buffer, _REPLAY_BUFFER * batch)
    levels, drawn = random_buffers(run)
    draw_uniforms(draw_at(run, REPLAY, update), 2 * batch, levels, drawn)
    # The first B draws say whether a value is replaced, the others by that of which past update.
    filled = min(update, _REPLAY_BUFFER)  # rows of the buffer that hold values
    for b in range(batch):
        out[b] = values[b]
        if filled and drawn[b] < run.replay:
            out[b] = buffer[int(drawn[batch + b] * float(filled)) * batch + b]
    start = update % _REPLAY_BUFFER * batch  # the oldest row
    for b in range(batch):
        buffer[start + b] = values[b]


@helper
def _read_real(run, update):
    """Put the real values of an update into ``real``: by table, or as they were drawn before the loop."""
    batch, real = run.batch, floats(run.real, run.batch)
    if run.target_table:
        levels, _ = random_buffers(run)
        draw_from(floats(run.target_table, _LEVELS), draw_at(run, REAL, update), batch, levels, real)
    else:
        row = update - run.real_values_from  # of values drawn for the steps of this call
        drawn = floats(run.real_values, (row + 1) * batch)
        for b in range(batch):
            real[b] = drawn[row * batch + b]


# -- D's inputs and logits -----------------------------------------------------------------------------------------


@helper
def input_grid(run, values, start, stride):
    """K decisions' inputs from ``start`` on, in D's layout; feature-major their features are ``stride`` apart."""
    if run.feature_major:
        return FeatureGrid(values, start, stride, 1, run.decisions)
    return FeatureGrid(values, start, 1, row_length(run.inputs), run.decisions)


@kernel(NONE, run_type, activations_type, i8)
def view_into(run, record, first):
    """Make the features of ``viewed`` D's inputs from decision ``first`` on."""
    batch, activations = run.batch, activations_of(record, run.d)
    start = activations.offsets[0] + first * (1 if run.feature_major else row_length(run.inputs))
    grid = input_grid(run, activations.values, start, activations.stride)
    ranks = Ranks(words(run.ranks, batch), words(run.ranks_scratch, batch))
    compute_features(run.form, floats(run.viewed, batch), grid, ranks)
    if not run.feature_major:
        batch_major.complete_rows(activations.values, start, run.inputs, run.decisions)


@kernel(NONE, run_type, i8, i8, f8)
def read_minibatches(run, first, update, factor):
    """Make D's inputs for an update: real values, and the generated ones from ``first`` on; noise times ``factor``."""
    batch = run.batch
    real, fake, generated = floats(run.real, batch), floats(run.fake, batch), floats(run.generated, 2 * batch)
    _read_real(run, update)
    for b in range(batch):
        fake[b] = generated[first + b]
    # ``viewed`` and ``ranks`` are overwritten: D's update needs no slopes in the values.
    if run.has_replay:
        _replay(run, update, fake)
        add_instance_noise(run, NOISE_FAKE, update, factor, floats(run.viewed, batch))
    else:
        add_instance_noise(run, NOISE_FAKE, update, factor, fake)
    view_into(run, run.d_activations, run.decisions)
    add_instance_noise(run, NOISE_REAL, update, factor, real)
    view_into(run, run.d_activations, 0)


@kernel(NONE, run_type, WEIGHTS, activations_type, F4)
def evaluate(run, weights, record, out):
    """D's logits of the first inputs among the activations, as many as ``out`` has."""
    activations = activations_of(record, run.d)
    if run.feature_major:
        feature_major.forward(weights, activations, padded(len(out)) // LANES, out)
    else:
        batch_major.forward(weights, activations, out)


# -- labels --------------------------------------------------------------------------------------------------------


@kernel(NONE, run_type, program_type, i8)
def _labels_from(run, program, start):
    """Labels (K,) of one kind, from the draws from ``start`` on."""
    decisions = run.decisions
    draws, labels = floats(run.label_draws, 2 * decisions), floats(run.labels, 2 * decisions)
    # A law's one input, the uniform, is register 0.
    registers, outputs = double_table(program.registers, program.register_count, decisions), words(program.outputs, 1)
    for k in range(decisions):
        registers[0, k] = draws[start + k]
    execute(program, decisions)
    for k in range(decisions):
        labels[start + k] = registers[outputs[0], k]


@kernel(NONE, run_type, i8)
def draw_labels(run, update):
    """Draw the random labels of the real decisions and of the fake ones."""
    decisions = run.decisions
    levels, drawn = random_buffers(run)
    draw_uniforms(draw_at(run, LABELS, update), 2 * decisions, levels, drawn)
    draws = floats(run.label_draws, 2 * decisions)  # kept for the snapshot
    for k in range(2 * decisions):
        draws[k] = drawn[k]
    _labels_from(run, run.label_real, 0)
    _labels_from(run, run.label_fake, decisions)


# -- backward through D --------------------------------------------------------------------------------------------


@kernel(f8, run_type, WEIGHTS, F4)
def backward_to_weights(run, weights, slopes):
    """D's gradient from the slopes (2 K,) of its logits, which are 0 behind; returns its squared norm, or nan.

    Batch-major the norm is known from the gradient's factors; feature-major it is not.
    """
    activations, gradient = activations_of(run.d_activations, run.d), floats(run.d.gradient, run.d.size)
    if run.feature_major:
        feature_major.gradient(weights, activations, slopes, scratch_of(run), gradient)
        return math.nan
    first_delta = floats(run.first_delta, 1 if run.factored else 0)
    return batch_major.gradient(weights, activations, slopes, scratch_of(run), Gradient(gradient, first_delta))


@kernel(NONE, run_type, WEIGHTS, F4)
def backward_to_inputs(run, weights, slopes):
    """Put the slopes in D's inputs of G's update into ``input_slopes``, from those (K,) of its logits."""
    activations = activations_of(run.dg_activations, run.d)
    out = floats(run.input_slopes, 1)
    if run.feature_major:
        feature_major.input_slopes(weights, activations, slopes, scratch_of(run), out)
    else:
        batch_major.input_slopes(weights, activations, slopes, scratch_of(run), out)
