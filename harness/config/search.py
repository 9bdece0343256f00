"""The tables [search] and [confirm] of an experiment."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from harness.config.fields import Decay, Objective, Part, Range, Sampler, whole
from harness.config.wilcoxon import seed_looks


def _eta(value: int) -> int:
    if value == 1:
        raise ValueError("not a factor that leaves fewer trials")
    return value


Eta = Annotated[int, AfterValidator(_eta), Field(ge=0, le=10, description="0 for none, or a whole number from 2 to 10")]


class Search(Part):
    """The table [search]: ``trials`` settings an arm, each trained with ``seeds`` seeds; 0 trials: no search.

    With ``halving`` above 0 the trials of a round are compared at ``rungs`` steps below the last, where the best
    ceil(n/halving) of n go on (spec/halving.py). With ``wilcoxon`` above 0 they are trained a few seeds at a time, and
    one that a signed-rank test finds worse than the best trial known, with a p-value below ``wilcoxon``, gets no
    further seeds (spec/wilcoxon.py). ``objectives`` are what the sampler makes small; the winner is the trial with the
    lowest KS in any case.

    Raises:
        ValidationError: a value outside its range, or two that exclude each other.
    """

    sampler: Sampler = Field(default="auto", description="a sampler's name")
    trials: int = whole(0, 0, 10**6)
    seeds: int = whole(4, 1, 10**4)
    halving: Eta = 0
    rungs: int = whole(2, 1, 20)
    wilcoxon: Decay = Field(default=0.0, description="a p-value in [0, 1), 0 for none")
    objectives: Annotated[tuple[Objective, ...], Field(strict=False)] = Field(
        default=("ks",), description='["ks"] or ["ks", "steps"]'
    )
    space: dict[str, Range] = Field(
        default_factory=dict, description="tables {low = ..., high = ..., log = true or false} or {choices = [...]}"
    )

    @property
    def races(self) -> bool:
        """Whether trials are stopped early. A round is then one population, because who stops depends on all of it."""
        return bool(self.halving or self.wilcoxon)

    @model_validator(mode="after")
    def _objectives_fit(self) -> Search:
        if self.objectives not in (("ks",), ("ks", "steps")):
            raise ValueError('objectives: allowed are ["ks"] and ["ks", "steps"]')
        if len(self.objectives) > 1 and self.sampler == "cmaes":
            raise ValueError("objectives: sampler 'cmaes' takes one; allowed: another sampler, such as 'nsga2'")
        if len(self.objectives) > 1 and self.races:
            raise ValueError("objectives: who is stopped early has no second one; allowed: no halving and no wilcoxon")
        return self

    @model_validator(mode="after")
    def _one_race(self) -> Search:
        if self.halving and self.wilcoxon:
            raise ValueError("halving and wilcoxon exclude each other; allowed: one of them")
        if self.wilcoxon and not seed_looks(self.seeds, self.wilcoxon):
            raise ValueError(
                f"wilcoxon: no trial can be told from the best at p < {self.wilcoxon:g} before the last of "
                f"{self.seeds} seeds; allowed: more seeds, or a larger p-value"
            )
        return self


class Confirm(Part):
    """The table [confirm]: how many fresh seeds the winner of each arm is trained with."""

    seeds: int = whole(16, 1, 10**5)
