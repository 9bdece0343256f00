"""Every variant's losses and slopes against autograd, finite differences and 50-digit arithmetic.

The cases come from the registry: a variant added there is tested here, at its default parameters and at values near
both ends of each range, unless its loss reads statistics of the batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import mpmath
import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from harness.errors import InputError
from harness.losses import (
    BUILT_IN,
    LOSSES,
    Variant,
    fake,
    fake_mean,
    probability,
    real,
    real_mean,
    relu,
    sigmoid,
    softplus,
)
from harness.losses.backends.torch_function import precise, rounded
from harness.losses.derivatives import Derivative, expectation
from harness.losses.primitives import LABELS, log_mean_exp

# Logits -40, -39.5, ..., 40. Products of a few rounded numbers: 4 units in the last place of max(1, |value|). A value
# above 1 may be exp(y) or x^k, whose rounded exponent moves it by about |y| = log(value) units, in two roundings: 2
# more for each unit of log(value).
LOGITS = [i / 2 for i in range(-80, 81)]
TOLERANCE = {torch.float32: 4 * 2.0**-23, torch.float64: 4 * 2.0**-52}
DTYPES = [torch.float32, torch.float64]


def _elementwise(variant: Variant) -> bool:
    """True when the loss reads no batch statistics and is not the formula of another entry with other settings."""
    symbols = variant.discriminator.free_symbols | variant.generator.free_symbols
    shares = any(not claim.settings for claim in variant.equivalences)
    return not shares and variant.direct is None and not symbols & {real_mean, fake_mean, log_mean_exp}


ELEMENTWISE = [variant for variant in BUILT_IN if _elementwise(variant)]


def _settings(variant: Variant) -> Iterator[dict[str, float]]:
    yield {}
    for parameter in variant.parameters:
        width = parameter.high - parameter.low
        yield {parameter.name: parameter.low + width / 64}
        yield {parameter.name: parameter.high - width / 64}
        if not parameter.low_open:
            yield {parameter.name: parameter.low}
        if not parameter.high_open:
            yield {parameter.name: parameter.high}


each_variant = pytest.mark.parametrize("variant", ELEMENTWISE, ids=lambda v: v.name)
each_smooth_variant = pytest.mark.parametrize(
    "variant", [v for v in ELEMENTWISE if v.slopes is None], ids=lambda v: v.name
)


def _pair(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    x = torch.tensor(LOGITS, dtype=dtype)
    return x.clone().requires_grad_(), x.flip(0).clone().requires_grad_()


def _assert_close(slopes: Tensor, expected: Tensor, tolerance: float, case: object) -> None:
    size = expected.double().abs().clamp(min=1)
    error = (slopes.double() - expected.double()).abs() / (size * (1 + size.log() / 2))
    worst = int(error.argmax())
    assert error[worst] <= tolerance, (case, LOGITS[worst], float(slopes[worst]), float(expected[worst]))


def _exact(derivative: Derivative, variant: Variant, params: dict[str, float], precision: str) -> list[Any]:
    """The slope at the pairs (x, -x) of ``LOGITS`` by mpmath, with exactly the parameters torch sees."""
    expression = expectation(derivative.own, variant.labels) if variant.labels else derivative.own
    assert derivative.through_mean == 0
    return [_at(expression, variant, params, x, precision=precision) for x in LOGITS]


def _at(
    expression: sympy.Expr,
    variant: Variant,
    params: dict[str, float],
    x: Any,
    *,
    precision: str = "float32",
    digits: int = 50,
) -> Any:
    symbols = {p.symbol: params.get(p.name, p.default) for p in variant.parameters}
    values = {real: x, fake: -mpmath.mpf(x)} | symbols
    return precise(expression, values=values, digits=digits, precision=precision)[0]


def _slopes(variant: Variant, r: Tensor, f: Tensor, params: dict[str, Any]) -> dict[str, Tensor]:
    on_real, on_fake = variant.discriminator_slopes(r, f, **params)
    return {"real": on_real, "fake": on_fake, "generator": variant.generator_slope(r, f, **params)}


def _derivatives(variant: Variant) -> dict[str, Derivative]:
    return {
        "real": variant.real_derivative,
        "fake": variant.fake_derivative,
        "generator": variant.generator_derivative,
    }


@each_smooth_variant
def test_slopes_are_the_autograd_of_the_losses(variant: Variant) -> None:
    """The slopes from the formula equal torch's automatic derivative of the loss from the formula."""
    for params, dtype in itertools.product(_settings(variant), DTYPES):
        r, f = _pair(dtype)
        on_real, on_fake = torch.autograd.grad(variant.discriminator_loss(r, f, **params).sum(), (r, f))
        (on_generated,) = torch.autograd.grad(variant.generator_loss(r, f, **params).sum(), f)
        slopes = _slopes(variant, r.detach(), f.detach(), params)
        for name, expected in (("real", on_real), ("fake", on_fake), ("generator", on_generated)):
            _assert_close(slopes[name], expected, TOLERANCE[dtype], (name, params, dtype))


@pytest.mark.slow
@each_variant
def test_slopes_are_exact_to_the_working_precision(variant: Variant) -> None:
    """The torch slopes at logits -40..40 equal their 50-digit values to a few units in the last place.

    Parameters are first rounded to the dtype, as the tensors hold them; ``probability`` is rounded in both.
    """
    for params, dtype in itertools.product(_settings(variant), DTYPES):
        rounded_params = {k: float(torch.tensor(v, dtype=dtype)) for k, v in variant.bind(params).items()}
        r, f = (x.detach() for x in _pair(dtype))
        precision = str(dtype).removeprefix("torch.")
        slopes = _slopes(variant, r, f, params)
        for name, derivative in _derivatives(variant).items():
            exact = _exact(derivative, variant, rounded_params, precision)
            expected = torch.tensor([float(x) for x in exact], dtype=torch.float64)
            _assert_close(slopes[name], expected, TOLERANCE[dtype], (name, params, dtype))


def _kinks(variant: Variant) -> list[sympy.Expr]:
    """Expressions that are 0 where a loss has a kink."""
    atoms = {a for loss in (variant.discriminator, variant.generator) for a in loss.atoms(relu, sympy.Abs)}
    return [atom.args[0] for atom in atoms]


@pytest.mark.slow
@each_variant
def test_slopes_are_the_finite_difference_of_the_losses(variant: Variant) -> None:
    """Slopes equal central differences in 80-digit arithmetic (step 1e-15, so about 1e-30 of the third derivative off).

    Kinks (hinge's margins) are left out. For ``seed_exact`` the unrounded sigmoid stands for ``probability``, and
    only logits within 26 of 0 count, where neither of BCELoss's clamps is active.
    """
    for params in _settings(variant):
        _assert_finite_differences(variant, params)


def _assert_finite_differences(variant: Variant, params: dict[str, float]) -> None:
    reach = 26 if variant.slopes else 40
    kinks = _kinks(variant)
    points = [x for x in LOGITS if abs(x) <= reach and all(_at(k, variant, params, x) != 0 for k in kinks)]
    assert len(points) > reach
    losses = {
        "real": (variant.expected_discriminator, real),
        "fake": (variant.expected_discriminator, fake),
        "generator": (variant.generator, fake),
    }
    step = sympy.Rational(1, 10**15)
    for name, derivative in _derivatives(variant).items():
        loss, logit = (losses[name][0].replace(probability, sigmoid), losses[name][1])
        slope = derivative.own.replace(probability, sigmoid)
        slope = expectation(slope, variant.labels) if variant.labels else slope
        difference = (loss.subs(logit, logit + step) - loss.subs(logit, logit - step)) / (2 * step)
        for x in points:
            exact = _at(slope, variant, params, x, digits=80)
            error = _at(difference, variant, params, x, digits=80) - exact
            assert abs(error) < mpmath.mpf(10) ** -25 * max(1, abs(exact)), (name, params, x)


def test_tails_keep_their_relative_accuracy() -> None:
    """At logit -40 minimax still has the slope -exp(-40)/(1 + exp(-40)), to 1e-6 of itself in float32."""
    slope = LOSSES["minimax"].generator_slope(None, torch.tensor([-40.0]))
    assert float(slope) == pytest.approx(float(-1 / (1 + mpmath.exp(40))), rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_generator_label_ends_in_its_named_neighbours_bit_for_bit(dtype: torch.dtype) -> None:
    """generator_label has the slope of non_saturating at t = 1 and of flipped_labels at t = 0, signs of zero included.

    The logits reach +-1000, where sigmoids are 0; t is given as a number and as a column.
    """
    bits = torch.int32 if dtype == torch.float32 else torch.int64
    x = torch.cat([torch.linspace(-1000, 1000, 2001, dtype=dtype), torch.tensor(LOGITS, dtype=dtype)])[None, :]
    for value, neighbour in ((1.0, "non_saturating"), (0.0, "flipped_labels")):
        expected = LOSSES[neighbour].generator_slope(None, x)
        for t in (value, torch.tensor([[value]])):
            found = LOSSES["generator_label"].generator_slope(None, x, t=t)
            assert torch.equal(found.view(bits), expected.view(bits))


def test_flipped_convention_is_non_saturating_with_negated_logits() -> None:
    """Swapping the labels of both players equals negating every logit, bit for bit; slopes change sign."""
    r, f = (x.detach() for x in _pair(torch.float32))
    one, other = LOSSES["flipped_convention"], LOSSES["non_saturating"]
    assert torch.equal(one.discriminator_loss(r, f), other.discriminator_loss(-r, -f))
    assert torch.equal(one.generator_loss(r, f), other.generator_loss(-r, -f))
    for name, slope in _slopes(one, r, f, {}).items():
        assert torch.equal(slope, -_slopes(other, -r, -f, {})[name])


RELATIVISTIC = Variant(
    name="relativistic_average",
    family="test",
    discriminator=softplus(-(real - fake_mean)) + softplus(fake - real_mean),
    generator=softplus(real - fake_mean) + softplus(-(fake - real_mean)),
)


def test_slopes_run_through_batch_means() -> None:
    """A loss of batch means gets the slopes of autograd, per row; its parts are None because every term mixes data."""
    noise = torch.Generator().manual_seed(1)
    r, f = (3 * torch.randn(2, 4, 7, generator=noise, dtype=torch.float64)).unbind(0)
    r.requires_grad_(), f.requires_grad_()
    with LOSSES.registered(RELATIVISTIC) as variant:
        on_real, on_fake = torch.autograd.grad(variant.discriminator_loss(r, f).sum(), (r, f))
        (on_generated,) = torch.autograd.grad(variant.generator_loss(r, f).sum(), f)
        found = _slopes(variant, r.detach(), f.detach(), {})
        assert variant.discriminator_parts(r, f) == (None, None)
        assert variant.generator_reads_real
        with pytest.raises(InputError, match="reads the real logits"):
            variant.generator_slope(None, f)
    for name, expected in (("real", on_real), ("fake", on_fake), ("generator", on_generated)):
        torch.testing.assert_close(found[name], expected, rtol=1e-12, atol=1e-13)


def _representable(variant: Variant, rows: list[dict[str, float]], scale: float, dtype: torch.dtype) -> bool:
    """True when losses and slopes at the logits +-scale lie within a hundredth of the largest number of the dtype."""
    largest = torch.finfo(dtype).max / 100
    slopes = [d.own for d in _derivatives(variant).values()]
    labels = dict.fromkeys(LABELS, 1.0)
    return all(
        abs(value) < largest
        for row in rows
        for x, y in itertools.product((-scale, scale), repeat=2)
        for value in precise(
            *(variant.discriminator, variant.generator, *slopes),
            values={real: x, fake: y} | labels | {p.symbol: row[p.name] for p in variant.parameters},
        )
    )


@pytest.mark.slow
@each_variant
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_values_are_finite_shaped_and_independent_of_their_neighbours(variant: Variant, data: st.DataObject) -> None:
    """Any shape, dtype and logits up to +-1e4: results are finite, have the logits' shape and dtype, and an element
    has the same bits alone as in its batch; parameters in a column act row by row as numbers do. Where the exact
    values at +-1e4 are no numbers of the dtype, as with exponentials, logits reach +-40.
    """
    dtype = data.draw(st.sampled_from(DTYPES))
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 37))
    noise = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    chosen = {
        p.name: [
            data.draw(st.floats(p.low, p.high, exclude_min=p.low_open, exclude_max=p.high_open, width=32))
            for _ in range(rows)
        ]
        for p in variant.parameters
    }
    by_row = [{name: values[i] for name, values in chosen.items()} for i in range(rows)]
    scale = data.draw(st.sampled_from([1.0, 40.0, 1e4]))
    scale = scale if _representable(variant, by_row, scale, dtype) else 40.0
    r, f = (scale * (2 * torch.rand(2, rows, columns, generator=noise, dtype=dtype) - 1)).unbind(0)
    column = {k: torch.tensor(v, dtype=torch.float32)[:, None] for k, v in chosen.items()}
    row, item = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    one = {k: v[row] for k, v in chosen.items()}
    for compute in (_all_values, lambda v, a, b, p: list(_slopes(v, a, b, p).values())):
        whole = compute(variant, r, f, column)
        alone = compute(variant, r[row, item : item + 1], f[row, item : item + 1], one)
        for batch, single in zip(whole, alone, strict=True):
            assert batch.shape == r.shape
            assert batch.dtype == dtype
            assert bool(torch.isfinite(batch).all())
            assert torch.equal(batch[row, item : item + 1], single)


def _all_values(variant: Variant, r: Tensor, f: Tensor, params: dict[str, Any]) -> list[Tensor]:
    on_real, on_fake = variant.discriminator_parts(r, f, **params)
    whole = [variant.discriminator_loss(r, f, **params), variant.generator_loss(r, f, **params)]
    if on_real is None or on_fake is None:  # a term compares real with generated data
        assert on_real is on_fake
        return whole
    torch.testing.assert_close(on_real + on_fake, whole[0], rtol=1e-5, atol=1e-6)
    return [*whole, on_real, on_fake]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_an_element_has_the_same_bits_alone(dtype: torch.dtype) -> None:
    """1024 slopes and losses computed together equal those computed one by one, bit for bit.

    ``torch.sigmoid`` fails this on a CPU in about one element of thirty, which is why it is not used.
    """
    noise = torch.Generator().manual_seed(2)
    x = 80 * torch.rand(1024, generator=noise, dtype=dtype) - 40
    for name in ("minimax", "non_saturating", "seed_exact"):
        for compute in (LOSSES[name].generator_slope, LOSSES[name].generator_loss):
            assert torch.equal(compute(None, x), torch.cat([compute(None, one) for one in x.split(1)])), name


def test_constant_slopes_have_the_shape_of_the_logits() -> None:
    """The Wasserstein slopes are -1, 1 and -1 in full tensors, in every dtype, down to a tensor without dimensions."""
    for shape in ((3, 4), (2, 1, 5), ()):
        x = torch.zeros(shape, dtype=torch.float64)
        found = _slopes(LOSSES["wasserstein"], x, x, {})
        assert [s.unique().tolist() for s in found.values()] == [[-1.0], [1.0], [-1.0]]
        assert {(s.shape, s.dtype) for s in found.values()} == {(x.shape, x.dtype)}


@given(x=st.floats(-80, 80, width=32))
def test_rounding_emulates_float32(x: float) -> None:
    """``rounded`` is the rounding of torch's conversion from float64, for normal, subnormal and overflowing numbers."""
    with mpmath.workdps(50):
        for value in (x, float(mpmath.exp(x)), x * 2.0**-145, x * 2.0**125):
            assert float(rounded(mpmath.mpf(value), "float32")) == float(torch.tensor(value).double().float())


def test_bad_arguments_are_refused_by_name() -> None:
    """Unknown and out-of-range parameters, wrong shapes, dtypes and labels raise one line that says what is allowed."""
    x = torch.zeros(3)
    label, noise = LOSSES["generator_label"], LOSSES["flipped_noise"]
    for call, message in (
        (lambda: label.generator_loss(x, x, t=1.5), r"generator_label: t = 1.5 is outside \[0, 1\]"),
        (lambda: label.generator_loss(x, x, t="a"), r"generator_label: t must be a number in \[0, 1\], got 'a'"),
        (lambda: label.generator_loss(x, x, t=float("nan")), r"t = nan is outside"),
        (lambda: label.generator_loss(x, x, p=0.1), r"unknown parameter 'p'; it takes t in \[0, 1\]"),
        (lambda: LOSSES["minimax"].generator_loss(x, x, t=0.1), "minimax: .* it takes no parameters"),
        (lambda: noise.discriminator_loss(x, x, p=0.5), r"p = 0.5 is outside \[0, 0.5\)"),
        (lambda: label.discriminator_loss(x, x[:, None]), r"one shape and dtype, got \(3,\) .* and \(3, 1\)"),
        (lambda: label.discriminator_loss(x, x.double()), "one shape and dtype"),
        (lambda: label.generator_loss(None, x.long()), "must be floating point"),
        (lambda: label.discriminator_loss(x, x, labels=(x, x)), "labels were given, but this loss draws none"),
        (lambda: label.draw_labels(x, x), "draws no labels"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@each_variant
def test_cuda_agrees_with_the_cpu(variant: Variant) -> None:
    """On CUDA tensors, with parameters as numbers, the slopes are the CPU's to a few units in the last place."""
    r, f = (x.detach() for x in _pair(torch.float32))
    for params in _settings(variant):
        on_device = _slopes(variant, r.cuda(), f.cuda(), params)
        for name, expected in _slopes(variant, r, f, params).items():
            assert on_device[name].is_cuda
            _assert_close(on_device[name].cpu(), expected, TOLERANCE[torch.float32], (name, params))
