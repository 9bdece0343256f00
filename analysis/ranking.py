"""``python -m analysis.ranking SWEEP [-o DIR]``: which arm comes nearest, and which can be told apart?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from analysis import drawing, figures
from analysis.answer import text
from analysis.average_ranks import Ranks, average_ranks
from analysis.compare import Comparison, compare_described
from analysis.improvement import improvement
from analysis.profiles import performance_profiles
from analysis.reading import Read
from analysis.script import Answer, answered


def ranking_table(comparison: Comparison) -> pd.DataFrame:
    """The comparison's records, a row per arm by rank."""
    return comparison.to_frame().drop(columns="paired", errors="ignore")


def ranks_table(ranks: Sequence[Ranks]) -> pd.DataFrame:
    """``Ranks`` as rows: view, arm, rank, seeds, friedman_p, critical_difference, groups (numbers of its groups)."""
    lines = [
        (r.view, arm, rank, r.seeds, r.friedman_p, r.critical_difference,
         " ".join(str(i + 1) for i, group in enumerate(r.groups) if arm in group))
        for r in ranks for arm, rank in r.ranks.items()
    ]  # fmt: skip
    names = ("view", "arm", "rank", "seeds", "friedman_p", "critical_difference", "groups")
    return pd.DataFrame(lines, columns=list(names))


def ranks_figure(ranks: Sequence[Ranks], arms: Sequence[str]) -> Figure:
    """Mean ranks on a line per arm; a bar joins arms that are not told apart, and one shows how far apart they must be.

    The critical-difference diagram of Demsar (2006), upright, so that long names can be read.
    """
    if not ranks:
        return drawing.empty("Ranks need three arms of one view, and two seeds that they share.")
    most = max(len(r.ranks) for r in ranks)
    made, axes = drawing.panels(len(ranks), columns=1, height=1.0 + 0.34 * most, sharex=False, sharey=False)
    look = drawing.styles(arms)
    for ax, found in zip(axes, ranks, strict=True):
        names = list(found.ranks)
        for y, (arm, rank) in enumerate(found.ranks.items()):
            s = look[arm]
            ax.plot(rank, y, marker=s.marker, color=s.colour, ms=7, ls="none")
        for i, group in enumerate(found.groups):
            x = len(names) + 0.35 + 0.16 * i
            ends = [names.index(group[0]), names.index(group[-1])]
            ax.plot([x, x], [ends[0] - 0.25, ends[1] + 0.25], color=drawing.INK, lw=3, solid_capstyle="round")
        ax.plot([1, 1 + found.critical_difference], [-0.8, -0.8], color=drawing.QUIET, lw=2, marker="|")
        ax.annotate(f"critical difference {found.critical_difference:.2f}", (1, -0.8), (0, 3), fontsize=7,
                    textcoords="offset points", color=drawing.QUIET, va="bottom")  # fmt: skip
        ax.set_xlim(0.8, len(names) + 0.6 + 0.16 * len(found.groups))
        ax.set_ylim(len(names) - 0.4, -1.5)
        ax.set_xticks(range(1, len(names) + 1))
        drawing.tick_names(ax, range(len(names)), names)
        p = "p < 0.001" if found.friedman_p < 0.001 else f"p = {found.friedman_p:.3f}"
        drawing.title(
            ax, f"view: {found.view}", f"{found.seeds} seeds; Friedman's test that all are alike: {p}", size=9
        )
        drawing.labels(ax, "mean rank over seeds (1: nearest); bars at the right join arms that are not told apart")
    return made


def profiles_figure(profiles: pd.DataFrame, arms: Sequence[str], success_ks: float) -> Figure:
    """A step line per arm with its band: the share of seeds that come as near as that."""
    shown = [arm for arm in arms if arm in set(profiles["arm"])]
    if not shown:
        return drawing.empty("No committed row holds a final KS distance.")
    made, (ax,) = drawing.panels(1, columns=1, height=4.2, sharex=False, sharey=False)
    look, keys = drawing.styles(arms), {}
    for arm in shown:
        own, s = profiles[profiles["arm"] == arm], look[arm]
        ax.fill_between(own["ks"], own["low"], own["high"], color=s.colour, alpha=0.08, lw=0, step="post")
        ax.step(own["ks"], own["share"], color=s.colour, ls=s.dash, lw=1.6, where="post")
        keys[arm] = drawing.key(s)
        keys[arm].set_marker("none")
    ax.axvline(success_ks, color=drawing.QUIET, lw=0.9, ls=(0, (4, 3)))
    drawing.log_axis(ax, "x")
    ax.set_ylim(-0.02, 1.02)
    drawing.labels(ax, "KS distance", "share of seeds that come as near")
    drawing.legend(made, keys)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Which arm comes nearest, and which can be told apart?"""

    def answer(read: Read, arms: Sequence[str]) -> Answer:
        found = compare_described(read.description, read.frame)
        ranks, profiles = average_ranks(read.frame, arms), performance_profiles(read.frame, arms)
        better = improvement(read.frame, arms)
        tables = {
            "ranking": ranking_table(found),
            "ranks": ranks_table(ranks),
            "improvement": better,
            "profiles": profiles,
        }
        drawn = {
            "ranking": figures.final_ks(read.frame, arms, found.success_ks),
            "ranks": ranks_figure(ranks, arms),
            "profiles": profiles_figure(profiles, arms, found.success_ks),
        }
        return Answer(tables, drawn, text(found))

    return answered("ranking", main.__doc__, answer, arguments)


if __name__ == "__main__":
    sys.exit(main())
