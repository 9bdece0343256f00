"""Hyper-parameter search: the only package that imports optuna."""

from harness.search.suggestions import Search, derived_seed

__all__ = ["Search", "derived_seed"]
