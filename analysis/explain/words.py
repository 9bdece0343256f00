"""The languages of the page: a file of texts each, the same keys in all, numbers as names in braces."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files

#: The codes of the languages (the page's ``lang``), the one that it is written in first.
LANGUAGES = ("en", "zh-Hans")

#: Section by section, key by key: ``texts["page"]["title"]``.
Texts = Mapping[str, Mapping[str, str]]


def texts(language: str) -> Texts:
    """All that the page says in a language of ``LANGUAGES``."""
    name = f"{language.partition('-')[0]}.toml"
    return tomllib.loads(files("analysis.explain").joinpath("languages", name).read_text(encoding="utf-8"))
