"""``harness clean``: what a folder of sweeps could do without."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from harness.text import size_text, visible


def command(
    folder: Annotated[Path | None, typer.Option("--in", help="Where the sweeps lie (default: sweeps/).")] = None,
    temporaries: Annotated[bool, typer.Option("--temporaries", help="Only what killed processes left.")] = False,
    aside: Annotated[bool, typer.Option("--aside", help="Only sweeps that --fresh set aside.")] = False,
    superseded: Annotated[bool, typer.Option("--superseded", help="Only populations revised since.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove what is listed.")] = False,
) -> None:
    """List what could be removed, with sizes; with --yes remove exactly that.

    Without a flag of a kind all kinds are listed; flags may be joined. Sweeps that a process writes or mirrors, links,
    and files that no sweep wrote are never touched. No result that counts is ever removed but with a whole sweep that
    `harness sweep --fresh` had set aside (NAME.1 beside NAME).

    Examples:

        harness clean

        harness clean --temporaries --superseded --yes
    """
    from harness.errors import InputError
    from harness.store import SWEEPS
    from harness.store.cleanup import KINDS, Kind, find_removable, remove

    root = folder or SWEEPS
    if folder is None and not root.is_dir():
        _say([f"{root}/: not there, so nothing could be removed"])
        return
    chosen = dict(zip(KINDS, (temporaries, aside, superseded), strict=True))
    kinds: list[Kind] = [kind for kind in KINDS if chosen[kind] or not any(chosen.values())]
    found = find_removable(root, kinds)
    _say(f"{item.kind:<11}  {size_text(item.size):>8}  {root / item.path}  ({item.why})" for item in found.items)
    _say(f"{'kept':<11}  {'':>8}  {root / path}  ({why})" for path, why in found.kept)
    total = f"{len(found.items)} found, {size_text(sum(item.size for item in found.items))} together"
    if not found.items or not yes:
        _say([f"{total}; nothing was removed" + (": --yes removes exactly these" if found.items else "")])
        return
    refused = [(item, reason) for item, reason in remove(root, found.items) if reason]
    _say(f"not removed: {root / item.path}: {reason}" for item, reason in refused)
    _say([f"{total}; {len(found.items) - len(refused)} removed"])
    if refused:
        raise InputError(f"{root}: {len(refused)} of {len(found.items)} could not be removed; they are named above")


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(visible(line))  # noqa: T201
