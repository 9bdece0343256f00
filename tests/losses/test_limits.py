"""Limits of slopes: what the laws of limits decide is what SymPy decides, and what they do not is left to it."""

from __future__ import annotations

import pytest
import sympy

from harness.losses import LOSSES
from harness.losses.limits import _by_laws, limit
from harness.losses.primitives import elementary, fake, sigmoid, softplus

#: Slopes of the registry that SymPy itself finds in less than a tenth of a second, by name of a variant.
QUICK = ("minimax", "non_saturating", "flipped_labels", "generator_label", "least_squares", "f_kl")


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("end", [-sympy.oo, sympy.oo], ids=str)
def test_limits_of_slopes_are_sympys(name: str, end: sympy.Expr) -> None:
    """The generator's slope far out, symbols included, is the limit that SymPy finds of the elementary functions."""
    slope = LOSSES[name].generator_derivative.own
    expected = sympy.limit(elementary(slope), fake, end)
    assert sympy.simplify(limit(slope, fake, end) - expected) == 0 or limit(slope, fake, end) == expected


def test_what_the_laws_do_not_decide_is_left_open() -> None:
    """0 times infinity, infinity minus infinity, a growing base or exponent, and an unknown sign: no answer."""
    a = sympy.Symbol("a", real=True)
    for open_form in (fake * sigmoid(-fake), softplus(fake) - fake, (1 + 1 / fake) ** fake, a * fake, fake**2):
        assert _by_laws(open_form, fake, sympy.oo) is None
    assert limit(fake * sigmoid(-fake), fake, sympy.oo) == 0
    assert limit(softplus(fake) - fake, fake, sympy.oo) == 0
    assert _by_laws(-2 * fake + sigmoid(fake), fake, sympy.oo) == -sympy.oo
    assert _by_laws(softplus(-fake) + sympy.exp(fake) + a, fake, -sympy.oo) == sympy.oo
