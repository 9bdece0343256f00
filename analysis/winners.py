"""Pictures of each arm's winning generator, beside its files: winners/<arm>/qq.png and density.png."""

from __future__ import annotations

from analysis import drawing
from analysis.figures import winner_figures
from analysis.rows import target_of
from harness.store import Store, slug, write_whole


def draw_winners(store: Store) -> None:
    """Draw the best confirm seed of each arm of a committed sweep (the one whose files ``harness.winners`` wrote)."""
    target = target_of(store.describe())
    if target is None:
        return
    for best in store.winners():
        for name, figure in zip(("qq", "density"), winner_figures(best, target), strict=True):
            write_whole(store.folder / "winners" / slug(best["arm"]) / f"{name}.png", drawing.png(figure))
