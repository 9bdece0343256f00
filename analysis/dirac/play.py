"""Runs of the Dirac-GAN (``game``), and their outcomes in the words of ``harness.losses.OUTCOMES``.

A run is a number of steps in an order of updates, with momentum, optimism and the clip. The target is 0 and a run
starts at 1, so every length is a share of the distance at the start. Times and frequencies count in units of time, of
which a step is 0.1; a frequency is angular, 2 pi over the period.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.dirac.game import STATE, STEP, DiracGame, DiracRules

State = tuple[float, float, float]
START: State = (1.0, 0.0, 0.0)
#: Steps of a run: 2,000 units of time, some 160 rotations of the cross-entropy game.
STEPS = 20_000

#: |theta| below this counts as arrived: half the smallest clip in use, within which a clipped D swings for ever.
#: Damping by exp(-time/s) with s up to 280 is below it in the last quarter; damping like 1/sqrt(time) is not (0.07 for
#: cross-entropy).
SETTLED = 0.005
#: |theta| above this counts as gone. Cycles stay within about the distance at the start. A logarithmic drift ends
#: nearer and is recognised by its direction.
LEFT = 100.0
#: An amplitude that falls by less than this from the third quarter to the last does not fall. One like 1/sqrt(time)
#: falls by 18 % there.
FALL = 0.05
#: A run is leaving if its gain in the last quarter is at least this share of its gain in the quarter before. A
#: logarithmic drift gains log(4/3)/log(3/2) = 0.71 of it, an approach like 1/sqrt(time) to a limit 0.60.
GAIN = 0.65
#: A run swings about the target if its |mean| is at most this share of its reach; other swings are parks.
CENTRED = 0.25
#: A resting place attracts if less than half of a nudge, a tenth of the offset, is left after a tenth of the run.
NUDGE, RETURNS = 0.1, 0.5
#: Changes of sign in a quarter of the run that count as swinging.
SWINGS = 2
#: Outcomes around the target, which have a frequency.
SWINGING = ("converges", "rings", "cycles")


def play(
    game: DiracGame, rules: DiracRules | None = None, *, start: State = START, steps: int = STEPS, step: float = STEP
) -> np.ndarray:
    """The states (steps + 1, 3) of a run, the start first; NaN from where a number leaves what float64 can hold."""
    rules = rules or DiracRules()
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


def _turn(game: DiracGame, rules: DiracRules, step: float) -> Callable[[State], State]:
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

    def simultaneous(state: State, gradients_at: State | None = None) -> State:
        at, weight, offset = state
        point = gradients_at or state
        (in_theta,), (in_psi, in_bias) = generator(*point), discriminator(*point)
        return at - for_theta(in_theta), bounded(weight - for_psi(in_psi)), bounded(offset - for_bias(in_bias))

    def extragradient(state: State) -> State:
        return simultaneous(state, simultaneous(state))

    def bounded(value: float) -> float:
        return max(-rules.clip, min(rules.clip, value)) if rules.clip else value

    return {"alternating": alternating, "simultaneous": simultaneous, "extragradient": extragradient}[rules.order]


def _mover(rules: DiracRules, step: float) -> Callable[[float], float]:
    """A function from a parameter's gradient at each update to the distance that it moves down."""
    momentum = last = 0.0

    def move(gradient: float) -> float:
        nonlocal momentum, last
        momentum = rules.momentum * momentum + gradient
        distance = step * momentum
        ahead = 2 * distance - last if rules.optimistic else distance
        last = distance
        return ahead

    return move


@dataclass(frozen=True)
class RunResult:
    """The end of a run. ``frequency``: of its passages over the target, NaN without; ``amplitude`` and ``offset``: the
    largest |theta| and the mean theta of the last tenth.
    """

    outcome: str
    frequency: float
    amplitude: float
    offset: float


def result_of(game: DiracGame, rules: DiracRules, path: np.ndarray) -> RunResult:
    """The result of a run ``path`` (steps + 1, 3) of the game under the rules.

    converges: within SETTLED of the target throughout the last quarter. rings and cycles: passes over the target,
    with an amplitude that falls, or does not. runs_away: beyond LEFT, no number any more, or moving outward beyond
    its start. parks and stalls: at rest elsewhere; after a small nudge it comes back to a park, and not to a stall.
    """
    at, word = path[:, 0], outcome(game, rules, path)
    tail = at[-(len(at) // 10) :]
    swings = frequency(at) if word in SWINGING else float("nan")
    return RunResult(word, swings, float(np.abs(tail).max()), float(tail.mean()))


def outcome(game: DiracGame, rules: DiracRules, path: np.ndarray) -> str:
    """The word alone; see ``result_of``."""
    at = path[:, 0]
    if not np.isfinite(path).all() or np.abs(at).max() > LEFT:
        return "runs_away"
    quarter = len(at) // 4
    before, late = at[-2 * quarter : -quarter], at[-quarter:]
    reach = np.abs(late).max()
    if reach < SETTLED:
        return "converges"
    if len(passages(late)) >= SWINGS and abs(late.mean()) <= CENTRED * reach:
        fallen = 1 - reach / np.abs(before).max()
        if fallen < -FALL:
            return "runs_away"
        return "rings" if fallen > FALL else "cycles"
    gained, gaining = abs(before[-1]) - abs(before[0]), abs(late[-1]) - abs(late[0])
    if abs(at[-1]) > abs(at[0]) and gained > 0 and gaining > max(GAIN * gained, SETTLED):
        return "runs_away"
    return "parks" if attracts(game, rules, path) else "stalls"


def attracts(game: DiracGame, rules: DiracRules, path: np.ndarray) -> bool:
    """True if the resting place draws theta back from a nudge to either side, by means over a twentieth of the run."""
    at, weight, offset = path[-1].tolist()
    rest = float(path[-(len(path) // 20) :, 0].mean())

    def mean_after(theta: float) -> float:
        steps = STEPS // 10
        return float(play(game, rules, start=(theta, weight, offset), steps=steps)[steps // 2 :, 0].mean())

    still = mean_after(at)
    return all(abs(mean_after(at + side * rest) - still) < RETURNS * abs(NUDGE * rest) for side in (NUDGE, -NUDGE))


def passages(at: np.ndarray) -> np.ndarray:
    """Steps, interpolated, at which theta changes sign."""
    before = np.nonzero(at[:-1] * at[1:] < 0)[0]
    return np.asarray(before + at[before] / (at[before] - at[before + 1]))


def frequency(at: np.ndarray) -> float:
    """Angular frequency of the passages over 0 in the last quarter; NaN with fewer than three.

    Where the run had settled by then, of the passages until it was within SETTLED for good.
    """
    steady = at[np.isfinite(at)]
    late = passages(steady[-(len(steady) // 4) :])
    if len(late) < 3 or np.abs(steady[-(len(steady) // 4) :]).max() < SETTLED:
        outside = np.nonzero(np.abs(steady) >= SETTLED)[0]
        late = passages(steady[: outside[-1] + 2]) if outside.size else late[:0]
    if len(late) < 3:
        return float("nan")
    return float(np.pi * (len(late) - 1) / ((late[-1] - late[0]) * STEP))
