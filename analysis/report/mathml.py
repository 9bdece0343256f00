"""A loss formula as MathML, which browsers draw without a script; made from the registry's expression."""

from __future__ import annotations

from typing import Any

import sympy
from markupsafe import Markup
from sympy import Expr
from sympy.printing.mathml import MathMLPresentationPrinter

from harness.errors import InputError
from harness.losses import LOSSES, Variant
from harness.losses.notation import arranged, discriminator_text, generator_text
from harness.losses.primitives import fake, fake_mean, log_mean_exp, real, real_mean, y_fake, y_real

#: Symbol to base, index and whether a bar (the mean over the batch) stands above.
_WRITTEN = {
    real: ("ℓ", "r", False), fake: ("ℓ", "f", False), real_mean: ("ℓ", "r", True), fake_mean: ("ℓ", "f", True),
    y_real: ("y", "r", False), y_fake: ("y", "f", False), log_mean_exp: ("Λ", "", False),
}  # fmt: skip
#: The explanation of these letters for a reader.
NOTATION = (
    "ℓ with index r is the discriminator's logit on a real value, with index f on a generated one; a bar is the mean "
    "over the batch; σ is the sigmoid; Λ is the logarithm of the mean of exp over all logits; y is a random label."
)


def formulas(text: str) -> tuple[Markup | None, Markup | None]:
    """MathML of both players' losses, of a variant by its text, such as ``non_saturating``.

    None for each that is no formula of logits, and for both where the registry has no such variant.
    """
    try:
        variant, _ = LOSSES.parse(text)
    except (InputError, KeyError):
        return None, None
    return (
        _mathml(variant.discriminator) if variant.discriminator != 0 else None,
        _mathml(variant.generator) if variant.generator != 0 and variant.direct is None else None,
    )


def same_formulas(text: str, discriminator: object, generator: object) -> bool:
    """True if the registry's variant of that text still has the formulas that a sweep recorded of it."""
    try:
        variant: Variant = LOSSES.parse(text)[0]
    except (InputError, KeyError):
        return False
    return (discriminator_text(variant), generator_text(variant)) == (discriminator, generator)


def _mathml(expression: Expr) -> Markup:
    printer = _Printer()
    # The printer builds a document of nodes and writes names as text nodes: nothing in it is markup by accident.
    return Markup(f'<math display="inline">{printer.doprint(expression)}</math>')  # noqa: S704


class _Printer(MathMLPresentationPrinter):  # type: ignore[misc]
    def _written(self, tag: str, text: str) -> Any:
        node = self.dom.createElement(tag)
        node.appendChild(self.dom.createTextNode(text))
        return node

    def _row(self, *parts: Any) -> Any:
        row = self.dom.createElement("mrow")
        for part in parts:
            row.appendChild(part)
        return row

    def _call(self, name: str, *arguments: Expr) -> Any:
        parts: list[Any] = [self._written("mi", name), self._written("mo", "(")]
        for i, argument in enumerate(arguments):
            parts += [self._written("mo", ",")] if i else []
            parts.append(self._print(argument))
        return self._row(*parts, self._written("mo", ")"))

    def _as_ordered_terms(self, expression: Expr, order: str | None = None) -> list[Expr]:
        return arranged(super()._as_ordered_terms(expression, order=order))

    def _print_Symbol(self, symbol: sympy.Symbol, style: str = "plain") -> Any:  # noqa: N802 - SymPy's name for it
        base, index, bar = _WRITTEN.get(symbol, (symbol.name, "", False))
        node = self._written("mi", base)
        if index:
            below = self.dom.createElement("msub")
            below.appendChild(node)
            below.appendChild(self._written("mi", index))
            node = below
        if bar:
            above = self.dom.createElement("mover")
            above.appendChild(node)
            above.appendChild(self._written("mo", "¯"))
            node = above
        return node

    def _print_exp(self, expression: Expr) -> Any:
        power = self.dom.createElement("msup")
        power.appendChild(self._written("mi", "e"))
        power.appendChild(self._print(expression.args[0]))
        return power

    def _print_sigmoid(self, expression: Expr) -> Any:
        return self._call("σ", *expression.args)

    def _print_probability(self, expression: Expr) -> Any:
        return self._call("σ", *expression.args)

    def _print_floor_at(self, expression: Expr) -> Any:
        return self._call("max", *expression.args)

    def _print_deformed(self, expression: Expr) -> Any:
        x, k = expression.args
        return self._print((1 - sympy.exp(-k * x)) / k)

    def _print_abs_power(self, expression: Expr) -> Any:
        x, k = expression.args
        return self._print(sympy.Abs(x) ** k)

    def _print_signed_power(self, expression: Expr) -> Any:
        x, k = expression.args
        return self._print(sympy.sign(x) * sympy.Abs(x) ** k)
