"""docs/promises.md says what the tests hold, all of it and nothing else."""

from __future__ import annotations

from support.promises import ABOUT_PROMISES, PAGE, collected, page, texts

HELD = [*texts()["promises"], *texts()["faults"]]


def test_each_promise_and_fault_has_a_test() -> None:
    """None is only written down."""
    assert set(HELD) <= {number for test in collected() for number in test.ids}


def test_tests_name_known_promises_once() -> None:
    """A marker names ids of promises.toml, in no test twice, and none of a fault that cannot happen here."""
    wrong = [test.place for test in collected() if not set(test.ids) <= set(HELD) or len(set(test.ids)) < len(test.ids)]
    assert wrong == []


def test_tests_about_faults_name_what_they_hold() -> None:
    """In files that are about promises every test has the marker."""
    assert [t.place for t in collected() if ABOUT_PROMISES.match(t.place.partition("::")[0]) and not t.ids] == []


def test_numbers_are_the_twelve_and_the_twentyseven() -> None:
    """P1 to P12 in order; F1 to F27, each either met or said to be of another design."""
    parts = texts()
    assert list(parts["promises"]) == [f"P{n}" for n in range(1, 13)]
    assert sorted([*parts["faults"], *parts["elsewhere"]], key=lambda f: int(f[1:])) == [f"F{n}" for n in range(1, 28)]


def test_the_page_is_what_the_tests_say() -> None:
    """``nox -s docs`` has been run since the last change of a test's marker, name or first words."""
    assert PAGE.read_text() == page()
