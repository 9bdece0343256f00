"""Views: what each shows of a minibatch, which gradient comes back through it, and whose numbers it reads."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from literal_script import with_squared_deviations
from numpy.typing import NDArray
from scipy import stats

from harness.data.views import VIEWS, View, pack, parse_view
from harness.errors import InputError

#: Read the values in any order alike.
SETS = ("moments", "sorted")

views = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


def minibatches(rows: int, batch: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Draws from N(4, 1.25), the same at every call."""
    return torch.from_numpy(np.random.default_rng(3).normal(4, 1.25, (rows, batch))).to(dtype)


def features_and_gradient(view: View, x_PB: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The features, and the gradient of a weighted sum of each row's."""
    x_PB = x_PB.clone().requires_grad_()
    features = view.features(x_PB)
    weights = torch.linspace(-1, 1, features[0].numel(), dtype=x_PB.dtype).view(features.shape[1:])
    (gradient,) = torch.autograd.grad((features * weights).sum(), x_PB)
    return features.detach(), gradient


def shown(view: str, x_B: NDArray[np.float64]) -> NDArray[np.float64]:
    """The features (K, N) of one minibatch by numpy and scipy."""
    deviations = x_B - x_B.mean()
    return {
        "raw": lambda: x_B[None],
        "variances": lambda: np.concatenate([x_B, deviations**2])[None],
        "diffs": lambda: np.concatenate([x_B, deviations])[None],
        "moments": lambda: np.array([[x_B.mean(), x_B.std(), stats.skew(x_B), stats.kurtosis(x_B)]]),
        "sorted": lambda: np.sort(x_B)[None],
        "sample": lambda: x_B[:, None],
        "pack(m=2)": lambda: np.stack([x_B[::2], x_B[1::2]], axis=1),
    }[view]()


@views
def test_features_are_those_of_numpy(view: View) -> None:
    """Each view shows what its formula says (scipy's skewness and excess kurtosis, divisor n), in the shape it states.

    Tolerance 1e-12: the fourth moment of 12 values of size 4 is a sum of as many rounded terms.
    """
    x_PB = minibatches(3, 12)
    found = view.features(x_PB)
    assert found.shape == (3, view.decisions(12), view.inputs(12))
    for x_B, features_KN in zip(x_PB.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(features_KN, shown(view.name, x_B), rtol=1e-12, atol=1e-12)


@views
def test_gradients_are_the_derivatives(view: View) -> None:
    """The gradient through each view is its central difference (step 1e-6, tolerance 1e-7 for the cut and rounding).

    Where a mean is a constant to the gradient, it stays where it was while a value is moved.
    """
    x_PB = minibatches(1, 8)
    _, gradient = features_and_gradient(view, x_PB)
    weights = torch.linspace(-1, 1, view.decisions(8) * view.inputs(8), dtype=torch.float64)
    mean = x_PB.mean()
    still = {"variances": lambda x: [x, (x - mean) ** 2], "diffs": lambda x: [x, x - mean]}
    read = still.get(view.name, lambda x: [view.features(x).flatten(1)])
    for b in range(8):
        ends = []
        for move in (1e-6, -1e-6):
            moved = x_PB.clone()
            moved[0, b] += move
            ends.append(float((torch.cat(read(moved), 1)[0] * weights).sum()))
        assert float(gradient[0, b]) == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-7)


def test_variances_view_is_the_seeds_with_its_dead_mean() -> None:
    """The variances view equals the script's preprocessing, in value and in gradient: none flows through the mean."""
    x = minibatches(1, 100).requires_grad_()
    weights = torch.linspace(-1, 1, 200, dtype=torch.float64)
    ours, theirs = VIEWS["variances"].features(x)[:, 0], with_squared_deviations(x)
    torch.testing.assert_close(ours, theirs)
    (grad_ours,), (grad_theirs,) = (torch.autograd.grad((f * weights).sum(), x) for f in (ours, theirs))
    torch.testing.assert_close(grad_ours, grad_theirs)
    through_mean = torch.cat([x, (x - x.mean()).square()], 1)
    (grad_live,) = torch.autograd.grad((through_mean * weights).sum(), x)
    assert not torch.allclose(grad_ours, grad_live)


@views
def test_a_row_does_not_show_in_another(view: View) -> None:
    """StepOptions and gradient of a minibatch have the same bits alone, in any number of rows and in any place."""
    for dtype, batch in itertools.product((torch.float32, torch.float64), (2, 6, 20, 34, 100)):
        x_PB = minibatches(33, batch, dtype)
        everything = features_and_gradient(view, x_PB)
        for rows in (slice(0, 1), slice(0, 2), slice(5, 12), slice(1, 17), slice(32, 33)):
            for whole, part in zip(everything, features_and_gradient(view, x_PB[rows]), strict=True):
                assert torch.equal(part, whole[rows]), (dtype, batch, rows)


@pytest.mark.parametrize("name", SETS)
@given(order=st.permutations(range(10)))
def test_order_is_invisible(name: str, order: list[int]) -> None:
    """Sorted shows any order of the values as the same bits, moments as the same numbers (to rounding, 1e-12)."""
    x_PB = minibatches(1, 10)
    one, other = (VIEWS[name].features(x) for x in (x_PB, x_PB[:, order]))
    torch.testing.assert_close(
        one, other, rtol=1e-12 if name == "moments" else 0, atol=1e-12 if name == "moments" else 0
    )


@pytest.mark.parametrize("value", [0.0, 4.1, -1e30, 1e-40])
def test_a_constant_minibatch_has_moments_and_gradients(value: float) -> None:
    """Mean, and 0, 0 and -3 for spread, skewness and excess kurtosis; the gradient is the mean's alone, 1/n each."""
    features, _ = features_and_gradient(VIEWS["moments"], torch.full((2, 10), value))
    assert features.tolist() == [[[torch.tensor(value).item(), 0.0, 0.0, -3.0]]] * 2
    x = torch.full((1, 10), value, requires_grad=True)
    (gradient,) = torch.autograd.grad(VIEWS["moments"].features(x).sum(), x, create_graph=True)
    assert torch.allclose(gradient, torch.full((1, 10), 0.1))
    (again,) = torch.autograd.grad(gradient.square().sum(), x, allow_unused=True, materialize_grads=True)
    assert torch.isfinite(again).all()


@pytest.mark.slow
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=12), st.floats(0, 1e-6))
@example(values=[0.0, 198.0], narrow=2.68e-25)  # a variance of 7e-46: its reciprocal overflows
@settings(max_examples=1000)
def test_moments_and_their_gradients_are_finite(values: list[float], narrow: float) -> None:
    """For any minibatch, also one squeezed to a spread that float32 hardly resolves."""
    for scale in (1.0, narrow):
        features, gradient = features_and_gradient(VIEWS["moments"], torch.tensor([values]) * scale)
        assert torch.isfinite(features).all()
        assert torch.isfinite(gradient).all()


@given(m=st.integers(1, 12), decisions=st.integers(1, 9))
def test_pack_shows_consecutive_values(m: int, decisions: int) -> None:
    """m values a decision, in the order drawn: pack(m=1) is sample, and m = B is raw."""
    x_PB = minibatches(2, m * decisions)
    view = pack(m)
    assert (view.decisions(m * decisions), view.inputs(m * decisions), view.divisor) == (decisions, m, m)
    features_PKN = view.features(x_PB)
    for k in range(decisions):
        assert torch.equal(features_PKN[:, k], x_PB[:, k * m : (k + 1) * m])
    if m == 1:
        assert torch.equal(features_PKN, VIEWS["sample"].features(x_PB))
    if decisions == 1:
        assert torch.equal(features_PKN, VIEWS["raw"].features(x_PB))


@given(st.sampled_from(list(VIEWS)) | st.integers(1, 10**6).map("pack(m={})".format))
def test_text_is_canonical(text: str) -> None:
    """A view's name is a text that names it, and other ways to write it have the same name."""
    assert parse_view(text).name == text
    spaced = text.replace("(", " ( ").replace("=", " = ").replace(")", " ) ")
    assert parse_view(f" {spaced}").name == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "raws",
            "got 'raws'; nearest: 'raw'; allowed: raw, variances, diffs, moments, sorted, sample, pack(m=2), with",
        ),
        ("pack", "got 'pack'; nearest: 'pack(m=2)'; allowed"),
        ("pack(m=0)", "got 'pack(m=0)'; nearest"),
        ("pack(m=-1)", "got 'pack(m=-1)'; nearest"),
        ("pack(m=1000001)", "got 'pack(m=1000001)'; nearest"),
        ("raw(m=2)", "got 'raw(m=2)'"),
        ("", "got ''; allowed"),
        ("x" * 5000, "xxx'...; allowed"),
        ("a\nb", r"got 'a\nb'; allowed"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_unknown_views_are_refused_in_one_line(text: str, said: str) -> None:
    """An unknown view is quoted, shortened if it is long, with the nearest and all allowed ones."""
    with pytest.raises(InputError) as refusal:
        parse_view(text)
    assert said in str(refusal.value)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 250
