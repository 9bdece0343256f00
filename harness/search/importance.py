"""How much each searched key mattered for the scores of finished trials: Optuna's PED-ANOVA."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from harness.config import Range
from harness.search.adaptive import distributions
from harness.search.base import Setting

#: Fewer finished trials say nothing: of ten, one is among the best tenth.
LEAST = 20


def importances(space: Mapping[str, Range], settings: Sequence[Setting], scores: Sequence[float]) -> dict[str, float]:
    """Share of each key in what tells the best tenth of the trials from all of them; they add up to 1.

    PED-ANOVA (Watanabe, Bansal and Hutter 2023): how far the law of a key among the best tenth is from its law among
    all trials (Pearson divergence), a key at a time. Empty with under ``LEAST`` trials, or where scores are all alike.
    """
    known = distributions(space)
    if len(scores) < LEAST or min(scores) == max(scores) or not known:
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    with warnings.catch_warnings():
        # It may change in later versions; pyproject.toml keeps to one major version, and a test holds what it finds.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.add_trials(
            [
                optuna.create_trial(
                    state=TrialState.COMPLETE, params=dict(setting), distributions=known, values=[float(score)]
                )
                for setting, score in zip(settings, scores, strict=True)
            ]
        )
        found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    total = sum(found.values())
    return {key: float(value / total) for key, value in found.items()} if total > 0 else {}
