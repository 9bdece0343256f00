"""Other words for what a scene names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.plotting.marks import Axis, Band, Bars, Dots, IntervalMarks, Line, Mark, Scene


def renamed(scene: Scene, words: Mapping[str, str]) -> Scene:
    """The scene with ``words[name]`` wherever exactly that name stands on an axis, above a panel or in the legend."""
    panels = [
        replace(
            panel,
            title=words.get(panel.title, panel.title),
            x=_axis(panel.x, words),
            y=_axis(panel.y, words),
            marks=[_mark(mark, words) for mark in panel.marks],
        )
        for panel in scene.panels
    ]
    return replace(scene, panels=panels, keys={words.get(name, name): style for name, style in scene.keys.items()})


def without_shared_end(names: Sequence[str], separator: str) -> dict[str, str]:
    """Each name without what follows its last ``separator``, where that is the same in all; else nothing."""
    parts = [name.rpartition(separator) for name in names]
    if not all(start for start, _, _ in parts) or len({end for _, _, end in parts}) != 1:
        return {}
    return {name: start for name, (start, _, _) in zip(names, parts, strict=True)}


def _axis(axis: Axis, words: Mapping[str, str]) -> Axis:
    return replace(axis, names=[words.get(name, name) for name in axis.names])


def _mark(mark: Mark, words: Mapping[str, str]) -> Mark:
    if isinstance(mark, (Line, Band, Dots, IntervalMarks, Bars)) and mark.key in words:
        return replace(mark, key=words[mark.key])
    return mark
