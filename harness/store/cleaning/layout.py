"""The names that the program gives to what lies in a sweep's folder, as paths relative to it with "/" between."""

from __future__ import annotations

import re

from harness.store import population_named, unfinished

# An arm's folder is named by ``store.slug``.
_ARM = r"winners/[A-Za-z0-9_-]{1,60}(?:\.[0-9a-f]{8})?"
_FOLDER = re.compile(rf"populations|report|explain|winners|{_ARM}")
_FILE = re.compile(
    r"sweep\.(?:json|lock)|recording\.parquet|explain/why_true\.html|mirror\.(?:lock|log)|export\.lock"
    r"|report/(?:report\.html|report\.md|summary\.json|[a-z_]+\.(?:png|svg|csv|parquet))"
    rf"|{_ARM}/(?:generator\.safetensors|sample\.csv|(?:qq|density)\.png)"
)
# Fewer digits than the hash in a slug: "labels-1.12345678" is a sweep's own name.
_ASIDE = re.compile(r"(.+)\.[1-9][0-9]{0,5}", re.DOTALL)


def population(path: str) -> tuple[int, int] | None:
    """Index and revision of the population whose file this is; None where it is none."""
    folder, _, name = path.rpartition("/")
    return population_named(name) if folder == "populations" else None


def is_file(path: str) -> bool:
    """Whether the program writes a file of that name."""
    return _FILE.fullmatch(path) is not None or population(path) is not None


def is_folder(path: str) -> bool:
    """Whether the program makes a folder of that name."""
    return _FOLDER.fullmatch(path) is not None


def is_temporary(path: str) -> bool:
    """Whether this is the unfinished form of a file that the program writes."""
    folder, slash, name = path.rpartition("/")
    begun = unfinished(name)
    return begun is not None and is_file(folder + slash + begun)


def set_aside_from(name: str) -> str | None:
    """The sweep's folder that ``--fresh`` would have named so when it set it aside; None where it names none so."""
    match = _ASIDE.fullmatch(name)
    return match[1] if match else None
