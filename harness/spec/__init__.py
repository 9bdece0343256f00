"""An experiment file as frozen, validated data: start at ``load`` and ``Experiment``.

``values`` has the parts, ``search`` the tables of search and confirm stage, ``space`` the rules of a search space,
``experiment`` the whole, ``file`` reads TOML,
``memory`` asks whether it fits, ``faults`` words what is wrong, ``diff`` what changed. Torch and the registries
are imported only when an experiment is checked.
"""

from harness.spec.diff import diff_specs
from harness.spec.experiment import Experiment
from harness.spec.file import from_table, load
from harness.spec.search import Confirm, Search
from harness.spec.values import SAMPLERS, Arm, Range, Settings, Shape, Train

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
