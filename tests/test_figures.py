"""The figures show the committed numbers, and survive what is missing or hostile."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricate import ARMS, FabricatedArm, fabricate_sweep
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import drawing, figures
from analysis.rows import target_of
from harness.store import SCHEMA
from harness.targets import Target

NAMES = [a.label for a in ARMS]
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Rows of four arms in one view."""
    return fabricate_sweep(tmp_path_factory.mktemp("sweep"), trials=3, confirm=6).frame()


def drawn(frame: pd.DataFrame, target: Target | None, arms: list[str]) -> list[bytes]:
    """Every figure of the module as PNG."""
    made = [
        figures.final_ks(frame, arms),
        figures.ks_over_steps(frame, arms),
        figures.densities(frame, target, arms),
        figures.quantile_plot(frame, target, arms),
        figures.losses(frame, arms),
        figures.search_scores(frame, arms),
    ]
    return [drawing.png(f) for f in made]


def test_final_figure_has_a_dot_per_seed(frame: pd.DataFrame) -> None:
    """The dots are the confirm members' KS distances, each once; arms are named on the axis in the order given."""
    (ax,) = figures.final_ks(frame, NAMES).axes
    dots = np.concatenate([np.asarray(c.get_offsets())[:, 0] for c in ax.collections])
    ks = frame.loc[frame["stage"] == "confirm", "ks"].clip(1e-5)
    np.testing.assert_allclose(np.sort(dots), np.sort(ks))
    assert [t.get_text() for t in ax.get_yticklabels()] == NAMES


def test_step_figure_draws_the_medians(frame: pd.DataFrame) -> None:
    """The last point of an arm's line is the median of its members' last snapshots (1 for those that diverged)."""
    (ax,) = figures.ks_over_steps(frame, NAMES).axes
    own = frame[(frame["stage"] == "confirm") & (frame["arm"] == NAMES[1])]
    last = [float(s[-1]) if o == "scored" else 1.0 for s, o in zip(own["snapshot_ks"], own["outcome"], strict=True)]
    line = ax.get_lines()[1]
    assert np.asarray(line.get_ydata())[-1] == pytest.approx(np.median(last))


def test_panels_per_arm_are_named(frame: pd.DataFrame) -> None:
    """Density, quantile and loss figures have a panel per arm, in the order given, with its name."""
    for figure in (figures.densities(frame, Target(), NAMES), figures.quantile_plot(frame, Target(), NAMES),
                   figures.losses(frame, NAMES)):  # fmt: skip
        assert [ax.get_title(loc="left").split("\n")[0] for ax in figure.axes if ax.axison] == NAMES


def test_winner_figures_show_the_law(frame: pd.DataFrame) -> None:
    """The quantile plot's points are the row's quantiles against the target's."""
    row = frame[frame["outcome"] == "scored"].iloc[0].to_dict()
    qq, density = figures.winner_figures(row, Target())
    points = np.asarray(qq.axes[0].collections[0].get_offsets())
    np.testing.assert_allclose(points[:, 1], row["quantiles"])
    assert [drawing.png(f)[:4] for f in (qq, density)] == [PNG, PNG]


def test_winner_without_a_law_is_said() -> None:
    """A row without finite quantiles gives two figures that say so."""
    for figure in figures.winner_figures({"arm": "a", "seed": 1, "quantiles": None, "outcome": "diverged"}, Target()):
        assert "no finite law: diverged" in [t.get_text() for t in figure.axes[0].texts]


def test_arms_have_looks_of_their_own() -> None:
    """No two of 60 arms share colour and marker."""
    looks = list(drawing.styles(str(i) for i in range(60)).values())
    assert len({(s.colour, s.marker) for s in looks}) == 60


def test_names_are_drawn_as_text(tmp_path: Path) -> None:
    """Formula marks, control characters, missing glyphs, a leading underscore and a long name break no figure."""
    hostile = ("$\\input{x}$", "_hidden", "\x1b[31m\n$", "\u4e2d\u6587 \u202e", "x" * 300)
    arms = [FabricatedArm(loss, view="$v$") for loss in hostile]
    store = fabricate_sweep(tmp_path, arms=arms, trials=1, seeds=1, confirm=2)
    names = [a.label for a in arms]
    assert all(p.startswith(PNG) for p in drawn(store.frame(), target_of(store.describe()), names))
    (key,) = figures.ks_over_steps(store.frame(), names).legends
    assert len(key.get_texts()) == len(hostile)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Rows of two arms."""
    return fabricate_sweep(tmp_path_factory.mktemp("few"), arms=ARMS[-2:], trials=1, confirm=3).frame()


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_missing_data_still_draw(few: pd.DataFrame, data: st.DataObject) -> None:
    """Rows dropped and columns emptied at random: every figure is drawn, with or without a target."""
    frame, arms = few, NAMES[-2:]
    keep = data.draw(st.lists(st.integers(0, len(frame) - 1), unique=True, max_size=len(frame)))
    partial = frame.iloc[keep].copy()
    for name in data.draw(st.lists(st.sampled_from(SCHEMA.names), unique=True, max_size=8)):
        partial[name] = None
    target = data.draw(st.sampled_from([None, Target()]))
    assert all(p.startswith(PNG) for p in drawn(partial, target, arms))


def test_no_pyplot() -> None:
    """Importing the figures loads no pyplot, whose state is global."""
    code = "import sys, analysis.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False).returncode == 0


def test_same_rows_same_picture(tmp_path: Path) -> None:
    """A figure made twice from the same rows has the same bytes."""
    frame = fabricate_sweep(tmp_path, trials=1, confirm=3).frame()
    assert drawing.png(figures.final_ks(frame, NAMES)) == drawing.png(figures.final_ks(frame, NAMES))
