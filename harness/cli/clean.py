"""``harness clean``: list, or remove, files that a folder of sweeps no longer needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from harness.cli.options import SweepsFolder
from harness.text import size_text, visible


def command(
    folder: SweepsFolder = None,
    temporaries: Annotated[bool, typer.Option("--temporaries", help="Unfinished files of killed processes.")] = False,
    aside: Annotated[bool, typer.Option("--aside", help="Whole sweeps that --fresh set aside.")] = False,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="Files of populations that a later revision replaces.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove what is listed.")] = False,
) -> None:
    """List files that can be removed, with sizes; with --yes remove exactly these.

    --temporaries, --aside and --superseded choose what is listed; without them it is all three. Current results are
    never removed, except whole sweeps already set aside by --fresh (NAME.1 beside NAME). Links, files that no sweep
    wrote, and sweeps that a process is training or mirroring are left alone.

    Examples:

        harness clean

        harness clean --temporaries --superseded --yes
    """
    from harness.errors import InputError
    from harness.store import SWEEPS
    from harness.store.cleanup import KINDS, Kind, find_removable, remove

    root = folder or SWEEPS
    if folder is None and not root.is_dir():
        _print([f"{root}/: does not exist; nothing was removed"])
        return
    chosen = dict(zip(KINDS, (temporaries, aside, superseded), strict=True))
    kinds: list[Kind] = [kind for kind in KINDS if chosen[kind] or not any(chosen.values())]
    findings = find_removable(root, kinds)
    _print(f"{item.kind:<11}  {size_text(item.size):>8}  {root / item.path}  ({item.why})" for item in findings.items)
    _print(f"{'kept':<11}  {'':>8}  {root / path}  ({why})" for path, why in findings.kept)
    total = f"{len(findings.items)} found, {size_text(sum(item.size for item in findings.items))} together"
    if not findings.items or not yes:
        _print([f"{total}; nothing was removed" + ("; --yes removes exactly these" if findings.items else "")])
        return
    refused = [(item, reason) for item, reason in remove(root, findings.items) if reason]
    _print(f"not removed: {root / item.path}: {reason}" for item, reason in refused)
    _print([f"{total}; {len(findings.items) - len(refused)} removed"])
    if refused:
        raise InputError(f"{root}: {len(refused)} of {len(findings.items)} could not be removed; see the reasons above")


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(visible(line))  # noqa: T201
