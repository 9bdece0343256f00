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

from harness.engines.cpu.numeric.jit import F4, NONE, b1, f8, i8, kernel, program_type
from harness.engines.cpu.numeric.record import double_table, fill, word_table, words
from harness.losses import Variant
from harness.losses.backends.bytecode import Operation, program
from harness.losses.derivatives import Derivative
from harness.losses.primitives import LABELS, LOGITS, log_mean_exp

_ADD, _MULTIPLY, _DIVIDE, _POWER, _EXP, _LOG, _LOG1P, _SQRT, _ABS, _SIGN, _TANH = map(int, list(Operation)[:11])
_RELU, _STEP, _FLOOR_AT, _FLOOR_RATIO, _SOFTPLUS, _SIGMOID, _PROBABILITY = map(int, list(Operation)[11:18])
_DEFORMED, _ABS_POWER, _SIGNED_POWER = map(int, list(Operation)[18:])

#: Registers of the inputs of a loss: those of ``LOGITS``, then of ``LABELS``.
REAL, FAKE, REAL_MEAN, FAKE_MEAN, LOG_MEAN_EXP, Y_REAL, Y_FAKE = range(len(LOGITS) + len(LABELS))


class BoundProgram(NamedTuple):
    """A program with its registers (registers, K), constants in place. ``outputs`` are -1 where a result is 0 anyway.

    Of a loss's slope the outputs are the three terms of ``algebra.Derivative``; ``shares`` says whether
    ``log_mean_exp`` is read at all.
    """

    code: NDArray[np.int64]
    registers: NDArray[np.float64]
    outputs: NDArray[np.int64]
    shares: bool

    def enter(self, record: Any) -> None:
        """Describe it in a field of kind ``records.PROGRAM``."""
        sizes = {"lines": len(self.code), "size": len(self.registers), "results": len(self.outputs)}
        fill(record, self._asdict() | sizes)


def loaded(
    expressions: Sequence[Expr], inputs: Sequence[Symbol], values: Mapping[Symbol, float], decisions: int
) -> BoundProgram:
    """The program of the expressions with registers for so many decisions."""
    made = program(expressions, inputs, values)
    registers = np.zeros((made.registers, decisions))
    registers[made.inputs : made.inputs + len(made.constants)] = made.constants[:, None]
    outputs = [-1 if e == 0 else place for e, place in zip(expressions, made.outputs, strict=True)]
    shares = any(log_mean_exp in e.free_symbols for e in expressions)
    return BoundProgram(made.code, registers, np.array(outputs, np.int64), shares)


def loaded_slope(derivative: Derivative, values: Mapping[Symbol, float], decisions: int) -> BoundProgram:
    """A slope of a loss, at parameters of these values."""
    terms = (derivative.own, derivative.through_mean, derivative.through_lme)
    made = loaded(terms, (*LOGITS, *LABELS), values, decisions)
    return made._replace(shares=made.shares or derivative.through_lme != 0)


@njit(error_model="numpy")
def _sigmoid(x):
    e = math.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


@njit(error_model="numpy")
def _probability(x):
    denominator = np.float32(np.float32(1) + np.float32(math.exp(-x)))
    return np.float64(np.float32(np.float32(1) / denominator))


@njit(error_model="numpy")
def _abs_power(x, k):
    if x == 0:
        return 1.0 if k == 0 else 0.0
    return math.exp(k * math.log(abs(x)))


@njit(error_model="numpy")
def _sign(x):
    if x == 0 or math.isnan(x):
        return x
    return 1.0 if x > 0 else -1.0


@njit(error_model="numpy")
def _result(operation, a, b):
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
        return 0.0 if a < 0 else a
    if operation == _STEP:
        return 1.0 if a > 0 else 0.0
    if operation == _FLOOR_AT:
        return b if a < b else a
    if operation == _FLOOR_RATIO:
        return a / (b if a < b else a)
    if operation == _SOFTPLUS:
        return (0.0 if a < 0 else a) + math.log1p(math.exp(-abs(a)))
    if operation == _PROBABILITY:
        return _probability(a)
    if operation == _DEFORMED:
        return a if b == 0 else -math.expm1(-b * a) / b
    power = _abs_power(a, b)
    return power if operation == _ABS_POWER else _sign(a) * power


@kernel(NONE, program_type, i8)
def execute(program, decisions):
    """Every instruction, in every decision."""
    code = word_table(program.code, program.lines, 4)
    registers = double_table(program.registers, program.size, decisions)
    for line in range(program.lines):
        operation, result, a, b = code[line, 0], code[line, 1], code[line, 2], code[line, 3]
        if operation == _ADD:
            for k in range(decisions):
                registers[result, k] = registers[a, k] + registers[b, k]
        elif operation == _MULTIPLY:
            for k in range(decisions):
                registers[result, k] = registers[a, k] * registers[b, k]
        elif operation == _DIVIDE:
            for k in range(decisions):
                registers[result, k] = registers[a, k] / registers[b, k]
        elif operation == _EXP:
            for k in range(decisions):
                registers[result, k] = math.exp(registers[a, k])
        elif operation == _SIGMOID:
            for k in range(decisions):
                registers[result, k] = _sigmoid(registers[a, k])
        else:
            for k in range(decisions):
                registers[result, k] = _result(operation, registers[a, k], registers[b, k])


@njit(error_model="numpy")
def log_mean_exp_of(logits, decisions):
    """log of the mean of exp over the real and the generated decisions together, shifted by the largest logit."""
    top = np.float64(logits[0])
    for k in range(2 * decisions):
        top = max(top, np.float64(logits[k]))
    mean = 0.0
    for k in range(2 * decisions):
        mean += math.exp(logits[k] - top)
    return math.log(mean / (2 * decisions)) + top


@njit(error_model="numpy")
def _enter(program, logits, decisions, labels, labelled):
    """Put logits (real, then generated: 2 K), their batch statistics and labels (2 K) into the registers."""
    registers = double_table(program.registers, program.size, decisions)
    for kind in range(2):
        mean = 0.0
        for k in range(decisions):
            value = np.float64(logits[kind * decisions + k])
            registers[REAL + kind, k] = value
            mean += value
        for k in range(decisions):
            registers[REAL_MEAN + kind, k] = mean / decisions
            if labelled:
                registers[Y_REAL + kind, k] = labels[kind * decisions + k]
    if program.shares:
        shared = log_mean_exp_of(logits, decisions)
        for k in range(decisions):
            registers[LOG_MEAN_EXP, k] = shared


@njit(error_model="numpy")
def _mean(registers, place, decisions):
    """The mean over decisions of a register, 0 where there is none."""
    mean = 0.0
    for k in range(decisions if place >= 0 else 0):
        mean += registers[place, k]
    return mean / decisions


@kernel(f8, program_type, F4, i8, F4, b1, i8, F4, i8)
def slopes(program, logits, decisions, labels, labelled, like, out, start):
    """out[start + k] = (own + mean(through_mean) + mean(through_lme) exp(l - log_mean_exp)/2)/K, l in register like.

    That is the derivative of the mean of the loss over the K decisions; their sum is the result.
    """
    _enter(program, logits, decisions, labels, labelled)
    execute(program, decisions)
    registers = double_table(program.registers, program.size, decisions)
    outputs = words(program.outputs, 3)
    through_mean, through_lme = _mean(registers, outputs[1], decisions), _mean(registers, outputs[2], decisions)
    total = 0.0
    for k in range(decisions):
        slope = through_mean
        if outputs[0] >= 0:
            slope += registers[outputs[0], k]
        if outputs[2] >= 0:
            slope += through_lme * math.exp(registers[like, k] - registers[LOG_MEAN_EXP, k]) / 2
        out[start + k] = slope / decisions
        total += slope / decisions
    return total


def parameter_values(variant: Variant, given: Mapping[str, float]) -> dict[Symbol, float]:
    """The values of a variant's parameters by their symbols, defaults filled in."""
    bound = variant.bind(given)
    return {parameter.symbol: bound[parameter.name] for parameter in variant.parameters}
