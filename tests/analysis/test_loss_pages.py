"""The generated pages of losses and penalties: the files in the repository are what the records say today."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from analysis.loss_pages import DOCS, checked_text, github_math, inline, pages, references, stale, write
from harness.errors import InputError
from harness.losses import BUILT_IN
from harness.losses.metadata import UNPUBLISHED, Citation
from harness.losses.penalties import PENALTIES

AGAIN = "write the pages again: nox -s docs"


@pytest.fixture(scope="module")
def generated_pages() -> Mapping[str, str]:
    """Every page, made in memory."""
    return pages()


def test_the_files_are_what_the_records_say(generated_pages: Mapping[str, str]) -> None:
    """Each generated file is in docs/, byte for byte, and no page of a loss that is no more lies beside them."""
    old = [
        name
        for name, text in generated_pages.items()
        if not (DOCS / name).is_file() or (DOCS / name).read_bytes() != text.encode()
    ]
    assert old == [], AGAIN
    assert stale(DOCS, [DOCS / name for name in generated_pages]) == [], AGAIN


def test_there_is_a_page_for_each_entry(generated_pages: Mapping[str, str]) -> None:
    """One page a loss, the index, the sources, and the page of penalties with a section for each."""
    losses = {f"losses/{variant.name}.md" for variant in BUILT_IN}
    assert set(generated_pages) == losses | {"losses/README.md", "losses/references.bib", "penalties.md"}
    assert re.findall(r"^## (.*)$", generated_pages["penalties.md"], re.MULTILINE) == list(PENALTIES)
    for variant in BUILT_IN:
        assert f"]({variant.name}.md) |" in generated_pages["losses/README.md"]


def test_every_link_leads_somewhere(generated_pages: Mapping[str, str]) -> None:
    """Links name a generated file, or another one in docs/, and a heading in it where they name one."""
    for name, text in generated_pages.items():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            file, _, heading = target.partition("#")
            path = DOCS.joinpath(Path(name).parent, file).resolve()
            key = str(path.relative_to(DOCS))
            found = generated_pages[key] if key in generated_pages else path.read_text(encoding="utf-8")
            assert not heading or f"\n## {heading}\n" in found, (name, target)


def test_needs_link_to_their_penalties(generated_pages: Mapping[str, str]) -> None:
    """A loss that is not itself without a penalty leads to that penalty's section."""
    needing = [(v.name, key) for v in BUILT_IN for key in v.needs if key in PENALTIES]
    assert ("wasserstein", "weight_clip") in needing
    assert all(f"](../penalties.md#{key})" in generated_pages[f"losses/{name}.md"] for name, key in needing)


def test_tables_are_whole(generated_pages: Mapping[str, str]) -> None:
    """Every line of a table has as many cells as its head: no formula and no word holds a bare bar."""
    for name, text in generated_pages.items():
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            cells = [len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()]
            assert len(set(cells)) == 1, (name, block)


def test_formulas_use_what_github_renders(generated_pages: Mapping[str, str]) -> None:
    r"""No page holds \operatorname, which GitHub refuses; fences and inline formulas are closed."""
    for name, text in generated_pages.items():
        assert r"\operatorname" not in text, name
        assert text.count("```") % 2 == 0, name
        assert text.count("$`") == text.count("`$"), name
        assert text.endswith("\n"), name
        assert "\n\n\n" not in text, name


def test_sources_are_whole(generated_pages: Mapping[str, str]) -> None:
    """Each key that a page cites is in references.bib, once; each page of a published loss says what was checked."""
    keys = re.findall(r"^@misc\{(.+),$", generated_pages["losses/references.bib"], re.MULTILINE)
    assert keys == sorted(set(keys))
    cited = {
        key
        for name, text in generated_pages.items()
        if name.endswith(".md")
        for key in re.findall(r"@misc\{(.+),", text)
    }
    assert cited == set(keys)
    for variant in BUILT_IN:
        said = "Unpublished." if variant.citation == UNPUBLISHED else checked_text(variant.citation.checked)[:11]
        assert said in generated_pages[f"losses/{variant.name}.md"]


def test_one_key_is_one_source() -> None:
    """The equation that is meant may differ, the source may not; what was not published has no entry."""
    one = Citation("key", ("Ada Lovelace",), 1843, "Notes", where="Note G", checked="by hand")
    other = Citation("key", ("Ada Lovelace",), 1843, "Notes", where="Note A")
    assert references([one, UNPUBLISHED, other]).count("@misc{key,") == 1
    assert "Note" not in references([one]).replace("Notes", "")
    with pytest.raises(InputError, match="citation key 'key' stands for two sources"):
        references([one, Citation("key", ("Ada Lovelace",), 1842, "Notes")])


def test_formulas_are_rewritten_for_github() -> None:
    """Function names become upright letters, bars become macros, and Markdown sees a delimited formula."""
    assert github_math(r"\operatorname{relu}{\left(x \right)}") == r"\mathrm{relu}{\left(x \right)}"
    assert github_math(r"\left|{x}\right|") == r"\left\vert {x}\right\vert "
    assert github_math(r"\|v\|^2") == r"\Vert v\Vert ^2"
    assert inline("-1") == "$`-1`$"


def test_writing_leaves_exactly_the_pages(generated_pages: Mapping[str, str], tmp_path: Path) -> None:
    """Pages of losses that are no more are deleted, other files stay, and a second writing changes no byte."""
    (tmp_path / "losses").mkdir()
    (tmp_path / "losses/gone.md").write_text("old")
    (tmp_path / "architecture.md").write_text("by hand")
    for _ in range(2):
        assert {str(path.relative_to(tmp_path)) for path in write(tmp_path)} == set(generated_pages)
        found = {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        assert found.pop("architecture.md") == b"by hand"
        assert found == {name: text.encode() for name, text in generated_pages.items()}
