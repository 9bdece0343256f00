"""Floating-point operations of one training step, from the widths of the networks; a multiply-add counts as two.

Only matrix products count, and only those that a step needs: no gradient of G's input, none of D's weights in G's
update. Activations, the optimiser and random numbers come on top, so the floor that follows is a floor.
"""

from __future__ import annotations

import itertools

from harness.data.mlp import Mlp
from harness.members import Group


def forward(network: Mlp, rows: int) -> int:
    """Outputs of ``rows`` inputs."""
    return sum(2 * rows * a * b for a, b in itertools.pairwise(network.widths))


def backward_parameters(network: Mlp, rows: int) -> int:
    """From the slopes at the outputs to the gradient of every weight: each layer's, and what reaches the layers below.

    The gradient of a weight costs as much as the layer itself; so does the gradient of a layer's inputs, which the
    first layer need not have.
    """
    below = Mlp(network.widths[1:], network.activations[1:])
    return forward(network, rows) + forward(below, rows)


def backward_inputs(network: Mlp, rows: int) -> int:
    """From the slopes at the outputs to the gradient of the network's inputs alone."""
    return forward(network, rows)


def step(group: Group) -> int:
    """One alternating step of one member: D's update, then G's.

    D: D(real), G, D(fake), and the gradient of D's weights twice. G: G, D, back through D to its inputs, and through G.
    """
    batch, decisions = group.shape.batch, group.view.decisions(group.shape.batch)
    g, d = group.generator, group.discriminator
    d_update = forward(g, batch) + 2 * forward(d, decisions) + 2 * backward_parameters(d, decisions)
    g_update = forward(g, batch) + forward(d, decisions) + backward_inputs(d, decisions) + backward_parameters(g, batch)
    return d_update + g_update
