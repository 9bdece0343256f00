"""How the Dirac-GAN is played: orders of updates, momentum, optimism, the clip. The game itself is in ``dirac.py``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.dirac.game import STATE, STEP, Game, Rules

State = tuple[float, float, float]
START: State = (1.0, 0.0, 0.0)
#: Steps of a run: 2,000 units of time, some 160 rotations of the cross-entropy game.
STEPS = 20_000


def play(
    game: Game, rules: Rules | None = None, *, start: State = START, steps: int = STEPS, step: float = STEP
) -> np.ndarray:
    """The states (steps + 1, 3) of a run, the start first; NaN from where a number leaves what float64 can hold."""
    rules = rules or Rules()
    substeps = rules.substeps
    path = np.full((steps + 1, 3), np.nan)
    path[0] = state = start
    turn = _turn(game, rules, step / substeps)
    try:
        for n in range(1, steps + 1):
            for _ in range(substeps):
                state = turn(state)
            path[n] = state
    except (ArithmeticError, ValueError):
        pass  # math.log of 0, an overflow, a division by 0: the rest stays NaN
    return path


def _turn(game: Game, rules: Rules, step: float) -> Callable[[State], State]:
    """One step of the game from a state to the next."""
    generator, discriminator = game.descend_generator, game.descend_discriminator
    for_theta, for_psi, for_bias = (_mover(rules, step) for _ in STATE)

    def alternating(state: State) -> State:
        at, weight, offset = state
        for _ in range(rules.d_steps):
            in_psi, in_bias = discriminator(at, weight, offset)
            weight, offset = bounded(weight - for_psi(in_psi)), bounded(offset - for_bias(in_bias))
        for _ in range(rules.g_steps):
            (in_theta,) = generator(at, weight, offset)
            at -= for_theta(in_theta)
        return at, weight, offset

    def simultaneous(state: State, found_at: State | None = None) -> State:
        at, weight, offset = state
        found_at = found_at or state
        (in_theta,), (in_psi, in_bias) = generator(*found_at), discriminator(*found_at)
        return at - for_theta(in_theta), bounded(weight - for_psi(in_psi)), bounded(offset - for_bias(in_bias))

    def extragradient(state: State) -> State:
        return simultaneous(state, simultaneous(state))

    def bounded(value: float) -> float:
        return max(-rules.clip, min(rules.clip, value)) if rules.clip else value

    return {"alternating": alternating, "simultaneous": simultaneous, "extragradient": extragradient}[rules.order]


def _mover(rules: Rules, step: float) -> Callable[[float], float]:
    """What a parameter moves down by, given its gradient at each update."""
    momentum = last = 0.0

    def move(gradient: float) -> float:
        nonlocal momentum, last
        momentum = rules.momentum * momentum + gradient
        now = step * momentum
        moved = 2 * now - last if rules.optimistic else now
        last = now
        return moved

    return move
