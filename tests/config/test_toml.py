"""Reading an experiment file: every kind of bad input ends in one line that names file, key and what is allowed."""

from __future__ import annotations

import os
import pickle
import re
import string
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.config import Experiment, from_table, load
from harness.config.fields import Activation
from harness.config.toml import MAX_BYTES, known_keys
from harness.errors import InputError
from harness.store import slug

GOOD = 'name = "labels"\nvariants = ["minimax", "non_saturating"]\n'

PLAIN = set(string.ascii_letters + string.digits + " ._-")

relaxed = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refusal(path: Path, content: bytes | str, *overrides: str) -> str:
    """The message with which a file of that content is refused."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        load(path, overrides)
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a test's experiment file."""
    return tmp_path / "question.toml"


BAD_LINES = [
    ("name = 3", r"name: got 3; allowed: 1 to 80 letters"),
    ("seed = -1", r"seed: got -1; allowed: a whole number from 0 to 9223372036854775807"),
    (f"seed = {2**63}", r"seed: got 9223372036854775808; allowed: a whole"),
    ("seed = 1.5", r"seed: got 1.5; allowed: a whole"),
    ("seed = true", r"seed: got True; allowed: a whole"),
    ("success_ks = 0", r"success_ks: got 0; allowed: a number in \(0, 1\)"),
    ("success_ks = 1.0", r"success_ks: got 1.0; allowed"),
    ("population = 0", r"population: got 0; allowed: a whole number from 1"),
    ("sead = 1", r"unknown key 'sead'; nearest: 'seed'; allowed: name, "),
    ("steps = 5", r"unknown key 'steps'; nearest: 'train.steps'; allowed"),
    ("needs = {}", r"unknown key 'needs'; .*allowed: name, "),
    ('"\\u001b[31m" = 1', r"unknown key '\\x1b\[31m'; allowed: name"),
    ("views = []", r"views: got list \[\]; allowed: a list of distinct views"),
    ('views = ["raws"]', r"views: got 'raws'; nearest: 'raw'; allowed: raw, variances, diffs, moments, sorted,"),
    (
        'views = ["pack(m=0)"]',
        r"views: got 'pack\(m=0\)'; nearest: 'pack\(m=2\)'; allowed: raw, .* pack\(m=2\), with any m",
    ),
    ('views = ["pack(m=3)"]', r"train.batch: got 100; allowed with view 'pack\(m=3\)': multiples of 3$"),
    ('views = ["pack(m=2)", " pack( m = 2 )"]', r"views: 'pack\(m=2\)' is listed twice"),
    ('views = ["raw", "raw"]', r"views: 'raw' is listed twice; list each view once"),
    ('views = "raw"', r"views: got 'raw'; allowed: a list"),
    ('question = "a\\u0000b"', r"question: holds control characters .*; allowed: up to 10000 characters"),
    (f'question = "{"x" * 10_001}"', r"question: got 'xxx.*\.\.\.; allowed: up to 10000"),
    ("target = 3", r"target: not a table \(got 3\); allowed: a table with law"),
    ('target = {law = "nrom"}', r"target.law: 'nrom' .*nearest: 'norm'"),
    ('target = {law = "../norm"}', r"target.law: got '../norm'; allowed: the name of a continuous law"),
    ("target = {scale = nan}", r"target.scale: got nan; allowed: a number"),
    ("target = {scale = -1.0}", r"target: norm\(loc=4, scale=-1\) .*scale must be positive"),
    ('target = {law = "gamma"}', r"target: gamma takes a, loc, scale; .*missing: a"),
    ("target = {sclae = 1.0}", r"target: norm takes loc, scale; unknown: sclae"),
    ('target = {"a b" = 1.0}', r"target: unknown key 'a b'"),
    ("train = []", r"train: got list \[\]; allowed: a table"),
    ("train.steps = 0", r"train.steps: got 0; allowed: a whole number from 1"),
    ("train.stepz = 5", r"unknown key 'train.stepz'; nearest: 'train.steps'; allowed: steps, "),
    ("train.batch = 0", r"train.batch: got 0; allowed: a whole number from 1"),
    ("train.lr_d = nan", r"train.lr_d: got nan; allowed: a number in \(0, 1e6\]"),
    ("train.lr_d = inf", r"train.lr_d: got inf; allowed"),
    ("train.lr_d = -0.1", r"train.lr_d: got -0.1; allowed"),
    ("train.lr_d = 0.0", r"train.lr_d: got 0.0; allowed"),
    ("train.lr_d = 1e308", r"train.lr_d: got 1e\+308; allowed"),
    (f"train.lr_d = {10**400}", r"train.lr_d: got 1000.*; allowed"),
    ('train.lr_d = "0.1"', r"train.lr_d: got '0.1'; allowed"),
    ("train.lr_d = 2020-01-01", r"train.lr_d: got date .*; allowed: a number"),
    ("train.beta1 = 1.0", r"train.beta1: got 1.0; allowed: a number in \(-1, 1\)"),
    ("train.ema = 1.0", r"train.ema: got 1.0; allowed: a number in \[0, 1\)"),
    ("train.lr_decay = 1.1", r"train.lr_decay: got 1.1; allowed: a number in \[0, 1\]"),
    ("train.weight_clip = -0.01", r"train.weight_clip: got -0.01; allowed"),
    ("train = {steps = 5, snapshots = [1, 6]}", r"train: snapshots must be ascending steps within 1\.\.5"),
    ("train.snapshots = [3, 3]", r"train: snapshots must be ascending steps within 1\.\.10000 \(steps\)$"),
    (
        'train = {order = "simultaneous", d_steps = 5}',
        r"train: order = 'simultaneous' takes d_steps = 1 and g_steps = 1, not d_steps = 5 and g_steps = 1$",
    ),
    (
        'train.activations_d = ["tanhh"]',
        r"train.activations_d: got 'tanhh'; nearest: 'tanh'; allowed: elu, sigmoid, tanh, relu, leaky_relu, softplus$",
    ),
    ("train.snapshots = []", r"train.snapshots: got list \[\]; allowed: 1 to 1000 ascending"),
    ("train.snapshots = [1.0]", r"train.snapshots: got 1.0; allowed"),
    ('search.sampler = "tpee"', r"search.sampler: got 'tpee'; nearest: 'tpe'; allowed: auto, sobol, tpe, cmaes, nsga2"),
    ("search.seeds = 0", r"search.seeds: got 0; allowed: a whole number from 1"),
    ("search.trials = -1", r"search.trials: got -1; allowed"),
    ("search.space.lr_g = [1, 2]", r"search.space.lr_g: got list \[1, 2\]; allowed: tables \{low"),
    ("search.space.lr_g = {low = 1}", r"search.space.lr_g: needs both low and high, or choices"),
    ("search.space.lr_g = {low = 2, high = 1}", r"search.space.lr_g: low 2 is not below high 1"),
    ("search.space.lr_g = {low = nan, high = 1}", r"search.space.lr_g.low: not finite \(got nan\); allowed: a finite"),
    (
        "search.space.lr_g = {lo = 1, high = 2}",
        r"unknown key 'search.space.lr_g.lo'; nearest: 'search.space.lr_g.low'; allowed: low, h",
    ),
    ('search.space = {"\\u001b" = 3}', r"'search.space.\\x1b': got 3; allowed: tables"),
    ("confirm.seeds = 0", r"confirm.seeds: got 0; allowed: a whole number from 1"),
    ("seed = -1\npopulation = 0", r"seed: got -1; .* \(and 1 more fault\)$"),
]


@pytest.mark.promise("P8", "P12")
@pytest.mark.parametrize(("line", "message"), BAD_LINES, ids=[line.replace("\n", " ")[:40] for line, _ in BAD_LINES])
def test_bad_values_are_refused_in_one_line(path: Path, line: str, message: str) -> None:
    """A wrong key, type or value is named with its file, and the line says what is allowed."""
    good = "\n".join(kept for kept in GOOD.splitlines() if kept.split()[0] != line.split()[0])
    found = refusal(path, f"{line}\n{good}")
    assert found.startswith(f"{path}: ")
    assert re.match(message, found.removeprefix(f"{path}: "))
    assert found.isprintable()
    assert len(found) < 1000


BAD_VARIANTS = [
    ('["minimx"]', r"variants: .*minimax"),
    ('["minimax", "minimax"]', r"variants: 'minimax' is listed twice; list each variant once"),
    ('["generator_label", "generator_label(t=0.5)"]', r"variants: 'generator_label\(t=0.5\)' is listed twice"),
    ('["generator_label(t=2)"]', r"variants: .*t.*\[0, 1\]"),
    ('["generator_label(t=nan)"]', r"variants: .*t"),
    ('["generator_label(s=1)"]', r"variants: .*generator_label.*t"),
    ('["minimax(__import__(1))"]', r"variants: "),
    ('[""]', r"variants: "),
    ("[1]", r"variants: got 1; allowed: a list of distinct variants"),
    ("[]", r"variants: got list \[\]; allowed"),
    (f'["{"x" * 5000}"]', r"variants: 'xxx.* has 5000 characters; allowed: up to 1000"),
]


@pytest.mark.promise("P12")
@pytest.mark.parametrize(("variants", "message"), BAD_VARIANTS, ids=[v[:30] for v, _ in BAD_VARIANTS])
def test_bad_variants_are_refused(path: Path, variants: str, message: str) -> None:
    """An unknown, repeated or ill-parametrised variant is refused before anything starts, with the nearest name."""
    found = refusal(path, f'name = "x"\nvariants = {variants}')
    assert re.match(f"{re.escape(str(path))}: {message}", found)
    assert "\n" not in found


@pytest.mark.promise("P12")
def test_missing_keys_are_named(path: Path) -> None:
    """A file without a required key is told which, and what it may hold."""
    assert re.search(r": name: missing; allowed: 1 to 80 letters", refusal(path, 'variants = ["minimax"]'))
    assert re.search(r": variants: missing; allowed: a list of distinct variants", refusal(path, 'name = "x"'))
    assert re.search(r": name: missing; .*and 1 more fault", refusal(path, ""))


#: The beginning of an inline table that holds 31 tables, each in the one before.
TABLES = b"{" + b"a." * 31 + b"a = "

BAD_CONTENT = {
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), "starts with a byte order mark"),
    "UTF-16": (GOOD.encode("utf-16"), "starts with a byte order mark"),
    "NUL": (b'name = "a\0b"', "holds a NUL byte at 9"),
    "Latin-1": ('name = "é"'.encode("latin-1"), "is not UTF-8 (byte 8)"),
    "more than 1 MiB": (b"#" * (MAX_BYTES + 1), "larger than 1048576 bytes"),
    "YAML": (b"name: labels\nvariants:\n  - minimax\n", "is not TOML: "),
    "YAML tag": (b"!!python/object/apply:os.system ['true']\n", "is not TOML: "),
    "Python": (b"import os\nos.system('true')\n", "is not TOML: "),
    "JSON": (b'{"name": "x"}', "is not TOML: "),
    "a text pickle": (pickle.dumps({"name": "labels"}, protocol=0), "is not TOML: "),
    "a binary pickle": (pickle.dumps(list(range(300)), protocol=5), "holds a NUL byte at 5"),
    "a zip, as torch saves": (b"PK\x03\x04" + bytes(26), "holds a NUL byte"),
    "a key twice": (GOOD.encode() * 2, "is not TOML: "),
    "an unclosed string": (b'name = "labels\n', "is not TOML: "),
    "an int of 5000 digits": (b"seed = " + b"9" * 5000, "is not TOML: "),
    "an unclosed text": (b'a = """' + b'\\"""' * 200_000, "is not TOML: "),
    "500,000 arrays": (b"a = " + b"[" * 500_000, "is nested too deeply"),
    "2000 arrays, closed": (b"a = " + b"[" * 2000 + b"]" * 2000, "is nested too deeply"),
    "100,000 inline tables": (b"a = " + b"{a = " * 100_000, "is nested too deeply"),
    "9600 tables in 300 inline ones": (
        GOOD.encode() + b"views = " + TABLES * 300 + b"1" + b"}" * 300,
        "nested too deeply",
    ),
    "a key of 500,000 parts": (b"a." * 500_000 + b"a = 1", "has a key of over 32 parts"),
    "a header of 100,000 parts": (b"[" + b'"a\\"" . ' * 100_000 + b"a]", "has a key of over 32 parts"),
    "an inline key of 100,000 parts": (b"b = {c = 1, " + b"'a'." * 100_000 + b"a = 2}", "has a key of over 32 parts"),
}


@pytest.mark.promise("P8", "P12")
@pytest.mark.parametrize("kind", BAD_CONTENT)
def test_other_content_is_refused(path: Path, kind: str) -> None:
    """Content that is no TOML of bounded size and depth is refused in one line that names the file."""
    content, message = BAD_CONTENT[kind]
    found = refusal(path, content)
    assert found.startswith(f"{path}: {message}") or (f"{path}: " in found and message in found)
    assert re.search(r"; (save the file|write an experiment|write TOML|allowed: a list)", found)
    assert found.isprintable()


@pytest.mark.promise("P8")
def test_brackets_and_dots_in_text_are_no_depth(path: Path) -> None:
    """Depth is counted in the structure alone: strings and comments may hold any number of brackets and dots."""
    many = "[{." * 40
    path.write_text(f"{GOOD}# {many}\nquestion = \"{many} \\\" {many}\"\nprediction = '''\n{many} = '' {many}'''\n")
    spec = load(path)
    assert spec.question == f'{many} " {many}'
    assert spec.prediction == f"{many} = '' {many}"


@pytest.mark.promise("P8", "P12")
def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder, a pipe and an impossible path are refused without blocking."""
    os.mkfifo(tmp_path / "pipe")
    for bad, message in [
        (tmp_path / "none.toml", "no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "no such file"),
        (tmp_path / ("x" * 5000), "no such file"),
        (tmp_path / "a\0b", "no such file"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            load(bad)
        assert str(caught.value).isprintable()


@pytest.mark.promise("P8")
@relaxed
@given(st.text(max_size=100) | st.from_regex(r"[A-Za-z0-9 ._/\\-]{1,90}", fullmatch=True))
@example("../x")
@example("a..b")
@example("/etc/passwd")
@example("<script>alert(1)</script>")
@example("x" * 81)
@example("")
@example("name\n")
@example("CON")
def test_names_are_labels_only(tmp_path: Path, name: str) -> None:
    """A name is refused in one line or accepted as it is, and either way its slug stays inside the sweeps' folder."""
    folder = tmp_path / "sweeps"
    assert (folder / slug(name)).resolve().is_relative_to(folder.resolve())
    plain = {"name": name, "variants": ["minimax"]}
    if 1 <= len(name) <= 80 and set(name) <= PLAIN and name[0].isalnum() and ".." not in name:
        assert Experiment.from_json(plain).name == name
        assert (folder / slug(name)).resolve().parent == folder.resolve()
    else:
        with pytest.raises(InputError, match=r"^name: .*; allowed: 1 to 80 letters, .*"):
            Experiment.from_json(plain)


no_activation = (
    st.text(max_size=20).filter(lambda word: word not in get_args(Activation))
    | st.integers()
    | st.booleans()
    | st.none()
    | st.floats()
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)


@relaxed
@given(st.lists(st.sampled_from(get_args(Activation)), max_size=3), no_activation)
def test_a_list_of_words_with_another_value_is_refused_in_one_line(words: list[str], wrong: object) -> None:
    """Whatever stands among activations in place of one, the line names the key and lists the words."""
    with pytest.raises(InputError) as caught:
        from_table({"name": "x", "variants": ["minimax"], "train": {"activations_g": [*words, wrong]}}, (), "file")
    assert str(caught.value).startswith("file: train.activations_g: got ")
    assert str(caught.value).endswith("; allowed: elu, sigmoid, tanh, relu, leaky_relu, softplus")
    assert str(caught.value).isprintable()


@pytest.mark.promise("P8", "P12")
@relaxed
@given(st.binary(max_size=200) | st.text(alphabet="[]{}.=,'\"\\#\n abt1", max_size=200).map(str.encode))
def test_any_other_bytes_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    """Content that is no experiment, valid TOML or not, ends in an InputError of one printable line."""
    target = tmp_path / "any.toml"
    found = refusal(target, content)
    assert found.startswith(f"{target}: ")
    assert found.isprintable()


def test_overrides_are_toml_values_or_plain_words(path: Path) -> None:
    """--set reaches every key, in tables that the file has not, with TOML values or bare words; the last one wins."""
    path.write_text(GOOD + "[train]\nsteps = 7\n")
    spec = load(
        path,
        [
            "train.steps=100",
            "train.steps = 200",
            "search.sampler=sobol",
            "search.trials=4",
            "search.space.lr_g={low=1e-5, high=1e-2, log=true}",
            "search.space.beta1.choices=[0.9, 0.5]",
            'variants=["hinge", "least_squares"]',
            "target.law=laplace",
            "question=Does a = b?",
        ],
    )
    assert spec.train.steps == 200
    assert (spec.search.sampler, spec.search.trials) == ("sobol", 4)
    assert spec.search.space["lr_g"].log
    assert spec.search.space["beta1"].choices == (0.9, 0.5)
    assert [arm.loss for arm in spec.arms] == ["hinge", "least_squares"]
    assert spec.target.law == "laplace"
    assert spec.question == "Does a = b?"


@pytest.mark.promise("P8", "P12")
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.stepz=5", r"--set: unknown key 'train.stepz'; nearest: 'train.steps'; allowed: train.steps, "),
        ("steps=5", r"--set: unknown key 'steps'; nearest: 'train.steps'"),
        ("train.steps", r"--set 'train.steps': write KEY=VALUE"),
        ("train.steps=", r"--set 'train.steps=': write KEY=VALUE"),
        ("=5", r"--set: unknown key ''; allowed: name"),
        ("needs={}", r"--set: unknown key 'needs'"),
        ("name.x=5", r"--set: unknown key 'name.x'"),
        ("search.space.lr_g.low=5", r"search.space.lr_g: needs both low and high"),
        ("train.steps=-1", r"train.steps: got -1; allowed: a whole number"),
        ("train.steps=many", r"train.steps: got 'many'; allowed: a whole number"),
        ("train.lr_g=nan", r"train.lr_g: got nan; allowed"),
        ('variants=["minimx"]', r"variants: .*minimax"),
        ("variants=[minimax]", r"variants: got '\[minimax\]'; allowed: a list"),
        ("question=1\nseed=5", r"--set: got '1\\nseed=5'; write a value of printable"),
        ("seed=" + "[" * 5000, r"seed: got '\[\[\["),
    ],
)
def test_bad_overrides_are_refused(path: Path, override: str, message: str) -> None:
    """A mistyped key or value of --set is refused like one in the file, and injects no second key."""
    found = refusal(path, GOOD, override)
    assert re.match(f"{re.escape(str(path))}: {message}", found)
    assert found.isprintable()


def test_override_of_a_table_that_is_none(path: Path) -> None:
    """--set does not write into a key that the file gave a plain value."""
    found = refusal(path, GOOD + "train = 3", "train.steps=5")
    assert re.search(r": --set 'train.steps=5': 'train' is not a table", found)


def test_known_keys_are_the_files_schema() -> None:
    """The keys offered in messages are those of the file, each once, none of the derived."""
    known = known_keys()
    assert len(known) == len(set(known))
    assert {"name", "variants", "train.lr_g", "search.space.lr_g", "confirm.seeds", "target.law"} <= set(known)
    assert not {key for key in known if key.startswith("needs")}
