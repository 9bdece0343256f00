"""Losses, label laws and penalty coefficients as C, compiled by g++ once for all variants, against torch and mpmath."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy
import torch
from numpy.typing import NDArray

from harness.engines.cuda.host_build import OPTIONS
from harness.engines.cuda.source.kernel import kernel_file
from harness.errors import InputError
from harness.losses import BUILT_IN, LOSSES, Variant, fake, log_mean_exp
from harness.losses.backends.c_source import (
    function_source,
    losses_source,
    refusal,
    runs_through_statistics,
    statistics_of,
)
from harness.losses.penalties.gradient import GRADIENT_PENALTIES
from harness.losses.penalties.penalty import GradientPenalty, norm
from harness.losses.primitives import FUNCTIONS, real

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not on the PATH")

Float32 = NDArray[np.float32]

#: Two that are built from others stand for all combinations.
VARIANTS: tuple[Variant, ...] = (*BUILT_IN, LOSSES["hinge|minimax"], LOSSES["seed_exact|least_squares"])

#: What a kernel makes of slopes, for one variant: statistics, terms, and their sum (kernel/game.cuh does it in phases).
DRIVER = """
extern "C" void slopes(int loss, int side, int k, const float* real, const float* fake, const float* y_real,
                       const float* y_fake, const float* p, float* own, float* mean, float* lme,
                       const float* statistics) {
    for (int i = 0; i < k; ++i) {
        Logits l = {real[i], fake[i], statistics[0], statistics[1], statistics[2], y_real[i], y_fake[i]};
        Slope s = loss_slope(loss, (Side)side, l, p);
        own[i] = s.own, mean[i] = s.through_mean, lme[i] = s.through_lme;
    }
}
extern "C" void labels(int loss, int side, int k, const float* u, const float* p, float* y) {
    for (int i = 0; i < k; ++i) y[i] = draw_label(loss, (Side)side, u[i], p);
}
"""
ELEMENTARY = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "probability")


def loop(name: str) -> str:
    """A C function that applies another to an array."""
    return (
        f'extern "C" void array_{name.replace("::", "_")}(int k, const float* x, float* y) '
        f"{{ for (int i = 0; i < k; ++i) y[i] = {name}(x[i]); }}\n"
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Everything of this file in one compilation."""
    folder: Path = tmp_path_factory.mktemp("c_source")
    penalties = [function_source(f"pull_{p.name}", p.coefficient_formula, norm) for p in GRADIENT_PENALTIES]
    names = [*(f"pull_{p.name}" for p in GRADIENT_PENALTIES), *(f"fn::{name}" for name in ELEMENTARY)]
    parts = [
        "#define THREADS 256\n",
        *map(kernel_file, ("platform", "elementary")),
        losses_source(VARIANTS),
        *penalties,
    ]
    (folder / "all.cpp").write_text("\n".join([*parts, DRIVER, *map(loop, names)]))
    subprocess.run(["g++", "-O1", *OPTIONS, str(folder / "all.cpp"), "-o", str(folder / "all.so")], check=True)
    return ctypes.CDLL(str(folder / "all.so"))


def pointer(values: Float32) -> ctypes.c_void_p:
    return ctypes.c_void_p(values.ctypes.data)


def applied(library: ctypes.CDLL, name: str, x: Float32) -> Float32:
    """A function over an array."""
    y = np.empty_like(x)
    getattr(library, f"array_{name}")(len(x), pointer(x), pointer(y))
    return y


def chosen(variant: Variant) -> list[dict[str, float]]:
    """The defaults, and other values of each parameter well within its interval."""
    shifted = {p.name: float(p.low + 0.375 * (p.high - p.low)) for p in variant.parameters}
    return [{}, shifted] if variant.parameters else [{}]


def c_slopes(
    library: ctypes.CDLL,
    variant: Variant,
    logits: tuple[Float32, Float32],
    labels: Sequence[Float32],
    params: dict[str, float],
) -> list[Float32]:
    """The three slopes of a minibatch as a kernel adds them up."""
    r, f = logits
    k, values = len(r), np.array([*variant.bind(params).values(), 0.0], np.float32)
    both = np.concatenate([r, f])
    lme = np.log(np.exp(both - both.max()).mean()) + both.max()
    statistics = np.array([r.mean(), f.mean(), lme], np.float32)
    found = []
    for side, side_logits in enumerate((r, f, f)):
        own, mean, through = (np.empty(k, np.float32) for _ in range(3))
        arrays = (r, f, *labels, values, own, mean, through, statistics)
        library.slopes(VARIANTS.index(variant), side, k, *map(pointer, arrays))
        weight = np.exp(side_logits - lme) / 2 if through.any() else np.zeros(k, np.float32)
        found.append((own + mean.mean() + through.mean() * weight).astype(np.float32))
    return found


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_slopes_are_the_torch_functions(library: ctypes.CDLL, variant: Variant) -> None:
    """Over logits from -40 to 40 each generated slope is Variant's in float32, to 2e-5 of it or of 1.

    One minibatch where batch statistics count, else every logit on its own. Where exp(40) is a factor, an argument that
    float32 rounds by 2e-6 moves the slope by as much of itself.
    """
    grid = np.linspace(-40, 40, 641, dtype=np.float32)
    r, f = grid, grid[::-1].copy()
    labels = [np.full_like(r, 0.9), np.full_like(r, 0.2)]
    for params in chosen(variant):
        found = c_slopes(library, variant, (r, f), labels, params)
        real_K, fake_K = torch.from_numpy(r), torch.from_numpy(f)
        given = tuple(map(torch.from_numpy, labels)) if variant.draws_labels else None
        expected = [
            *variant.discriminator_slopes(real_K, fake_K, labels=given, **params),
            variant.generator_slope(real_K, fake_K, **params),
        ]
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=2e-5, atol=2e-5, err_msg=str(params))


def test_script_exact_dies_where_bceloss_does(library: ctypes.CDLL) -> None:
    """A logit of 20 is probability 1 in float32: D's slope on a fake there is exactly 0, and on a real one 0 too."""
    at = np.full(1, 20.0, np.float32)
    zero = [np.zeros(1, np.float32)] * 2
    on_real, on_fake, _ = c_slopes(library, LOSSES["seed_exact"], (at, at), zero, {})
    assert on_real[0] == 0.0
    assert on_fake[0] == 0.0
    on_real, on_fake, _ = c_slopes(library, LOSSES["seed_exact"], (at - 10, at - 10), zero, {})
    assert on_fake[0] > 0.99


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.draws_labels], ids=lambda v: v.name)
def test_labels_are_the_torch_functions(library: ctypes.CDLL, variant: Variant) -> None:
    """Both kinds of labels equal draw_labels for uniform numbers over (0, 1), to one rounding."""
    u = ((np.arange(1000) + 0.5) / 1000).astype(np.float32)
    for params in chosen(variant):
        values = np.array([*variant.bind(params).values(), 0.0], np.float32)
        expected = variant.draw_labels(torch.from_numpy(u), torch.from_numpy(u), **params)
        for side, theirs in enumerate(expected):
            ours = np.empty_like(u)
            library.labels(VARIANTS.index(variant), side, len(u), pointer(u), pointer(values), pointer(ours))
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("penalty", GRADIENT_PENALTIES, ids=lambda p: p.name)
def test_coefficients_are_the_torch_functions(library: ctypes.CDLL, penalty: GradientPenalty) -> None:
    """phi'(norm)/norm over norms from 0 to 50, 0 and 1 among them, to 2e-6; near the pole in units of its floor."""
    norms = np.concatenate([[0.0, 1e-20, 1e-6, 1.0], np.linspace(0.01, 50, 500)]).astype(np.float32)
    ours = applied(library, f"pull_{penalty.name}", norms)
    theirs = penalty.coefficient(torch.from_numpy(norms)).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)


def ulps(found: Float32, exact: list[mpmath.mpf]) -> float:
    """The largest error in units in the last place of the exact value."""
    worst = 0.0
    for ours, true in zip(found.tolist(), exact, strict=True):
        unit = float(np.spacing(np.float32(abs(true)) + np.float32(1e-38)))
        worst = max(worst, abs(float(mpmath.mpf(ours) - true)) / unit)
    return worst


@pytest.mark.parametrize(
    ("name", "exact", "low", "high"),
    [
        ("exp", mpmath.exp, -85.0, 88.0),
        ("expm1", mpmath.expm1, -80.0, 88.0),
        ("log1p", mpmath.log1p, -0.999, 50.0),
        ("tanh", mpmath.tanh, -12.0, 12.0),
        ("sigmoid", lambda x: 1 / (1 + mpmath.exp(-x)), -80.0, 80.0),
        ("softplus", lambda x: mpmath.log1p(mpmath.exp(x)), -80.0, 80.0),
    ],
)
def test_elementary_functions_are_accurate(
    library: ctypes.CDLL, name: str, exact: object, low: float, high: float
) -> None:
    """Within 4 units in the last place of the exact value, at 4000 points of the range and at 1000 near 0."""
    near = np.concatenate([np.geomspace(1e-9, 0.5, 500), -np.geomspace(1e-9, 0.5, 500)])
    x = np.concatenate([np.linspace(low, high, 4000), near]).astype(np.float32)
    assert callable(exact)
    assert ulps(applied(library, f"fn_{name}", x), [exact(mpmath.mpf(v)) for v in x.tolist()]) < 4


def test_logarithms_are_accurate_over_all_of_float32(library: ctypes.CDLL) -> None:
    """log within 3 units in the last place from the least denormal to the greatest number, and near 1."""
    x = np.concatenate([np.geomspace(1e-44, 3e38, 3000), np.linspace(0.5, 2, 1000)]).astype(np.float32)
    assert ulps(applied(library, "fn_log", x), [mpmath.log(mpmath.mpf(v)) for v in x.tolist()]) < 3


def test_elementary_functions_at_the_ends(library: ctypes.CDLL) -> None:
    """Infinities, zeros and NaN come out as torch has them."""
    x = np.array([-np.inf, -200.0, -0.0, 0.0, 200.0, np.inf, np.nan], np.float32)
    own = torch.from_numpy(x)
    expected = {
        "exp": own.exp(),
        "expm1": own.expm1(),
        "log": own.log(),
        "log1p": own.log1p(),
        "tanh": own.tanh(),
        "sigmoid": own.sigmoid(),
        "softplus": -torch.nn.functional.logsigmoid(-own),
        "probability": 1 / (1 + (-own).exp()),
    }
    assert set(expected) == set(ELEMENTARY)
    for name, theirs in expected.items():
        np.testing.assert_array_equal(applied(library, f"fn_{name}", x), theirs.numpy(), err_msg=name)


def test_every_function_of_formulas_has_a_c_form() -> None:
    """Whatever a formula may contain is defined in elementary.cuh under the name that the writer prints."""
    text = kernel_file("elementary")
    for function in FUNCTIONS:
        arguments = [sympy.Symbol(f"x{i}", real=True) for i in range(2 if 2 in function.nargs else 1)]
        printed = function_source(
            "f", function(*arguments[:1], *([sympy.Integer(3)] if len(arguments) > 1 else [])), arguments[0]
        )
        name = printed.split("fn::")[1].split("(")[0]
        assert f"DEVICE float {name}(float" in text, name


def test_a_formula_without_c_form_is_refused_by_name() -> None:
    """A function that no kernel has is named in the refusal; every built-in variant has a form."""
    strange = Variant(name="strange", family="mine", discriminator=sympy.gamma(real), generator=fake)
    assert refusal(strange) == "strange: no C form for gamma, polygamma"
    assert [v.name for v in BUILT_IN if refusal(v) is not None] == []
    with pytest.raises(InputError, match="no C form"):
        losses_source([strange])


def test_statistics_are_those_that_the_slopes_read() -> None:
    """Average relativistic losses read both means, softmax the log of the mean of exp, and most none."""
    assert {s.name for s in statistics_of(LOSSES["ragan"])} == {"real_mean", "fake_mean"}
    assert statistics_of(LOSSES["softmax"]) == {log_mean_exp}
    assert statistics_of(LOSSES["minimax"]) == frozenset()
    assert runs_through_statistics(LOSSES["ragan"])
    assert not runs_through_statistics(LOSSES["rpgan"])
