"""The measured part of docs/performance.md: a function of a run's document, between two marks."""

from __future__ import annotations

from writing.machine import busy
from writing.page import PAGE, between_marks

from speed.document import Document
from speed.table import tables
from speed.targets import targets_table

COMMITTED = PAGE.parent / "figures/bench.json"


def measured(document: Document) -> str:
    """Machine and command, bars, tables, who is absent and why, and the check."""
    machine = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    cuda = any(row["device"] == "cuda" for row in document["rows"])
    head = (
        f"`{document['command']}`, {machine['date']}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}; {versions}. Load average before the run: "
        f"{machine['load_before']}."
    )
    largest = max(document["checked"].values())
    check = (
        "Checked before anything was timed: each contender's three losses after 20 steps, from the same weights and "
        f"draws. The largest difference from the float64 loop was {largest:.1e} of a loss; 1e-4 is allowed."
    )
    who = ["| contender | what it is | random numbers |", "|---|---|---|"]
    who += [f"| `{name}` | {c['note']} | {c['randomness']} |" for name, c in document["contenders"].items()]
    warning = [f"**{words}**"] if (words := busy(machine)) else []
    parts = [
        head,
        *warning,
        targets_table(document).markdown(),
        *(table.markdown() for table in tables(document)),
        "\n".join(who),
    ]
    if absent := document["absent"]:
        parts.append("Not timed: " + "; ".join(f"`{name}` ({reason})" for name, reason in absent.items()) + ".")
    if not cuda:
        parts.append("**Every figure on a GPU: not measured.** The bars for it stand above as bars, not as results.")
    return "\n\n".join([*parts, check])


def rewritten(text: str, document: Document) -> str:
    """The page with its measured part made anew.

    Raises:
        ValueError: the page lacks the marks.
    """
    return between_marks(text, "measured", measured(document))
