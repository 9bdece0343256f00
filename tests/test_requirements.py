"""What the project requires of its libraries: nothing below the last known hole; the tested set is above all floors."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIRED = {r.name.lower(): r for r in map(Requirement, PROJECT["project"]["dependencies"])}

#: The last version that may not be installed, and why the next one is the floor.
TOO_OLD = {
    "torch": "2.10",  # loading of weights alone could run code before 2.6, and corrupt memory before 2.10
    "mlflow": "3.15",  # paths of artifacts, scripts on its pages, requests to other machines: fixed up to 3.16
    "optuna": "4.9",  # the searches are written for 5: its samplers' seeds and its pruners
    "pyarrow": "14.0.0",  # a parquet file could run code
    "numpy": "1.16.2",  # load() took pickles by default
    "jinja2": "3.1.5",  # a template could leave its sandbox
}

#: Never of our own: loaders that run code, and servers that nothing here needs.
UNWANTED = {"pyyaml", "ray", "dask", "distributed", "dill", "cloudpickle", "joblib"}


@pytest.mark.promise("P8")
@pytest.mark.parametrize("name", TOO_OLD)
def test_no_version_with_a_known_hole_is_allowed(name: str) -> None:
    """The requirement in pyproject.toml leaves out the last version that is too old."""
    assert not REQUIRED[name].specifier.contains(Version(TOO_OLD[name]))


@pytest.mark.promise("P8")
def test_nothing_that_loads_code_is_required() -> None:
    """No YAML, no pickler, no cluster among what the project itself asks for."""
    assert UNWANTED & {name.lower() for name in REQUIRED} == set()


@pytest.mark.promise("P12")
def test_the_tested_set_is_within_what_is_required() -> None:
    """Each requirement has its one version in constraints.txt, and allows it."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    tested = {r.name.lower(): r.specifier for r in map(Requirement, filter(None, lines))}
    for name, requirement in REQUIRED.items():
        (pin,) = tested[name]
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version)
