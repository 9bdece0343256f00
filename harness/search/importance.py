"""Importance of each searched key for the scores of finished trials: Optuna's PED-ANOVA."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from harness.config import Range
from harness.search.adaptive import distributions
from harness.search.base import Setting

#: The least number of finished trials: of ten, only one is among the best tenth.
LEAST = 20


def importances(space: Mapping[str, Range], settings: Sequence[Setting], scores: Sequence[float]) -> dict[str, float]:
    """Share of each key in the difference between the best tenth of the trials and all of them; the sum is 1.

    PED-ANOVA (Watanabe, Bansal and Hutter 2023): Pearson divergence between a key's law among the best tenth and its
    law among all trials, for each key alone. Empty with under ``LEAST`` trials, or where scores are all alike.
    """
    dimensions = distributions(space)
    if len(scores) < LEAST or min(scores) == max(scores) or not dimensions:
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    with warnings.catch_warnings():
        # It may change in later versions; pyproject.toml keeps to one major version, and a test holds its results.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.add_trials(
            [
                optuna.create_trial(
                    state=TrialState.COMPLETE, params=dict(setting), distributions=dimensions, values=[float(score)]
                )
                for setting, score in zip(settings, scores, strict=True)
            ]
        )
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    total = sum(shares.values())
    return {key: float(value / total) for key, value in shares.items()} if total > 0 else {}
