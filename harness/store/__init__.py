"""The folder of parquet files that is the truth of a sweep: the only code that writes results.

``store`` has the layout and ``Store``, ``schema`` the columns of a row, ``parquet`` a population's file as bytes,
``files`` writes whole files, one writer at a time. ``status`` summarises sweeps, ``cleanup`` removes leftovers.
"""

from harness.store.files import held, locked, slug, unfinished, write_whole
from harness.store.schema import HYPERPARAMETERS, QUANTILE_LEVELS, SCHEMA, SNAPSHOT_COLUMNS
from harness.store.store import FORMAT, SWEEPS, Store, metadata_of, population_named

__all__ = [
    "FORMAT",
    "HYPERPARAMETERS",
    "QUANTILE_LEVELS",
    "SCHEMA",
    "SNAPSHOT_COLUMNS",
    "SWEEPS",
    "Store",
    "held",
    "locked",
    "metadata_of",
    "population_named",
    "slug",
    "unfinished",
    "write_whole",
]
