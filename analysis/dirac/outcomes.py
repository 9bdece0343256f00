"""What a run of the Dirac-GAN came to, in the words of ``harness.losses.OUTCOMES``, by thresholds stated here.

The target is 0 and a run starts at 1, so every length is a share of the distance at the start. Times and frequencies
count in units of time, of which a step is 0.1; a frequency is angular, 2 pi over the period.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.dirac.game import STEP, Game, Rules
from analysis.dirac.play import STEPS, play

#: Nearer than this counts as there: half the smallest clip in use, within which a clipped D swings for ever. Damping
#: by exp(-time/s) with s up to 280 is below it in the last quarter, damping like 1/sqrt(time) is not (0.07 for
#: cross-entropy).
SETTLED = 0.005
#: Farther than this it has left. Cycles stay within about the distance at the start, and drifts like a logarithm,
#: which end nearer, are known by their direction.
LEFT = 100.0
#: An amplitude that falls by less than this from the third quarter to the last does not fall. One like 1/sqrt(time)
#: falls by 18 % there.
FALL = 0.05
#: It leaves when it gains in the last quarter at least this share of what it gained in the quarter before. A drift
#: like the logarithm of time gains log(4/3)/log(3/2) = 0.71 of it, an approach like 1/sqrt(time) to a limit 0.60.
GAIN = 0.65
#: It swings about the target when its mean is this share of its reach or less: a swing about another centre is a park.
CENTRED = 0.25
#: A place attracts when of a nudge, a tenth of the offset, less than half is left after a tenth of the run.
NUDGE, RETURNS = 0.1, 0.5
#: Changes of sign in a quarter of the run that make it swing.
SWINGS = 2
#: The outcomes of which a frequency is told: those that end around the target.
SWINGING = ("converges", "rings", "cycles")


@dataclass(frozen=True)
class Course:
    """How a run ended. ``frequency``: of its passages over the target, NaN without; ``amplitude``: the largest
    |theta| of the last tenth; ``offset``: the mean theta of the last tenth.
    """

    outcome: str
    frequency: float
    amplitude: float
    offset: float


def course(game: Game, rules: Rules, path: np.ndarray) -> Course:
    """What the run ``path`` (steps + 1, 3) of the game under the rules came to.

    converges: within SETTLED of the target throughout the last quarter. rings and cycles: passes over the target,
    with an amplitude that falls, or does not. runs_away: beyond LEFT, no number any more, or moving outward beyond
    its start. parks and stalls: at rest elsewhere; after a small nudge it comes back to a park, and not to a stall.
    """
    at, word = path[:, 0], outcome(game, rules, path)
    tail = at[-(len(at) // 10) :]
    swings = frequency(at) if word in SWINGING else float("nan")
    return Course(word, swings, float(np.abs(tail).max()), float(tail.mean()))


def outcome(game: Game, rules: Rules, path: np.ndarray) -> str:
    """The word alone; see ``course``."""
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


def attracts(game: Game, rules: Rules, path: np.ndarray) -> bool:
    """Whether the place where the run ended draws theta back from both sides: compared are means over a twentieth."""
    at, weight, offset = path[-1].tolist()
    rest = float(path[-(len(path) // 20) :, 0].mean())

    def mean_after(theta: float) -> float:
        steps = STEPS // 10
        return float(play(game, rules, start=(theta, weight, offset), steps=steps)[steps // 2 :, 0].mean())

    still = mean_after(at)
    return all(abs(mean_after(at + side * rest) - still) < RETURNS * abs(NUDGE * rest) for side in (NUDGE, -NUDGE))


def passages(at: np.ndarray) -> np.ndarray:
    """Steps, interpolated, at which theta changes sign."""
    found = np.nonzero(at[:-1] * at[1:] < 0)[0]
    return np.asarray(found + at[found] / (at[found] - at[found + 1]))


def frequency(at: np.ndarray) -> float:
    """Angular frequency of the passages over 0: of those in the last quarter, or, where it had settled by then, of all
    until it was within SETTLED for good. NaN with fewer than three.
    """
    steady = at[np.isfinite(at)]
    late = passages(steady[-(len(steady) // 4) :])
    if len(late) < 3 or np.abs(steady[-(len(steady) // 4) :]).max() < SETTLED:
        outside = np.nonzero(np.abs(steady) >= SETTLED)[0]
        late = passages(steady[: outside[-1] + 2]) if outside.size else late[:0]
    if len(late) < 3:
        return float("nan")
    return float(np.pi * (len(late) - 1) / ((late[-1] - late[0]) * STEP))
