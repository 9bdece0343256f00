"""Variants by name: registration with its checks, lookup, and names with parameters as text.

A package offers variants by an entry point of the group ``harness.losses`` that names a Variant or a list of them.
Entry points are loaded when the registry is first read.
"""

from __future__ import annotations

import difflib
import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import mpmath
import sympy

from harness.errors import InputError
from harness.losses.backends.torch_function import precise
from harness.losses.combination import SEPARATOR, combined
from harness.losses.metadata import uniform
from harness.losses.primitives import LABELS, LOGITS, foreign_parts, y_fake, y_real
from harness.losses.variant import Variant

GROUP = "harness.losses"
#: MLflow's parallel coordinates plot cuts labels after this many characters.
DISTINCT_CHARACTERS = 10
#: Logits (real, fake) at which a new variant must have finite losses and slopes.
SAMPLE_LOGITS = ((-30.0, 30.0), (-1.0, -30.0), (0.0, 0.0), (0.5, -2.0), (30.0, 1.0))

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TEXT = re.compile(r"\s*([^\s()]+)\s*(?:\((.*)\))?\s*", re.DOTALL)


class UnknownVariantError(InputError, KeyError):
    """No variant has that name; the message gives the nearest and lists all."""

    __str__ = Exception.__str__


class Registry(Mapping[str, Variant]):
    """The variants by name, in order of registration. Reading is by mapping; only ``register`` adds.

    ``discriminator|generator`` names a combination of two variants (``combination.py``); these are not listed.
    """

    def __init__(self, built_in: Iterable[Variant], group: str = GROUP) -> None:
        self._built_in = tuple(built_in)
        self._group = group
        self._variants: dict[str, Variant] = {}
        self._loaded = False
        self._lock = threading.RLock()

    def __getitem__(self, name: str) -> Variant:
        self._load()
        if name in self._variants:
            return self._variants[name]
        if SEPARATOR in str(name):
            return self._combination(str(name))
        near = difflib.get_close_matches(str(name), self._variants, n=1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise UnknownVariantError(f"no loss variant is called {name!r}; {hint}all: {', '.join(self._variants)}")

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(tuple(self._variants))

    def __len__(self) -> int:
        self._load()
        return len(self._variants)

    def _parameters_last(self, text: str) -> str:
        """The right form of a text ``hinge(...)|minimax(...)``, which is ``hinge|minimax(parameter=..., ...)``."""
        variant = self[SEPARATOR.join(part.partition("(")[0].strip() for part in text.split(SEPARATOR))]
        listed = ", ".join(f"{parameter.name}=..." for parameter in variant.parameters)
        return f"{variant.name}({listed})" if listed else variant.name

    def _combination(self, name: str) -> Variant:
        """The variant that ``discriminator|generator`` names."""
        discriminator, _, generator = name.partition(SEPARATOR)
        if SEPARATOR in generator:
            raise UnknownVariantError(
                f"loss variant {name!r}: has two {SEPARATOR!r}; write DISCRIMINATOR{SEPARATOR}GENERATOR with two names"
            )
        try:
            return combined(self[discriminator], self[generator])
        except InputError as error:
            raise UnknownVariantError(f"loss variant {name!r}: {error}") from None

    def register(self, variant: Variant) -> Variant:
        """Add a variant until the process ends, and return it.

        Raises:
            InputError: its name is malformed or taken, equals another's in the first ten characters, or its formulas
                use unknown symbols or functions, are not linear in the labels, or are not finite at sample logits.
        """
        with self._lock:
            self._load()
            check(variant)
            self._add(variant)
        return variant

    @contextmanager
    def registered(self, variant: Variant) -> Iterator[Variant]:
        """Register a variant for the length of a ``with`` block.

        Raises:
            InputError: as ``register``.
        """
        self.register(variant)
        try:
            yield variant
        finally:
            with self._lock:
                self._variants.pop(variant.name, None)

    def parse(self, text: str) -> tuple[Variant, dict[str, float]]:
        """``"generator_label(t=0.25)"`` as (variant, all its parameters); defaults fill what is not given.

        Raises:
            InputError: the name or a parameter is unknown, a value is no number or out of range, or the text is
            malformed.
        """
        if re.search(r"\)\s*\|", text):
            raise InputError(
                f"loss variant {text!r}: parameters come after both names; write {self._parameters_last(text)}"
            )
        match = _TEXT.fullmatch(text)
        if match is None:
            raise InputError(
                f"loss variant {text!r}: write NAME or NAME(parameter=number, ...), where NAME may be "
                "DISCRIMINATOR|GENERATOR"
            )
        variant = self[match.group(1)]
        params: dict[str, float] = {}
        for item in (match.group(2) or "").split(",") if (match.group(2) or "").strip() else ():
            key, equals, value = (part.strip() for part in item.partition("="))
            if not equals or not key:
                raise InputError(f"loss variant {text!r}: {item.strip()!r} is not parameter=number")
            if key in params:
                raise InputError(f"loss variant {text!r}: {key} is given twice")
            try:
                params[key] = float(value)
            except ValueError:
                raise InputError(f"loss variant {text!r}: {key} must be a number, got {value!r}") from None
        return variant, variant.bind(params)

    def text(self, name: str, params: Mapping[str, float] | None = None) -> str:
        """The canonical text of a variant with parameters, inverse to ``parse``: all parameters, in declared order.

        Raises:
            InputError: the name or a parameter is unknown, or a value is out of range.
        """
        variant = self[name]
        bound = variant.bind(params or {})
        # repr is the shortest text that reads back as the same number.
        listed = ", ".join(f"{k}={repr(float(v) + 0.0).removesuffix('.0')}" for k, v in bound.items())
        return f"{variant.name}({listed})" if listed else variant.name

    def _load(self) -> None:
        with self._lock:
            if self._loaded:
                return
            self._loaded = True  # first, so that a package may read the registry while its entry point loads
            try:
                # Built-in formulas are checked by the tests: here it would cost every command a third of a second.
                for variant in self._built_in:
                    self._add(variant)
                for point in entry_points(group=self._group):
                    for variant in _offered(point):
                        check(variant)
                        self._add(variant)
            except BaseException:
                self._loaded = False
                self._variants.clear()
                raise

    def _add(self, variant: Variant) -> None:
        for other in self._variants.values():
            if variant.name == other.name:
                raise InputError(f"loss variant {variant.name}: the name is taken")
            if variant.name[:DISTINCT_CHARACTERS] == other.name[:DISTINCT_CHARACTERS]:
                raise InputError(
                    f"loss variant {variant.name}: its first {DISTINCT_CHARACTERS} characters equal those of "
                    f"{other.name}; plots cut names there, so they must differ"
                )
        self._variants[variant.name] = variant


def _offered(point: EntryPoint) -> list[Variant]:
    where = f"entry point {point.name!r} of {GROUP} ({point.value})"
    try:
        value = point.load()
    except Exception as error:  # whatever a foreign package raises, the user needs its name
        raise InputError(f"{where}: cannot be loaded: {type(error).__name__}: {error}") from error
    variants = [value] if isinstance(value, Variant) else value
    if not isinstance(variants, (list, tuple)) or not all(isinstance(v, Variant) for v in variants):
        raise InputError(f"{where}: must name a Variant or a list of them, not {type(value).__name__}")
    return list(variants)


def check(variant: Variant) -> None:
    """Check that the variant can be trained, reported and differentiated.

    Raises:
        InputError: see ``Registry.register``.
    """
    where = f"loss variant {variant.name}"
    if not _NAME.fullmatch(variant.name):
        raise InputError(f"loss variant {variant.name!r}: a name is lower-case letters, digits and _, letter first")
    names = [p.name for p in variant.parameters]
    reserved = {s.name for s in (*LOGITS, *LABELS, uniform)}
    clash = sorted({n for n in names if n in reserved or names.count(n) > 1} | {"labels"} & set(names))
    if clash:
        raise InputError(f"{where}: parameter name {clash[0]!r} is reserved or used twice")
    _check_symbols(variant, where)
    _check_finite(variant, where)


def _check_symbols(variant: Variant, where: str) -> None:
    parameters = {p.symbol for p in variant.parameters}
    allowed = {
        "discriminator": {*LOGITS, *LABELS, *parameters} if variant.labels else {*LOGITS, *parameters},
        "generator": {*LOGITS, *parameters},
        "equilibrium_logit": parameters,
    }
    formulas = {
        "discriminator": [variant.discriminator],
        "generator": [variant.generator],
        "equilibrium_logit": [] if variant.equilibrium_logit is None else [variant.equilibrium_logit],
    }
    if variant.slopes:
        formulas["discriminator"] += [variant.slopes.real, variant.slopes.fake]
        formulas["generator"] += [variant.slopes.generator]
    if variant.labels:
        allowed["labels"] = parameters
        formulas["labels"] = [variant.labels.real.mean, variant.labels.fake.mean]
    for field, expressions in formulas.items():
        for expression in expressions:
            unknown = sorted(str(s) for s in expression.free_symbols - allowed[field])
            if unknown:
                names = ", ".join(sorted(map(str, allowed[field]))) or "numbers only"
                raise InputError(f"{where}: {field} uses unknown symbol {unknown[0]!r}; it may use {names}")
            foreign = foreign_parts(expression)
            if foreign:
                raise InputError(f"{where}: {field} uses {foreign[0]}, which the harness cannot compute")
    curvature = [variant.discriminator.diff(a, b) for a in LABELS for b in LABELS]
    if variant.labels and any(sympy.simplify(c) != 0 for c in curvature):
        raise InputError(f"{where}: the discriminator must be linear in {y_real} and {y_fake}")


def _check_finite(variant: Variant, where: str) -> None:
    derivatives = (variant.real_derivative, variant.fake_derivative, variant.generator_derivative)
    expressions = (variant.discriminator, variant.generator)
    expressions += tuple(e for d in derivatives for e in (d.own, d.through_mean, d.through_lme))
    defaults = {p.symbol: p.default for p in variant.parameters}
    for r, f in SAMPLE_LOGITS:
        both = max(r, f)  # log_mean_exp lies between this and log 2 less
        values = dict(zip((*LOGITS, *LABELS), (r, f, r, f, both, 1.0, 0.0), strict=True)) | defaults
        try:
            results = precise(*expressions, values=values, digits=20)
            finite = all(isinstance(x, mpmath.mpf) and math.isfinite(x) for x in results)
        except (ArithmeticError, ValueError, TypeError):
            finite = False
        if not finite:
            raise InputError(f"{where}: a loss or slope is not finite at real = {r:g}, fake = {f:g} with defaults")


def catalogue_of(registry: Registry) -> list[dict[str, Any]]:
    """Every variant of the registry as a plain dictionary (see ``describe.describe``), in order of registration."""
    from harness.losses.describe import describe

    return [describe(variant) for variant in registry.values()]
