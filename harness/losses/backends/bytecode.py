"""Formulas as byte code, for engines without torch and without a compiler.

A program works on registers, each of one number per decision: first its inputs, then its constants, then its results.
A variant is data to such an engine and needs no compilation.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from harness.losses import primitives
from harness.losses.derivatives import in_order, is_product


class Operation(enum.IntEnum):
    """Operations of instructions on their operands a and b; the primitives are those of ``primitives.py``."""

    ADD = 0
    MULTIPLY = 1
    DIVIDE = 2
    POWER = 3  # a^b for a > 0
    EXP = 4
    LOG = 5
    LOG1P = 6
    SQRT = 7
    ABS = 8
    SIGN = 9
    TANH = 10
    RELU = 11
    STEP = 12
    FLOOR_AT = 13
    FLOOR_RATIO = 14
    SOFTPLUS = 15
    SIGMOID = 16
    PROBABILITY = 17  # rounded to float32 at every step, as the primitive demands
    DEFORMED = 18
    ABS_POWER = 19
    SIGNED_POWER = 20


_FUNCTIONS: Mapping[type[Expr], Operation] = {
    sympy.exp: Operation.EXP,
    sympy.log: Operation.LOG,
    sympy.tanh: Operation.TANH,
    sympy.Abs: Operation.ABS,
    sympy.sign: Operation.SIGN,
    primitives.log1p: Operation.LOG1P,
    primitives.relu: Operation.RELU,
    primitives.step: Operation.STEP,
    primitives.floor_at: Operation.FLOOR_AT,
    primitives.floor_ratio: Operation.FLOOR_RATIO,
    primitives.softplus: Operation.SOFTPLUS,
    primitives.sigmoid: Operation.SIGMOID,
    primitives.probability: Operation.PROBABILITY,
    primitives.deformed: Operation.DEFORMED,
    primitives.abs_power: Operation.ABS_POWER,
    primitives.signed_power: Operation.SIGNED_POWER,
}


@dataclass(frozen=True)
class Program:
    """``code`` (n, 4): operation, register of the result, registers of a and b. ``outputs``: registers of the results.

    ``constants`` fill the registers after the first ``inputs`` ones; ``registers`` is the number of all.
    """

    code: NDArray[np.int64]
    constants: NDArray[np.float64]
    outputs: tuple[int, ...]
    inputs: int
    registers: int


def program(expressions: Sequence[Expr], inputs: Sequence[Symbol], values: Mapping[Symbol, float]) -> Program:
    """The program of expressions of ``inputs``, which fill the first registers, and of symbols with known values.

    Raises:
        KeyError: an expression contains another symbol, or a function that formulas may not use.
    """
    return _compiled(tuple(map(sympy.sympify, expressions)), tuple(inputs), tuple(values.items()))


@lru_cache(maxsize=1024)  # members of a trial have one setting, and many have one loss
def _compiled(
    expressions: tuple[Expr, ...], inputs: tuple[Symbol, ...], values: tuple[tuple[Symbol, float], ...]
) -> Program:
    return _BytecodeWriter(inputs, dict(values)).program(expressions)


class _BytecodeWriter:
    """Writes every subexpression once, operands first.

    Until all constants are known a register is a pair (kind, index) of kind input, constant or result.
    """

    def __init__(self, inputs: Sequence[Symbol], values: Mapping[Symbol, float]) -> None:
        self._registers: dict[Expr, tuple[str, int]] = {symbol: ("input", i) for i, symbol in enumerate(inputs)}
        self._values = values
        self._inputs = len(inputs)
        self._constants: dict[float, int] = {}
        self._code: list[tuple[Operation, tuple[str, int], tuple[str, int]]] = []

    def program(self, expressions: Sequence[Expr]) -> Program:
        outputs = [self._register(expression) for expression in expressions]
        first = {"input": 0, "constant": self._inputs, "result": self._inputs + len(self._constants)}

        def number(register: tuple[str, int]) -> int:
            kind, index = register
            return first[kind] + index

        code = [
            (int(operation), number(("result", i)), number(a), number(b))
            for i, (operation, a, b) in enumerate(self._code)
        ]
        return Program(
            code=np.array(code, np.int64).reshape(-1, 4),
            constants=np.array(list(self._constants), np.float64),
            outputs=tuple(map(number, outputs)),
            inputs=self._inputs,
            registers=number(("result", len(self._code))),
        )

    def _register(self, expression: Expr) -> tuple[str, int]:
        if expression not in self._registers:
            self._registers[expression] = self._write(expression)
        return self._registers[expression]

    def _write(self, expression: Expr) -> tuple[str, int]:
        if expression.is_Symbol:
            return self._constant(self._values[expression])
        if expression.is_number and not expression.has(primitives.probability):
            return self._constant(float(expression))
        if expression.is_Add or expression.is_Mul:
            operation = Operation.ADD if expression.is_Add else Operation.MULTIPLY
            first, *others = in_order(expression.args)
            total = self._register(first)
            for term in others:
                total = self._instruction(operation, total, self._register(term))
            return total
        if expression.is_Pow:
            return self._power(*expression.args)
        operands = [self._register(argument) for argument in expression.args]
        return self._instruction(_FUNCTIONS[type(expression)], operands[0], operands[-1])

    def _power(self, base: Expr, exponent: Expr) -> tuple[str, int]:
        if base == sympy.E:
            return self._instruction(Operation.EXP, self._register(exponent), self._register(exponent))
        operand = self._register(base)
        if exponent == sympy.Rational(1, 2):
            return self._instruction(Operation.SQRT, operand, operand)
        if is_product(exponent):
            product = operand
            for _ in range(abs(int(exponent)) - 1):
                product = self._instruction(Operation.MULTIPLY, product, operand)
            return product if exponent > 0 else self._instruction(Operation.DIVIDE, self._constant(1.0), product)
        if (-exponent).could_extract_minus_sign() or (exponent.is_number and exponent > 0):
            return self._instruction(Operation.POWER, operand, self._register(exponent))
        return self._instruction(Operation.DIVIDE, self._constant(1.0), self._register(base**-exponent))

    def _constant(self, value: float) -> tuple[str, int]:
        return ("constant", self._constants.setdefault(float(value), len(self._constants)))

    def _instruction(self, operation: Operation, a: tuple[str, int], b: tuple[str, int]) -> tuple[str, int]:
        self._code.append((operation, a, b))
        return ("result", len(self._code) - 1)
