"""The pages of docs/losses/ and docs/penalties.md, made from the registry: ``python -m analysis.loss_pages``.

A page is a function of the records alone, so the same records give the same bytes. Formulas are written for GitHub's
renderer, which refuses ``\\operatorname`` and takes a bar for the end of a table's cell.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sympy
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from harness.errors import InputError
from harness.losses import BUILT_IN, Registry, Variant
from harness.losses.card import card, identity_text, setting_text
from harness.losses.describe import reads_logits, slope_at_infinity, slope_at_zero
from harness.losses.metadata import UNPUBLISHED, Citation
from harness.losses.notation import latex
from harness.losses.penalties import PENALTIES
from harness.losses.primitives import fake, fake_mean, log_mean_exp, real, real_mean, y_fake, y_real
from harness.text import markdown

DOCS = Path(__file__).resolve().parents[1] / "docs"
_UNKNOWN = "–"


def pages() -> dict[str, str]:
    """Every generated file, by its path below docs/.

    Raises:
        InputError: two sources share a key, or an identity names an unknown variant.
    """
    # The pages document the repository's own variants, not those of other installed packages.
    registry = Registry(BUILT_IN, group="")
    environment = _environment(registry)
    entries = [_entry(variant, registry) for variant in registry.values()]
    families: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        families.setdefault(entry["facts"]["family"], []).append(entry)

    def rendered(template: str, **fields: Any) -> str:
        text = environment.get_template(template).render(fields)
        return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"

    citations = [*(v.citation for v in registry.values()), *(p.citation for p in PENALTIES.values())]
    return {
        "losses/README.md": rendered("losses.md", families=families, count=len(entries), notation=_notation()),
        **{f"losses/{entry['facts']['name']}.md": rendered("loss.md", **entry) for entry in entries},
        "losses/references.bib": references(citations),
        "penalties.md": rendered("penalties.md", penalties=_penalties()),
    }


def write(folder: Path) -> list[Path]:
    """Write every page below ``folder``, delete pages of losses that are no more, and return what was written."""
    files = {folder / name: content for name, content in pages().items()}
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")
    for path in stale(folder, files):
        path.unlink()
    return list(files)


def stale(folder: Path, current: Iterable[Path]) -> list[Path]:
    """Pages in ``folder``/losses that are not among the ``current`` ones."""
    return sorted(set((folder / "losses").glob("*.md")) - set(current))


def references(citations: Iterable[Citation]) -> str:
    """The sources as one BibTeX file, each key once, in order of keys; unpublished ones have no entry.

    The equation or section is given where a source is cited, not here.

    Raises:
        InputError: two different sources share a key; the message names both.
    """
    by_key: dict[str, Citation] = {}
    for citation in citations:
        if citation == UNPUBLISHED:
            continue
        plain = dataclasses.replace(citation, where="", checked="")
        first = by_key.setdefault(plain.key, plain)
        if first != plain:
            raise InputError(f"citation key {plain.key!r} stands for two sources: {first} and {plain}")
    return "\n\n".join(by_key[key].bibtex() for key in sorted(by_key)) + "\n"


def github_math(formula: str) -> str:
    r"""LaTeX that GitHub renders anywhere: \operatorname as \mathrm, bars as \vert and \Vert."""
    upright = formula.replace(r"\operatorname{", r"\mathrm{")
    return upright.replace(r"\|", r"\Vert ").replace("|", r"\vert ")


def inline(formula: str) -> str:
    """A formula inside a line or a table, delimited so that Markdown leaves it alone."""
    return f"$`{github_math(formula)}`$"


def checked_text(checked: str) -> str:
    """A sentence on the check of a formula: what it was compared with, or that it was not."""
    return f"Checked against: {checked.removesuffix('.')}." if checked else "Not checked against the paper."


def _environment(registry: Mapping[str, Variant]) -> Environment:
    environment = Environment(
        loader=PackageLoader("analysis"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = "|".join(sorted(map(re.escape, registry), key=len, reverse=True))
    named = re.compile(rf"(?<![\w-])({names})(?![\w-])")

    def linked(text: str) -> str:
        # Every second piece is a name, because the pattern has one group.
        pieces = named.split(text)
        return "".join(f"[`{p}`]({p}.md)" if i % 2 else markdown(p) for i, p in enumerate(pieces))

    environment.filters |= {
        "math": github_math,
        "inline": inline,
        "words": markdown,
        "checked": checked_text,
        "linked": linked,
        "identity": identity_text,
    }
    return environment


def _entry(variant: Variant, registry: Registry) -> dict[str, Any]:
    """The fields of one variant's page and of its line in the list of all."""
    facts = card(variant, registry)
    limits = (slope_at_infinity(variant, -sympy.oo), slope_at_zero(variant), slope_at_infinity(variant, sympy.oo))
    shown = limits if reads_logits(variant) else (None, None, None)
    optimum = variant.equilibrium_logit
    orders = {order: outcome for order, outcome in facts["dirac"].items() if outcome != "unknown"}
    return {
        "facts": facts,
        "slopes": [_UNKNOWN if value is None else inline(latex(value)) for value in shown],
        "equilibrium": "" if optimum is None else inline(latex(optimum)),
        "dirac": "; ".join(f"{outcome} with {order} updates" for order, outcome in orders.items()),
        "needs": [_need(key, value) for key, value in facts["needs"].items()],
    }


def _need(key: str, value: float | str) -> str:
    penalty = PENALTIES.get(key)
    setting = f"`{setting_text(key, value)}`"
    return f"{setting}: [{markdown(penalty.title)}](../penalties.md#{key})" if penalty else setting


def _penalties() -> list[dict[str, str]]:
    shown = []
    for penalty in PENALTIES.values():
        citation = penalty.citation
        source = ", ".join(filter(None, (citation.short(), citation.title, citation.identifier, citation.where)))
        fields = {name: str(getattr(penalty, name)) for name in ("name", "title", "meaning", "latex", "convention")}
        shown.append(fields | {"source": source, "checked": citation.checked, "bibtex": citation.bibtex()})
    return shown


def _notation() -> dict[str, str]:
    words = {
        real: "D's logit on a real value",
        fake: "D's logit on a generated value",
        real_mean: "the mean of the former over the batch",
        fake_mean: "the mean of the latter over the batch",
        log_mean_exp: "the logarithm of the mean of exp over all logits of both kinds",
        y_real: "D's random label of a real value, 1 for real",
        y_fake: "D's random label of a generated value",
    }
    return {inline(latex(symbol)): meaning for symbol, meaning in words.items()}


if __name__ == "__main__":
    print(f"{len(write(DOCS))} files below {DOCS}")  # noqa: T201
