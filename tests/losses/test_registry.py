"""The registry of variants: registration, refusals, lookup, names as text, variants of installed packages."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.losses import (
    BUILT_IN,
    LOSSES,
    Bernoulli,
    Citation,
    Labels,
    Parameter,
    Prediction,
    Registry,
    Variant,
    fake,
    parse_variant,
    real,
    softplus,
    variant_text,
    y_real,
)
from harness.losses.registry import check

PLAIN = Variant(name="plain", family="test", discriminator=softplus(-real) + softplus(fake), generator=-fake)


def test_register_would_take_every_built_in_entry() -> None:
    """Names, symbols and finite slopes are as asked of any entry; built-in ones are not looked at when they load."""
    for variant in BUILT_IN:
        check(variant)  # its message names the variant


def test_a_variant_can_be_added_and_taken_back() -> None:
    """Inside ``registered`` a variant is found by name; afterwards, even after an error, it is gone."""
    before = list(LOSSES)
    with LOSSES.registered(PLAIN) as variant:
        assert LOSSES["plain"] is variant
        assert list(LOSSES) == [*before, "plain"]
    assert list(LOSSES) == before
    assert "plain" not in LOSSES
    with pytest.raises(ZeroDivisionError), LOSSES.registered(PLAIN):
        1 / 0  # noqa: B018 - any error will do
    assert list(LOSSES) == before
    assert not hasattr(LOSSES, "__setitem__")


def test_symbols_count_by_name() -> None:
    """A formula written with the caller's own SymPy symbols is the same variant as one written with ours."""
    r, f = sympy.symbols("real fake")
    assert dataclasses.replace(PLAIN, discriminator=softplus(-r) + softplus(f), generator=-f) == PLAIN


_p = Parameter("p", 0.5, 0, 1, "any")
REFUSED = [
    ({"name": "Plain"}, "a name is lower-case"),
    ({"name": "2nd"}, "'2nd': a name is lower-case"),
    ({"name": "minimax"}, "the name is taken"),
    ({"name": "flipped_labs"}, "first 10 characters equal those of flipped_labels"),
    (
        {"generator": sympy.Symbol("fakee")},
        "generator uses unknown symbol 'fakee'; it may use fake, fake_mean, log_mean_exp, real",
    ),
    ({"discriminator": y_real * real}, "discriminator uses unknown symbol 'y_real'"),
    ({"generator": sympy.gamma(fake)}, "generator uses gamma, which the harness cannot compute"),
    ({"generator": sympy.Function("mish")(fake)}, "generator uses mish, which"),
    ({"generator": sympy.log(fake)}, "not finite at real = -30, fake = 30|not finite at real = -1, fake = -30"),
    ({"generator": 1 / fake}, "not finite at real = 0, fake = 0"),
    ({"generator": sympy.oo * sympy.Abs(fake)}, "uses Infinity, which"),
    ({"equilibrium_logit": real}, "equilibrium_logit uses unknown symbol 'real'; it may use numbers only"),
    ({"parameters": (_p, _p)}, "parameter name 'p' is reserved or used twice"),
    ({"parameters": (Parameter("fake", 0.5, 0, 1, "any"),)}, "parameter name 'fake' is reserved"),
    ({"parameters": (Parameter("labels", 0.5, 0, 1, "any"),)}, "parameter name 'labels' is reserved"),
    (
        {"discriminator": y_real**2 * real, "labels": Labels(Bernoulli(sympy.S.Half), Bernoulli(sympy.S.Half))},
        "must be linear in y_real and y_fake",
    ),
    ({"labels": Labels(Bernoulli(sympy.Symbol("q")), Bernoulli(sympy.S.Half))}, "labels uses unknown symbol 'q'"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_unusable_variants_are_refused(change: dict[str, object], message: str) -> None:
    """A variant that could not be trained, told apart or differentiated raises one line and is not registered."""
    before = list(LOSSES)
    with pytest.raises(InputError, match=message) as caught:
        LOSSES.register(dataclasses.replace(PLAIN, **change))
    assert "\n" not in str(caught.value)
    assert list(LOSSES) == before


def test_records_refuse_nonsense() -> None:
    """Empty intervals, defaults outside them, malformed names and invented outcomes raise when written down."""
    for make, message in (
        (lambda: Parameter("p", 0.5, 1, 0, ""), "needs finite low < high"),
        (lambda: Parameter("p", 0.5, 0, float("inf"), ""), "needs finite low < high"),
        (lambda: Parameter("p", 1.0, 0, 1, "", high_open=True), r"default 1 is outside \[0, 1\)"),
        (lambda: Parameter("a b", 0.5, 0, 1, ""), "must be an identifier"),
        (lambda: Prediction("explodes", ""), "got outcome 'explodes'; allowed: converges, rings"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match=message):
            make()


def test_unknown_names_offer_the_nearest() -> None:
    """A misspelt name raises an InputError, also a KeyError, that offers the nearest name and lists all."""
    for lookup in (lambda: LOSSES["minmax"], lambda: parse_variant("minmax")):
        with pytest.raises(InputError, match=r"nearest: minimax; all: minimax, .*, wasserstein") as caught:
            lookup()
        assert isinstance(caught.value, KeyError)
    assert LOSSES.get("minmax") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write NAME or NAME"),
        ("generator_label(t=0.5", "write NAME or NAME"),
        ("generator_label t=0.5", "write NAME or NAME"),
        ("generator_label(0.5)", "'0.5' is not parameter=number"),
        ("generator_label(t=0.5,)", "'' is not parameter=number"),
        ("generator_label(t=half)", "t must be a number, got 'half'"),
        ("generator_label(t=0.5, t=0.5)", "t is given twice"),
        ("generator_label(t=1.01)", r"t = 1.01 is outside \[0, 1\]"),
        ("generator_label(t=nan)", "t = nan is outside"),
        ("generator_label(p=0.1)", r"unknown parameter 'p'; it takes t in \[0, 1\]"),
        ("minimax(t=0.5)", "it takes no parameters"),
    ],
)
def test_malformed_texts_are_refused(text: str, message: str) -> None:
    """A text that is no variant with parameters raises one line that says what is wrong with it."""
    with pytest.raises(InputError, match=message) as caught:
        parse_variant(text)
    assert "\n" not in str(caught.value)


def test_texts_are_canonical() -> None:
    """All parameters are written, in declared order, so that equal arms have equal texts."""
    assert variant_text("minimax") == "minimax"
    assert parse_variant(" minimax ( ) ") == (LOSSES["minimax"], {})
    assert parse_variant("generator_label") == (LOSSES["generator_label"], {"t": 0.5})
    assert variant_text("generator_label") == variant_text("generator_label", {"t": 0.5}) == "generator_label(t=0.5)"
    assert variant_text("least_squares", {"c": 0, "a": -1}) == "least_squares(a=-1, b=1, c=0)"
    assert variant_text("generator_label", {"t": -0.0}) == "generator_label(t=0)"


@given(data=st.data())
@settings(deadline=None)
def test_texts_and_parameters_are_inverse(data: st.DataObject) -> None:
    """Parsing what was written gives the same variant and exactly the same numbers, for all allowed parameters."""
    variant = data.draw(st.sampled_from(BUILT_IN))
    params = {
        p.name: data.draw(st.floats(p.low, p.high, exclude_min=p.low_open, exclude_max=p.high_open))
        for p in variant.parameters
    }
    assert parse_variant(variant_text(variant.name, params)) == (variant, params)


def test_citations_in_both_forms() -> None:
    """One, two and more authors are shortened as usual, and BibTeX carries the identifier and the place."""
    assert LOSSES["minimax"].citation.short() == "Goodfellow et al. 2014"
    assert LOSSES["hinge"].citation.short() == "Lim & Ye 2017"
    assert LOSSES["seed_exact"].citation.short() == "Nag 2017"
    assert PLAIN.citation.short() == "unpublished"
    assert "author" not in PLAIN.citation.bibtex()
    assert Citation("k", ("A. One",), 2020, "T", "example.org/t").bibtex() == (
        "@misc{k,\n  title = {{T}},\n  author = {A. One},\n  year = {2020},\n  howpublished = {example.org/t}\n}"
    )
    entry = LOSSES["wasserstein"].citation.bibtex()
    assert "eprint = {1701.07875}" in entry
    assert "note = {algorithm 1}" in entry


def _package(folder: Path, source: str) -> None:
    (folder / "offered.py").write_text(source)
    info = folder / "offered-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.losses.for_test]\nmine = offered:VARIANTS\n")


OFFERED = """
from harness.losses import Variant, fake, real
ONE = Variant(name="offered_one", family="mine", discriminator=fake - real, generator=-fake)
TWO = Variant(name="another", family="mine", discriminator=fake - real, generator=-2 * fake)
"""


@pytest.mark.parametrize(("value", "expected"), [("ONE", ["offered_one"]), ("[ONE, TWO]", ["offered_one", "another"])])
def test_installed_packages_offer_variants(
    value: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry point that names a Variant or a list adds them when the registry is first read."""
    _package(tmp_path, f"{OFFERED}VARIANTS = {value}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "offered", raising=False)
    registry = Registry((LOSSES["minimax"],), group="harness.losses.for_test")
    assert "offered" not in sys.modules
    assert list(registry) == ["minimax", *expected]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("VARIANTS = 3", "must name a Variant or a list of them, not int"),
        ("raise OSError('disk')", "cannot be loaded: OSError: disk"),
        (f"{OFFERED}from dataclasses import replace\nVARIANTS = replace(ONE, name='minimax')", "the name is taken"),
    ],
)
def test_broken_packages_are_named(source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point that fails raises an InputError every time the registry is read, not a half-filled registry."""
    _package(tmp_path, source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "offered", raising=False)
    registry = Registry((LOSSES["minimax"],), group="harness.losses.for_test")
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            list(registry)


def test_metadata_needs_no_torch() -> None:
    """Importing the losses, listing them and describing them all leaves torch unloaded."""
    program = (
        "import sys, harness.losses as losses; losses.catalogue(); losses.parse_variant('hinge'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
