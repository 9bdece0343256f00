"""Losses as bytecode: the cpu engine's slopes of every formula, against fifty digits."""

from __future__ import annotations

from collections.abc import Mapping

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, reject
from hypothesis import strategies as st
from numba import njit
from sympy import Symbol

from harness.engines.cpu.losses import (
    FAKE,
    REAL,
    BoundProgram,
    bind_program,
    bind_slope,
    execute,
    loss_slopes,
    parameter_values,
)
from harness.engines.cpu.numeric.jit import prepare, run_at
from harness.engines.cpu.numeric.record import RUN_DTYPE, address
from harness.errors import InputError
from harness.losses import BUILT_IN, Variant, primitives
from harness.losses.backends.bytecode import Operation, program
from harness.losses.backends.torch_function import precise
from harness.losses.derivatives import Derivative
from harness.losses.metadata import uniform
from harness.losses.penalties.gradient import GRADIENT_PENALTIES
from harness.losses.penalties.penalty import norm
from harness.losses.primitives import FUNCTIONS, LABELS, LOGITS, fake, real

#: Logits in pairs: the ends that the registry checks, where D is sure either way, and between.
PAIRS = [(-40.0, 40.0), (40.0, -40.0), (-17.5, 3.0), (0.0, 0.0), (0.5, -2.0), (2.0, 1.0), (16.0, 17.0), (-3.0, -1.0)]
FORMULAS = [variant for variant in BUILT_IN if not variant.direct]


@njit
def slopes_at(run, logits, labels, kind, out):  # type: ignore[no-untyped-def]
    loss_slopes(run_at(run).loss_g, logits, labels, kind, out)


@njit
def execute_at(run, decisions):  # type: ignore[no-untyped-def]
    execute(run_at(run).loss_g, decisions)


def slopes(derivative: Derivative, values: Mapping[Symbol, float], labels: np.ndarray, kind: int) -> np.ndarray:
    """The slope in each of the K logits of one kind, as the engine computes it, times K."""
    bound = bind_slope(derivative, values, len(PAIRS))
    out = np.zeros(len(PAIRS), np.float32)
    logits = np.array(PAIRS, np.float32).T.reshape(-1).copy()
    record = np.zeros(1, RUN_DTYPE)
    bound.bind(record[0]["loss_g"])
    prepare()
    slopes_at(address(record), logits, labels, kind, out)
    return out * len(PAIRS)


def exact(derivative: Derivative, values: Mapping[Symbol, float], labels: np.ndarray, kind: int) -> np.ndarray:
    """The same to 50 digits: own + mean(through_mean) + mean(through_lme) exp(l - log_mean_exp)/2."""
    pairs = np.array(PAIRS)
    with mpmath.workdps(50):
        shared = mpmath.log(sum(mpmath.exp(x) for x in pairs.reshape(-1)) / pairs.size)
        terms = []
        for k, (r, f) in enumerate(PAIRS):
            y = (float(labels[k]), float(labels[len(PAIRS) + k])) if len(labels) else (0.0, 0.0)
            known = dict(zip((*LOGITS, *LABELS), (r, f, *pairs.mean(axis=0), shared, *y), strict=True)) | dict(values)
            expressions = (derivative.own, derivative.through_mean, derivative.through_lme)
            terms.append(precise(*expressions, values=known))
        count = len(PAIRS)
        means = [sum(term[i] for term in terms) / count for i in (1, 2)]
        computed = [
            term[0] + means[0] + means[1] * mpmath.exp(pair[kind] - shared) / 2
            for term, pair in zip(terms, PAIRS, strict=True)
        ]
        return np.array([float(x) for x in computed])


@pytest.mark.parametrize("variant", FORMULAS, ids=lambda v: v.name)
def test_every_slope_is_the_formulas(variant: Variant) -> None:
    """Both of D's slopes and G's at logits up to 40, labels drawn both ways: float32's last place of fifty digits."""
    values = parameter_values(variant, {})
    rng = np.random.default_rng(0)
    labels = (rng.random(2 * len(PAIRS)) < 0.5).astype(np.float32) if variant.labels else np.zeros(0, np.float32)
    for derivative, kind, known in (
        (variant.real_derivative, REAL, labels),
        (variant.fake_derivative, FAKE, labels),
        (variant.generator_derivative, FAKE, np.zeros(0, np.float32)),
    ):
        computed, expected = slopes(derivative, values, known, kind), exact(derivative, values, known, kind)
        # 2e-7: float32 rounds the result (6e-8) once as a slope and once times K. 1e-15: 1 - tanh^2 in float64.
        np.testing.assert_allclose(computed, expected, rtol=2e-7, atol=1e-15)


@given(data=st.data())
def test_slopes_hold_at_any_parameters(data: st.DataObject) -> None:
    """Whatever values a variant's parameters may have, and not only their defaults."""
    variant = data.draw(st.sampled_from([v for v in FORMULAS if v.parameters and not v.labels]))
    given_values = {
        p.name: data.draw(st.floats(max(p.low, -3.0), min(p.high, 3.0)).map(np.float32).map(float))
        for p in variant.parameters
    }
    try:
        bound = variant.bind(given_values)
    except InputError:
        reject()  # an end that the interval leaves out
    values = parameter_values(variant, bound)
    computed = slopes(variant.generator_derivative, values, np.zeros(0, np.float32), FAKE)
    expected = exact(variant.generator_derivative, values, np.zeros(0, np.float32), FAKE)
    known = np.isfinite(expected) & (np.abs(expected) < 1e30)
    np.testing.assert_allclose(computed[known], expected[known], rtol=1e-6, atol=1e-15)


def executed(program: BoundProgram, first: np.ndarray) -> list[np.ndarray]:
    """Results of a program whose one input has these values."""
    record = np.zeros(1, RUN_DTYPE)
    program.bind(record[0]["loss_g"])
    program.registers[0] = first
    prepare()
    execute_at(address(record), len(first))
    return [program.registers[output].copy() if output >= 0 else np.zeros(len(first)) for output in program.outputs]


@pytest.mark.parametrize("penalty", GRADIENT_PENALTIES, ids=lambda p: p.name)
def test_a_penaltys_coefficient_is_its_formulas(penalty: object) -> None:
    """phi'(|g|)/|g| at norms from 0 to 30 is what torch computes of the same formula, in float64."""
    import torch

    norms = np.array([0.0, 1e-3, 0.5, 1.0, 1.5, 30.0])
    bound = bind_program([penalty.coefficient_formula], [norm], {}, len(norms))  # type: ignore[attr-defined]
    expected = penalty.coefficient(torch.tensor(norms)).numpy()  # type: ignore[attr-defined]
    np.testing.assert_allclose(executed(bound, norms)[0], expected, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("variant", [v for v in FORMULAS if v.labels], ids=lambda v: v.name)
def test_labels_are_drawn_as_torch_draws_them(variant: Variant) -> None:
    """From the same uniforms the same labels, of both kinds."""
    import torch

    u = ((np.arange(99) + 0.5) / 99).astype(np.float32)
    expected = variant.draw_labels(torch.tensor(u), torch.tensor(u))
    assert variant.labels
    for law, labels in zip((variant.labels.real, variant.labels.fake), expected, strict=True):
        computed = executed(bind_program([law.draw], [uniform], parameter_values(variant, {}), len(u)), u)[0]
        np.testing.assert_allclose(computed, labels.numpy(), rtol=1e-6)


def test_a_program_is_refused_what_it_cannot_compute() -> None:
    """A symbol without a value, and a function that formulas may not use."""
    with pytest.raises(KeyError):
        program([real + Symbol("unknown")], [real, fake], {})
    with pytest.raises(KeyError):
        program([sympy.gamma(real)], [real], {})


#: Functions of a number and a constant.
PAIRED = (primitives.floor_at, primitives.deformed, primitives.abs_power, primitives.signed_power)


def test_everything_that_a_formula_may_hold_is_computed() -> None:
    """Every function of the registry's formulas, and every kind of power, at numbers on both sides of 0 where it has
    values there: what mpmath gives for the same expression."""
    x, positive = sympy.symbols("x positive")
    every = [f(x) for f in FUNCTIONS if f not in (*PAIRED, primitives.floor_ratio, sympy.log, primitives.log1p)]
    every += [f(x, sympy.Float(1.5)) for f in FUNCTIONS if f in PAIRED]
    every += [x**2, x**3, 1 / (3 + x) ** 2, 1 / (3 + x), primitives.deformed(x, sympy.Float(0.0))]
    of_positive = [sympy.log(positive), primitives.log1p(positive), sympy.sqrt(positive), positive**1.7, positive**-0.3]
    of_positive += [primitives.floor_ratio(positive, sympy.Float(0.5))]
    covered: set[int] = set()
    for expressions, symbol, values in (
        (every, x, [-2.0, -0.5, 0.0, 0.5, 2.0]),
        (of_positive, positive, [0.3, 1.0, 7.0]),
    ):
        for expression in expressions:
            bound = bind_program([expression], [symbol], {}, len(values))
            covered |= set(bound.code[:, 0].tolist())
            expected = [float(precise(expression, values={symbol: value})[0]) for value in values]
            computed = executed(bound, np.array(values))[0]
            # ``probability`` is rounded to float32, in different places of e^x.
            rtol = 1e-7 if expression.has(primitives.probability) else 1e-12
            np.testing.assert_allclose(computed, expected, rtol=rtol, err_msg=str(expression))
    assert covered == set(map(int, Operation))
