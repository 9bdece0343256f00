"""``python -m analysis``: any section of a report by itself; and every module that the project says to run does run."""

from __future__ import annotations

import ast
import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.fabricated import ARMS, FabricatedArm, fabricate_sweep
from support.paths import ROOT

from analysis.__main__ import main
from analysis.report.sections import SECTIONS

#: The figures and tables that each section writes.
FILES: dict[str, set[str]] = {
    "answer": set(),
    "ranking": {"ranking", "differences"},
    "pairs": {"ranks", "improvement"},
    "seeds": {"final_ks"},
    "profiles": {"profiles"},
    "dynamics": {"ks_over_steps", "losses", "gradient_norms"},
    "anatomy": {"gradient_anatomy"},
    "generators": {"densities", "quantiles", "cdf_differences"},
    "budget": {"budget"},
    "importance": {"importance"},
    "search": {"slices", "parallel", "rates"},
    "settings": set(),
    "diagnosis": {"diagnosis"},
    "predictions": {"theory"},
    "provenance": set(),
}


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished sweep with lost members, one of search alone, and one that has only begun."""
    folder = tmp_path_factory.mktemp("sections")
    stores = {
        "finished": fabricate_sweep(folder / "finished", failure="no memory"),
        "search only": fabricate_sweep(folder / "search", confirm=0),
        "begun": fabricate_sweep(folder / "begun", confirm=0, trials=0),
    }
    return {name: store.folder for name, store in stores.items()}


def test_without_arguments_it_lists_the_sections(capsys: pytest.CaptureFixture[str]) -> None:
    """Every section of the report, in its order, a line each that says what it holds."""
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(SECTIONS) == list(FILES)
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("which", ["finished", "search only", "begun"])
def test_a_section_is_printed_and_written(
    name: str, which: str, sweeps: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text and tables in the terminal; figures as PNG and SVG, numbers as CSV with a header; the paths are printed.

    So too where there is little or nothing to show.
    """
    assert main([name, str(sweeps[which]), "-o", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    paths = [Path(line) for line in lines if line.startswith(str(tmp_path))]
    assert lines[0].startswith("# ")
    assert len(lines) > len(paths) + 2
    assert set(paths) == set(tmp_path.iterdir())
    if which == "finished":
        assert {path.stem for path in paths} == FILES[name]
    for path in paths:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
            assert "</svg>" in path.with_suffix(".svg").read_text()
        if path.suffix == ".csv":
            header, *rows = csv.reader(io.StringIO(path.read_text()))
            assert header
            assert all(len(row) == len(header) for row in rows)


def test_the_table_of_arms_is_aligned(sweeps: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The section ranking prints a Markdown table, a line per arm, all of one length, in the folder's own report."""
    assert main(["ranking", str(sweeps["finished"])]) == 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(ARMS)
    assert len({len(row) for row in rows}) == 1
    assert all(any(row.startswith(f"| {arm.label} ") for row in rows) for arm in ARMS)
    assert str(sweeps["finished"] / "report" / "ranking.png") in out


def test_a_search_is_no_comparison(sweeps: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Before the confirm stage the table says "search only"."""
    assert main(["ranking", str(sweeps["search only"])]) == 0
    assert "Search only, not a comparison" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ranking", "nothing"], "no sweep here"),
        (["rankings", "nothing"], "no section 'rankings'; sections: answer, ranking, "),
        (["ranking"], "name a sweep's folder: python -m analysis ranking SWEEP"),
    ],
)
def test_what_it_cannot_do_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An unknown section, a folder without a sweep, or none: one line, exit status 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "-o", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_names_from_outside_are_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An arm called like a formula or with control characters is quoted in the CSV and escaped in the terminal."""
    arms = [FabricatedArm("=cmd()"), FabricatedArm("a\x1b[31mred")]
    store = fabricate_sweep(tmp_path / "s", arms=arms, trials=2)
    for name in SECTIONS:
        assert main([name, str(store.folder)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[31mred" in out
    for path in (store.folder / "report").glob("*.csv"):
        text = path.read_text()
        assert "\x1b" not in text
        assert "'=cmd()" in text or "=cmd()" not in text


def test_it_runs_as_a_module(sweeps: dict[str, Path], tmp_path: Path) -> None:
    """A process prints the section, and ends with status 2 where there is no such section."""
    command = [sys.executable, "-m", "analysis"]
    shown = subprocess.run(
        [*command, "answer", str(sweeps["finished"])], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Question: Which label" in shown.stdout
    assert subprocess.run([*command, "answers"], cwd=ROOT, capture_output=True, check=False).returncode == 2


def modules_told_to_run() -> set[str]:
    """Every module of analysis that a text or a program of the repository runs with ``python -m``.

    The change log also names what is gone, and is left out.
    """
    folders = [ROOT / name for name in ("analysis", "docs", "experiments", "harness", "tests")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".md", ".py", ".toml")]
    paths += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "noxfile.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    return {m[0] or m[1] for m in re.findall(r'python -m (analysis[\w.]*\w)|"-m", "(analysis[\w.]*)"', text)}


def test_what_is_told_to_run_runs() -> None:
    """Each is a package with a ``__main__``, or a module that ends in a call of its own; none does nothing silently."""
    told = modules_told_to_run()
    assert told
    for name in told:
        path = ROOT.joinpath(*name.split("."))
        source = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        assert source.exists(), name
        last = ast.parse(source.read_text()).body[-1]
        assert isinstance(last, ast.If), name
        assert ast.unparse(last.test) == "__name__ == '__main__'", name


def test_no_module_runs_that_nobody_mentions() -> None:
    """A module with a call of its own is mentioned somewhere, so that a reader can find it."""
    sources = [path.relative_to(ROOT) for path in (ROOT / "analysis").rglob("*.py")]
    own = {path for path in sources if "__name__ ==" in (ROOT / path).read_text()}
    names = {".".join(path.with_suffix("").parts).removesuffix(".__main__") for path in own}
    assert names == modules_told_to_run()
