"""An experiment file as frozen, validated data: start at ``load`` and ``Experiment``.

``fields`` has the settings of [train], [target] and arms, ``search`` the tables [search] and [confirm], ``experiment``
the whole with the rules that join its parts, ``required_settings`` what a variant requires of [train]. ``toml`` reads a
file, ``error_messages`` words what is wrong with it, ``diff`` what changed. Torch and the registries are imported only
when an experiment is checked.
"""

from harness.config.diff import diff_specs
from harness.config.experiment import Experiment
from harness.config.fields import Arm, Settings, Shape, Train
from harness.config.search import SAMPLERS, Confirm, Range, Search
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
