"""An experiment file as frozen, validated data: start at ``load`` and ``Experiment``.

``values`` has the parts, ``search`` the tables of search and confirm stage, ``space`` the rules of a search space,
``experiment`` the whole, ``file`` reads TOML,
``faults`` words what is wrong, ``diff`` what changed. Torch and the registries
are imported only when an experiment is checked.
"""

from harness.config.diff import diff_specs
from harness.config.experiment import Experiment
from harness.config.fields import SAMPLERS, Arm, Range, Settings, Shape, Train
from harness.config.search import Confirm, Search
from harness.config.toml import from_table, load

__all__ = [
    "SAMPLERS",
    "Arm",
    "Confirm",
    "Experiment",
    "Range",
    "Search",
    "Settings",
    "Shape",
    "Train",
    "diff_specs",
    "from_table",
    "load",
]
