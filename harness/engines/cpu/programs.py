"""Programs of formulas (``losses.program``) carried out, and the slopes of a loss put together from them.

Arithmetic is float64, so that rounding in a formula never shows; ``probability`` alone rounds to float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from sympy import Expr, Symbol

from harness.losses.algebra import Derivative
from harness.losses.primitives import LABELS, LOGITS, log_mean_exp
from harness.losses.program import Operation, program

_ADD, _MULTIPLY, _DIVIDE, _POWER, _EXP, _LOG, _LOG1P, _SQRT, _ABS, _SIGN, _TANH = map(int, list(Operation)[:11])
_RELU, _STEP, _FLOOR_AT, _FLOOR_RATIO, _SOFTPLUS, _SIGMOID, _PROBABILITY = map(int, list(Operation)[11:18])
_DEFORMED, _ABS_POWER, _SIGNED_POWER = map(int, list(Operation)[18:])

#: Registers of the inputs of a loss: those of ``LOGITS``, then of ``LABELS``.
REAL, FAKE, REAL_MEAN, FAKE_MEAN, LOG_MEAN_EXP, Y_REAL, Y_FAKE = range(len(LOGITS) + len(LABELS))


class Loaded(NamedTuple):
    """A program with its registers (registers, K), constants in place. ``outputs`` are -1 where a result is 0 anyway.

    Of a loss's slope the outputs are the three terms of ``algebra.Derivative``; ``shares`` says whether
    ``log_mean_exp`` is read at all.
    """

    code: NDArray[np.int64]
    registers: NDArray[np.float64]
    outputs: NDArray[np.int64]
    shares: bool


def loaded(
    expressions: Sequence[Expr], inputs: Sequence[Symbol], values: Mapping[Symbol, float], decisions: int
) -> Loaded:
    """The program of the expressions with registers for so many decisions."""
    made = program(expressions, inputs, values)
    registers = np.zeros((made.registers, decisions))
    registers[made.inputs : made.inputs + len(made.constants)] = made.constants[:, None]
    outputs = [-1 if e == 0 else place for e, place in zip(expressions, made.outputs, strict=True)]
    shares = any(log_mean_exp in e.free_symbols for e in expressions)
    return Loaded(made.code, registers, np.array(outputs, np.int64), shares)


def loaded_slope(derivative: Derivative, values: Mapping[Symbol, float], decisions: int) -> Loaded:
    """A slope of a loss, at parameters of these values."""
    terms = (derivative.own, derivative.through_mean, derivative.through_lme)
    made = loaded(terms, (*LOGITS, *LABELS), values, decisions)
    return made._replace(shares=made.shares or derivative.through_lme != 0)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _sigmoid(x):  # type: ignore[no-untyped-def]
    e = math.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _probability(x):  # type: ignore[no-untyped-def]
    denominator = np.float32(np.float32(1) + np.float32(math.exp(-x)))
    return np.float64(np.float32(np.float32(1) / denominator))


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _abs_power(x, k):  # type: ignore[no-untyped-def]
    if x == 0:
        return 1.0 if k == 0 else 0.0
    return math.exp(k * math.log(abs(x)))


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _sign(x):  # type: ignore[no-untyped-def]
    if x == 0 or math.isnan(x):
        return x
    return 1.0 if x > 0 else -1.0


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _result(operation, a, b):  # type: ignore[no-untyped-def]
    """One of the rarer operations, by bisection of their numbers."""
    if operation <= _TANH:
        if operation == _POWER:
            return math.exp(b * math.log(a))
        if operation == _LOG:
            return math.log(a)
        if operation == _LOG1P:
            return math.log1p(a)
        if operation == _SQRT:
            return math.sqrt(a)
        if operation == _ABS:
            return abs(a)
        return _sign(a) if operation == _SIGN else math.tanh(a)
    if operation == _RELU:
        return a if a > 0 else a * 0
    if operation == _STEP:
        return 1.0 if a > 0 else 0.0
    if operation == _FLOOR_AT:
        return b if a < b else a
    if operation == _FLOOR_RATIO:
        return a / (b if a < b else a)
    if operation == _SOFTPLUS:
        return (a if a > 0 else a * 0) + math.log1p(math.exp(-abs(a)))
    if operation == _PROBABILITY:
        return _probability(a)
    if operation == _DEFORMED:
        return a if b == 0 else -math.expm1(-b * a) / b
    power = _abs_power(a, b)
    return power if operation == _ABS_POWER else _sign(a) * power


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def carry_out(code, registers):  # type: ignore[no-untyped-def]
    """Every instruction, in every decision."""
    for line in range(len(code)):
        operation, place = code[line, 0], code[line, 1]
        result, a, b = registers[place], registers[code[line, 2]], registers[code[line, 3]]
        if operation == _ADD:
            for k in range(len(result)):
                result[k] = a[k] + b[k]
        elif operation == _MULTIPLY:
            for k in range(len(result)):
                result[k] = a[k] * b[k]
        elif operation == _DIVIDE:
            for k in range(len(result)):
                result[k] = a[k] / b[k]
        elif operation == _EXP:
            for k in range(len(result)):
                result[k] = math.exp(a[k])
        elif operation == _SIGMOID:
            for k in range(len(result)):
                result[k] = _sigmoid(a[k])
        else:
            for k in range(len(result)):
                result[k] = _result(operation, a[k], b[k])


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def log_mean_exp_of(logits, decisions):  # type: ignore[no-untyped-def]
    """log of the mean of exp over the real and the generated decisions together, shifted by the largest logit."""
    top = np.float64(logits[0])
    for k in range(2 * decisions):
        top = max(top, np.float64(logits[k]))
    mean = 0.0
    for k in range(2 * decisions):
        mean += math.exp(logits[k] - top)
    return math.log(mean / (2 * decisions)) + top


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def enter(loss, logits, decisions, labels):  # type: ignore[no-untyped-def]
    """Put logits (real, then generated: 2 K), their batch statistics and labels (2 K, or none) into the registers."""
    registers = loss.registers
    for kind in range(2):
        mean = 0.0
        for k in range(decisions):
            value = np.float64(logits[kind * decisions + k])
            registers[REAL + kind, k] = value
            mean += value
        registers[REAL_MEAN + kind, :] = mean / decisions
        for k in range(decisions if len(labels) else 0):
            registers[Y_REAL + kind, k] = labels[kind * decisions + k]
    if loss.shares:
        registers[LOG_MEAN_EXP, :] = log_mean_exp_of(logits, decisions)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def slopes(loss, like, out, start):  # type: ignore[no-untyped-def]
    """out[start + k] = (own + mean(through_mean) + mean(through_lme) exp(l - log_mean_exp)/2)/K, l in register like.

    That is the derivative of the mean of the loss over the K decisions. ``enter`` comes first.
    """
    registers, outputs = loss.registers, loss.outputs
    decisions = registers.shape[1]
    carry_out(loss.code, registers)
    through = np.zeros(2)
    for term in range(2):
        if outputs[term + 1] >= 0:
            through[term] = registers[outputs[term + 1]].mean()
    for k in range(decisions):
        slope = through[0]
        if outputs[0] >= 0:
            slope += registers[outputs[0], k]
        if outputs[2] >= 0:
            slope += through[1] * math.exp(registers[like, k] - registers[LOG_MEAN_EXP, k]) / 2
        out[start + k] = slope / decisions


def empty_program() -> Loaded:
    """A program that nothing carries out, where an argument must be one."""
    return Loaded(np.zeros((0, 4), np.int64), np.zeros((0, 0)), np.zeros(3, np.int64), False)


def parameter_values(variant: Any, given: Mapping[str, float]) -> dict[Symbol, float]:
    """The values of a variant's parameters by their symbols, defaults filled in."""
    return {p.symbol: float(given.get(p.name, p.default)) for p in variant.parameters}
