"""Formulas as bytecode (``losses.backends.bytecode``), an interpreter for it, and the slopes of a loss.

An interpreter, so that one compiled loop serves every loss. Each instruction runs over all K decisions at once, which
makes dispatching cheap. Arithmetic is float64, so that rounding in a formula never shows; ``probability`` alone
rounds to float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Symbol

from harness.engines.cpu.numeric.jit import F4, NONE, f8, helper, i8, kernel, program_type
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
    """Bytecode with its registers (registers, K), constants in place.

    ``code`` has a row (operation, result, a, b) for each instruction. ``outputs`` are the registers of the results, -1
    for a result that is always 0; of a loss's slope they are the three terms of ``Derivative``.
    """

    code: NDArray[np.int64]
    registers: NDArray[np.float64]
    outputs: NDArray[np.int64]
    uses_log_mean_exp: bool

    def bind(self, record: Any) -> None:
        """Describe it in a record of ``PROGRAM_DTYPE``."""
        counts = {"instructions": len(self.code), "register_count": len(self.registers)}
        fill(record, self._asdict() | counts | {"output_count": len(self.outputs)})


def bind_program(
    expressions: Sequence[Expr], inputs: Sequence[Symbol], values: Mapping[Symbol, float], decisions: int
) -> BoundProgram:
    """Compile expressions, symbols of ``values`` replaced, and allocate registers for K ``decisions``."""
    compiled = program(expressions, inputs, values)
    registers = np.zeros((compiled.registers, decisions))
    registers[compiled.inputs : compiled.inputs + len(compiled.constants)] = compiled.constants[:, None]
    outputs = [-1 if e == 0 else register for e, register in zip(expressions, compiled.outputs, strict=True)]
    uses_log_mean_exp = any(log_mean_exp in e.free_symbols for e in expressions)
    return BoundProgram(compiled.code, registers, np.array(outputs, np.int64), uses_log_mean_exp)


def bind_slope(derivative: Derivative, values: Mapping[Symbol, float], decisions: int) -> BoundProgram:
    """Compile a slope of a loss, its parameters replaced by ``values``."""
    terms = (derivative.own, derivative.through_mean, derivative.through_lme)
    bound = bind_program(terms, (*LOGITS, *LABELS), values, decisions)
    return bound._replace(uses_log_mean_exp=bound.uses_log_mean_exp or derivative.through_lme != 0)


def parameter_values(variant: Variant, given: Mapping[str, float]) -> dict[Symbol, float]:
    """A variant's parameters by symbol, defaults filled in."""
    bound = variant.bind(given)
    return {parameter.symbol: bound[parameter.name] for parameter in variant.parameters}


# -- the interpreter -----------------------------------------------------------------------------------------------


@helper
def _sigmoid(x):
    e = math.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


@helper
def _probability(x):
    denominator = np.float32(np.float32(1) + np.float32(math.exp(-x)))
    return np.float64(np.float32(np.float32(1) / denominator))


@helper
def _abs_power(x, k):
    if x == 0:
        return 1.0 if k == 0 else 0.0
    return math.exp(k * math.log(abs(x)))


@helper
def _sign(x):
    if x == 0 or math.isnan(x):
        return x
    return 1.0 if x > 0 else -1.0


@helper
def _result(operation, a, b):
    """Result of one of the rarer operations, found by bisection of their numbers."""
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
    """Run every instruction for every decision."""
    code = word_table(program.code, program.instructions, 4)
    registers = double_table(program.registers, program.register_count, decisions)
    for line in range(program.instructions):
        operation, result, a, b = code[line, 0], code[line, 1], code[line, 2], code[line, 3]
        # The frequent ones first, each with a loop of its own that LLVM can vectorise.
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


# -- slopes of a loss ----------------------------------------------------------------------------------------------


@helper
def _log_mean_exp(logits):
    """Log of the mean of exp over real and fake logits together, shifted by the largest so that nothing overflows."""
    top = np.float64(logits[0])
    for logit in logits:
        top = max(top, np.float64(logit))
    mean = 0.0
    for logit in logits:
        mean += math.exp(logit - top)
    return math.log(mean / len(logits)) + top


@helper
def _set_inputs(program, logits, labels):
    """Put logits (real, then fake: 2 K), their batch statistics and labels (2 K or none) into the registers."""
    decisions = len(logits) // 2
    registers = double_table(program.registers, program.register_count, decisions)
    # A statistic has a whole register, K times the same number, so that the interpreter knows one kind of operand.
    for kind in range(2):
        mean = 0.0
        for k in range(decisions):
            value = np.float64(logits[kind * decisions + k])
            registers[REAL + kind, k] = value
            mean += value
        for k in range(decisions):
            registers[REAL_MEAN + kind, k] = mean / decisions
            if len(labels) > 0:
                registers[Y_REAL + kind, k] = labels[kind * decisions + k]
    if program.uses_log_mean_exp:
        shared = _log_mean_exp(logits)
        for k in range(decisions):
            registers[LOG_MEAN_EXP, k] = shared


@helper
def _mean(registers, output, decisions):
    """Mean of an output over decisions; 0 for one that is always 0."""
    mean = 0.0
    for k in range(decisions if output >= 0 else 0):
        mean += registers[output, k]
    return mean / decisions


@kernel(f8, program_type, F4, F4, i8, F4)
def loss_slopes(program, logits, labels, kind, out):
    """Derivative of the mean loss over K decisions in their logits of a ``kind``, REAL or FAKE; returns their sum.

    out[k] = (own + mean(through_mean) + mean(through_lme) exp(l_k - log_mean_exp)/2)/K
    """
    decisions = len(logits) // 2
    _set_inputs(program, logits, labels)
    execute(program, decisions)
    registers = double_table(program.registers, program.register_count, decisions)
    outputs = words(program.outputs, 3)
    # A logit moves its own decision's loss, and through the batch statistics that of every other.
    through_mean, through_lme = _mean(registers, outputs[1], decisions), _mean(registers, outputs[2], decisions)
    total = 0.0
    for k in range(decisions):
        slope = through_mean
        if outputs[0] >= 0:
            slope += registers[outputs[0], k]
        if outputs[2] >= 0:
            slope += through_lme * math.exp(registers[kind, k] - registers[LOG_MEAN_EXP, k]) / 2
        out[k] = slope / decisions
        total += slope / decisions
    return total
