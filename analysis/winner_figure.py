"""Pictures of each arm's winning generator, beside its files: winners/<arm>/qq.png and density.png."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.plotting import Note, Panel, Scene
from analysis.plotting.static import png, to_matplotlib
from analysis.report.sections.generators import Draw, axis_between, draw_density, draw_quantiles
from analysis.rows import quantiles, target_of
from harness.data.target import Target
from harness.store import Store, slug, write_whole

#: The pictures by file name: the drawing function and the labels of the axes.
_PICTURES: dict[str, tuple[Draw, str, str]] = {
    "qq": (draw_quantiles, "target's quantile", "generated quantile"),
    "density": (draw_density, "value", "density"),
}


def draw_winners(store: Store) -> None:
    """Draw the best confirm seed of each arm of a sweep: the one whose files ``harness.sweep.winners`` wrote."""
    target = target_of(store.describe())
    if target is None:
        return
    for best in store.best_confirm_rows():
        for name, scene in winner_scenes(best, target).items():
            write_whole(store.folder / "winners" / slug(best["arm"]) / f"{name}.png", png(to_matplotlib(scene)))


def winner_scenes(row: dict[str, Any], target: Target) -> dict[str, Scene]:
    """Q-Q plot and density of one member's generated law against the target, from its row in the store."""
    member = {"best": pd.Series(row)} if quantiles(row) is not None else {}
    title = f"{row.get('arm')}, seed {row.get('seed')}"
    scenes = {}
    for name, (draw, x, y) in _PICTURES.items():
        drawing = draw(member, target)
        lawless = f"no finite law: {row.get('sample_state') or row.get('outcome') or 'missing'}"
        marks = drawing.marks if member else [Note(lawless)]
        panel = Panel(marks, axis_between(x, drawing.x), axis_between(y, drawing.y), title, drawing.note)
        scenes[name] = Scene([panel], height=480)
    return scenes
