"""The card of a loss: what is derived from its formulas, at symbols and at values, and how it reads on a terminal."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import sympy
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from harness.cli.losses import print_card
from harness.errors import InputError
from harness.losses import LOSSES, Parameter, Prediction, Registry, Variant, fake, fake_mean, real, relu, softplus
from harness.losses.card import bound, card, identity_text
from harness.losses.describe import describe, saturates, slope_at_infinity, slope_at_zero
from harness.losses.direct_loss import Direct
from harness.losses.metadata import Citation, Dirac, Equivalence
from harness.losses.primitives import log_mean_exp, real_mean
from harness.losses.symmetry import rejecting_end, swap_symmetric

CROSS_ENTROPY = softplus(-real) + softplus(fake)
PLAIN = Variant(name="plain", family="test", discriminator=CROSS_ENTROPY, generator=softplus(-fake))
GAP = Direct(formula=r"\frac{1}{B}\sum_i |x_i - y_i|", text="mean |x - y|", loss=lambda x, y, _: (x - y).abs().mean(-1))
#: A parameter w with 0 < w < 2 for which D's loss is softplus(-real) + w softplus(fake): symmetric at w = 1 alone.
W = Parameter("w", 1.0, 0.0, 2.0, "the weight of generated data", low_open=True, high_open=True)
WEIGHED = dataclasses.replace(
    PLAIN, name="weighed", discriminator=softplus(-real) + W.symbol * softplus(fake), parameters=(W,),
    prediction=Prediction("rings", "It spirals in."), dirac=Dirac("rings", "rings"),
    equivalences=(Equivalence("plain", "The weight is 1."), Equivalence("halved", "Declared.", params=(("w", 0.5),))),
)  # fmt: skip
HALVED = dataclasses.replace(PLAIN, name="halved", discriminator=softplus(-real) + softplus(fake) / 2)
FAMILY = Registry((PLAIN, HALVED, WEIGHED), group="")


def with_discriminator(discriminator: Any) -> Variant:
    """A variant whose D minimises ``discriminator``."""
    return dataclasses.replace(PLAIN, discriminator=discriminator)


# --- what is derived ------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 5), st.integers(1, 5), st.integers(-3, 3), st.sampled_from([softplus, relu, sympy.tanh, sympy.exp])
)
@example(weight=1, scale=1, shift=-3, scorn=relu)  # flat up to logit 3
def test_the_same_scorn_for_both_kinds_is_symmetric(weight: int, scale: int, shift: int, scorn: Any) -> None:
    """h(-real) + h(fake) is symmetric under (real, fake) -> (-fake, -real) whatever h is; h(-real) + 2 h(fake) not."""

    def h(logit: Any) -> Any:
        return weight * scorn(scale * logit + shift)

    assert swap_symmetric(with_discriminator(h(-real) + h(fake))) == "yes"
    # softplus and exp are positive, so 2 h differs from h; relu and tanh do at the logits that are tried.
    assert swap_symmetric(with_discriminator(h(-real) + 2 * h(fake))) == "no"


def test_symmetry_holds_for_every_value_or_not_at_all() -> None:
    """A parameter that is symmetric at its default alone says "no"; at that value it says "yes"."""
    assert swap_symmetric(WEIGHED) == "no"
    assert swap_symmetric(bound(WEIGHED, {"w": 1.0}, "weighed(w=1)")) == "yes"
    # (r - b)^2 + (f - a)^2 under the swap: (f + b)^2 + (r + a)^2, the same if and only if a = -b.
    squares = LOSSES["least_squares"]
    for values, verdict in (((-1, 1, 0), "yes"), ((0, 1, 1), "no"), ((-0.3, 0.3, 1), "yes")):
        at = dict(zip("abc", map(float, values), strict=True))
        assert swap_symmetric(bound(squares, at, "at")) == verdict


def test_symmetry_is_decided_on_whole_minibatches() -> None:
    """A statistic of the batch that looks symmetric for one decision is tried on two; what stays open is said so."""
    # log((e^r + e^f)/2) - r = softplus(f - r) - log 2 is symmetric for K = 1; for K = 2 the mean of r is not.
    assert swap_symmetric(with_discriminator(log_mean_exp - real_mean)) == "no"
    assert swap_symmetric(with_discriminator(softplus(-(real - fake_mean)) + softplus(fake - real_mean))) == "yes"
    # relu(-1 - x^2) is 0 for every x, which the algebra of the swap cannot know.
    assert swap_symmetric(with_discriminator(CROSS_ENTROPY + relu(-1 - log_mean_exp**2))) == "undecided"
    assert swap_symmetric(with_discriminator(0)) is None


def test_labels_count_with_their_means() -> None:
    """Flips with one chance for both kinds are symmetric, smoothing of the real label alone is not."""
    assert swap_symmetric(LOSSES["flipped_noise"]) == "yes"
    assert swap_symmetric(LOSSES["one_sided_smoothing"]) == "no"
    labels = describe(LOSSES["flipped_noise"])["labels"]
    assert [labels[kind]["mean"] for kind in ("real", "fake")] == ["1 - p", "p"]


def test_the_end_that_d_rejects_follows_from_its_loss() -> None:
    """-oo where high means real, +oo under the swapped convention, also for squares whose slope is 0 at logit 0."""
    assert rejecting_end(LOSSES["minimax"]) == -sympy.oo
    assert rejecting_end(LOSSES["flipped_convention"]) == sympy.oo
    assert rejecting_end(LOSSES["least_squares"]) == -sympy.oo
    assert rejecting_end(with_discriminator(0)) is None


def test_saturation_follows_from_the_limit_where_d_is_sure() -> None:
    """Slopes at that end by hand: -sigmoid(-oo) = 0; -sigmoid(oo) = -1; sigmoid(oo) = 1; s(-oo) - t = -t."""
    dial = LOSSES["generator_label"]
    assert saturates(LOSSES["minimax"]) == "yes"
    assert saturates(LOSSES["non_saturating"]) == "no"
    assert saturates(LOSSES["flipped_convention"]) == "no"
    assert saturates(dial) == "where t = 0"
    assert [saturates(bound(dial, {"t": t}, "at")) for t in (0.0, 0.25, 1.0)] == ["yes", "no", "no"]
    # -w vanishes at 0 only, which is outside (0, 2).
    weighed = dataclasses.replace(WEIGHED, generator=W.symbol * softplus(-fake))
    assert saturates(weighed) == "no"
    assert saturates(dataclasses.replace(PLAIN, generator=softplus(fake_mean - fake))) == "undecided"
    assert saturates(dataclasses.replace(PLAIN, discriminator=0 * real)) is None


def test_a_direct_loss_is_shown_and_a_zero_is_not() -> None:
    """The generator minimises its direct loss, printed behind its formula of the logits if that is not 0."""
    alone = describe(dataclasses.replace(PLAIN, discriminator=0 * real, generator=0 * real, direct=GAP))
    assert (alone["discriminator"], alone["generator"], alone["reads_logits"]) == ("nothing", "mean |x - y|", False)
    assert (alone["discriminator_latex"], alone["generator_latex"]) == (r"\text{nothing}", GAP.formula)
    assert (alone["saturates"], alone["swap_symmetric"]) == (None, None)
    both = describe(dataclasses.replace(PLAIN, direct=GAP))
    assert (both["generator"], both["reads_logits"]) == ("softplus(-fake) + mean |x - y|", True)
    assert both["direct"] == {"text": GAP.text, "latex": GAP.formula}


def test_slopes_of_the_batch_have_no_limits() -> None:
    """A slope through the log of the mean of exp is no function of one logit; a step in a real logit stays a step."""
    soft = dataclasses.replace(PLAIN, generator=log_mean_exp - fake / 2)
    assert [slope_at_infinity(soft, end) for end in (-sympy.oo, sympy.oo)] == [None, None]
    assert slope_at_zero(soft) is None
    paired = dataclasses.replace(PLAIN, generator=relu(1 - fake + real))
    assert describe(paired)["slope_at_zero"] == "-step(real + 1)"


# --- at values ------------------------------------------------------------------------------------------------------

WITH_PARAMETERS = [variant for variant in LOSSES.values() if variant.parameters]


@given(st.data())
def test_at_values_the_formulas_are_the_variant_there(data: st.DataObject) -> None:
    """Losses without parameters, made at values, equal the variant's own at those values, labels' means included."""
    variant = data.draw(st.sampled_from(WITH_PARAMETERS))
    # Sixteenths within 2 of the default: fractions with short decimals, and no overflow at the logits below.
    values = {}
    for p in variant.parameters:
        steps = [p.default + k / 16 for k in range(-32, 33) if p.contains(p.default + k / 16)]
        values[p.name] = data.draw(st.sampled_from(steps), label=p.name)
    there = bound(variant, values, "there")
    r, f = torch.tensor([[0.5, -1.5, 2.0]]).double(), torch.tensor([[-0.25, 1.0, -2.0]]).double()
    assert not there.parameters
    torch.testing.assert_close(there.discriminator_loss(r, f), variant.discriminator_loss(r, f, **values))
    torch.testing.assert_close(there.generator_loss(r, f), variant.generator_loss(r, f, **values))
    torch.testing.assert_close(there.generator_slope(r, f), variant.generator_slope(r, f, **values))


def test_a_value_is_the_fraction_of_its_decimal_digits() -> None:
    """0.1 enters as 1/10, so that 1 - 0.1 is 9/10 in the formulas; and the card is called by its canonical text."""
    variant, values = LOSSES.parse("flipped_noise(p=0.1)")
    facts = card(variant, LOSSES, values)
    assert facts["name"] == "flipped_noise(p=0.1)"
    assert [facts["labels"][kind]["mean"] for kind in ("real", "fake")] == ["9/10", "1/10"]
    assert facts["parameters"] == []


def test_predictions_are_withheld_away_from_the_defaults() -> None:
    """Outcomes were predicted for the defaults: at other values they are unknown, while the words stay."""
    at_default, elsewhere = (card(WEIGHED, FAMILY, {"w": w}) for w in (1.0, 0.25))
    assert (at_default["prediction"]["outcome"], at_default["dirac"]["simultaneous"]) == ("rings", "rings")
    assert (elsewhere["prediction"]["outcome"], elsewhere["dirac"]["simultaneous"]) == ("unknown", "unknown")
    assert elsewhere["prediction"]["text"] == "It spirals in."


def test_an_identity_stands_on_both_cards_where_it_holds() -> None:
    """Declared once, it is found from either side; at values, only if it holds at those; unknown names are refused."""
    mine = [(e["other"], e["params"]) for e in card(WEIGHED, FAMILY)["equivalences"]]
    assert mine == [("plain", {}), ("halved", {"w": 0.5})]
    assert [e["other"] for e in card(PLAIN, FAMILY)["equivalences"]] == ["weighed(w=1)"]
    assert [e["other"] for e in card(HALVED, FAMILY)["equivalences"]] == ["weighed(w=0.5)"]
    for w, others in ((1.0, ["plain"]), (0.5, ["halved"]), (0.25, [])):
        facts = card(WEIGHED, FAMILY, {"w": w})
        assert [(e["other"], e["params"]) for e in facts["equivalences"]] == [(other, {}) for other in others]
    wrong = dataclasses.replace(PLAIN, name="wrong", equivalences=(Equivalence("nobody", "No."),))
    with pytest.raises(InputError, match="no loss variant is called 'nobody'"):
        card(PLAIN, Registry((PLAIN, wrong), group=""))


def test_an_identity_in_words() -> None:
    """Values, relation and settings are said, and the reason follows."""
    facts = {"other": "least_squares(a=-1)", "params": {"k": 2.0}, "why": "Both are quadratic."}
    same = facts | {"relation": "same", "settings": True}
    assert identity_text(same) == "at k = 2: trains as least_squares(a=-1) (Both are quadratic)"
    negated = facts | {"relation": "negated", "settings": False, "params": {}}
    assert identity_text(negated) == (
        "with every logit negated, trains as least_squares(a=-1), once both are trained with the same settings "
        "(Both are quadratic)"
    )


# --- of the registry, and on a terminal -----------------------------------------------------------------------------


@pytest.mark.slow
def test_every_card_is_plain_data_and_fits_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON holds the card unchanged; printed at 80 columns no line is longer and formulas, needs, source are there."""
    monkeypatch.setenv("COLUMNS", "80")
    for name, variant in LOSSES.items():
        facts = card(variant, LOSSES)
        assert json.loads(json.dumps(facts, allow_nan=False)) == facts
        print_card(facts)
        printed = capsys.readouterr().out
        assert max(map(len, printed.splitlines())) <= 80, name
        squeezed = "".join(printed.split())
        words = [facts["discriminator"], facts["generator"], facts["citation"], facts["confused_with"]]
        words += [facts["prediction"]["text"], facts["bibtex"] or "", *facts["needs"]]
        words += [f"{p['interval']}: {p['meaning']}" for p in facts["parameters"]]
        assert [word for word in words if "".join(word.split()) not in squeezed] == [], name


def test_what_was_not_checked_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that was held against the formula is named; otherwise the card says that it was not."""
    monkeypatch.setenv("COLUMNS", "100")
    citation = Citation("key", ("Ada Lovelace",), 1843, "Notes", checked="Note G")
    for checked, said in (("Note G", "checked      against Note G"), ("", "not checked against the paper")):
        variant = dataclasses.replace(PLAIN, citation=dataclasses.replace(citation, checked=checked))
        print_card(card(variant, FAMILY))
        assert said in capsys.readouterr().out


def test_a_need_is_explained_by_its_penalty(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that is a penalty's weight is given with the penalty's title; another one stands alone."""
    monkeypatch.setenv("COLUMNS", "120")
    print_card(card(dataclasses.replace(PLAIN, needs={"r1": 0.5, "d_steps": 5, "order": "simultaneous"}), FAMILY))
    printed = capsys.readouterr().out
    assert "r1 = 0.5: R1, " in printed
    needs = [line.removeprefix("needs").strip() for line in printed.splitlines() if line.startswith("needs")]
    assert needs[1:] == ["d_steps = 5", "order = simultaneous"]
