"""Content of a run: name, tags, parameters and metrics of a sweep, an arm or a trial. Pure functions of rows.

All variants use the same names, so that runs can be compared. A number that is not finite is left out and named in
the tag ``harness.absent``: MLflow would store infinity as 1.8e308.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np

from harness.metrics.trials import LOST, PRUNED, WORST_KS, counted_ks, is_trained, ks_or_worst, trial_score
from harness.store import HYPERPARAMETERS
from harness.tracking.committed_trials import Row, Trial, Trials
from harness.tracking.notes import arm_note, sweep_note

#: The step of a metric with one value, which MLflow's charts show as bars; any later step makes it a curve.
_ONCE = 0

#: Metrics with a value at each snapshot step.
_CURVES = ("ks", "loss_d", "loss_g")

# A tag holds 8,000 characters and a parameter 6,000; a longer list of members continues in further tags.
_TAG_CHARACTERS = 8000
_TEXT_CHARACTERS = 1000


@dataclass(frozen=True)
class RunContent:
    """Everything in one run; ``metrics`` holds (name, value, step) with finite values.

    ``revision`` rises when rows of the run are added or replaced: of two values at one step the later counts.
    """

    key: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[tuple[str, float, int]] = ()
    revision: int = 0

    @property
    def digest(self) -> str:
        """Hash of name, tags, parameters and metrics."""
        content = [self.name, sorted(self.tags.items()), sorted(self.params.items()), sorted(self.metrics)]
        return sha256(json.dumps(content).encode()).hexdigest()[:16]


def sweep_run(description: Mapping[str, Any], trials: Trials, folder: str) -> RunContent:
    """The parent run: the experiment's settings, its provenance, and the number of members.

    The number of trials is a tag: MLflow could not change a parameter when the sweep is extended.
    Metrics: ``members``, ``trials`` (complete ones of the search), ``share_diverged``, ``share_failed`` (of members).
    """
    spec, uid = description["spec"], str(description["uid"])
    members = trials.members()
    provenance = {k: _text(v) for k, v in description.get("provenance", {}).items() if _is_scalar(v)}
    tags = {
        "harness.sweep": uid,
        "harness.folder": folder,
        "harness.created": _text(description.get("created", "")),
        "fingerprint": _text(description["fingerprint"]),
        "trials": _text(spec["search"]["trials"]),
        "mlflow.source.name": "harness sweep",
        **{k if k in ("engine", "device") else f"harness.{k}": v for k, v in provenance.items()},
    }
    if commit := provenance.get("git_commit"):
        tags["mlflow.source.git.commit"] = commit
    if note := sweep_note(spec):
        tags["mlflow.note.content"] = note
    beyond = [t for t in trials.complete(stage="search") if t.number >= trials.quota]
    if beyond:
        tags["harness.left_out"] = (
            f"{len(beyond)} trials exceed the limit of {trials.quota} runs an arm; of them the best, the median and "
            "some unscored ones are here; the sweep's folder has all"
        )
    values: dict[str, float] = {"members": len(members), "trials": len(trials.complete(stage="search"))}
    values |= _shares(members)
    metrics = [(name, value, _ONCE) for name, value in values.items()]
    revision = trials.revision + len(members)
    return RunContent(uid, str(description["name"]), tags, _sweep_params(spec), metrics, revision)


def arm_run(description: Mapping[str, Any], trials: Trials, arm: Mapping[str, Any]) -> RunContent:
    """One arm: its results over the fresh seeds of the confirm stage.

    Metrics: ``ks`` (mean), ``ks_median``, ``ks_p05``, ``ks_p95``, ``success`` (share of seeds with ``ks`` below
    ``success_ks``), ``share_diverged``, ``share_failed``, ``w1``, ``mean``, ``sd`` (means over the seeds that have
    one); of the search: ``trials``, ``ks_search`` (the best trial's score).
    Parameters: the confirmed hyper-parameters.
    """
    label, uid = str(arm["arm"]), str(description["uid"])
    searched = trials.complete(arm=label, stage="search")
    values: dict[str, float] = {"trials": len(searched)}
    if unpruned := [trial for trial in searched if not trials.pruned(trial)]:
        values["ks_search"] = min(map(trials.score, unpruned))
    tags = {
        "harness.sweep": uid,
        "harness.stage": "arm",
        "arm": label,
        "variant": str(arm["loss"]),
        "view": str(arm["view"]),
        "formula": f"D: {arm.get('discriminator', '')}; G: {arm.get('generator', '')}"[:_TEXT_CHARACTERS],
        "mlflow.note.content": arm_note(arm),
        **{k: _text(arm[k]) for k in ("citation", "prediction") if arm.get(k)},
    }
    params: dict[str, str] = {}
    confirmed = trials.complete(arm=label, stage="confirm")
    if confirmed:
        rows = trials.rows(confirmed[-1])
        params = _trial_params(rows[0])
        values |= _confirm_values(rows, float(description["spec"].get("success_ks", 0.05)))
        tags |= {"engine": _text(rows[0]["engine"]), "harness.winner": str(confirmed[-1].number)}
    values, absent = _finite(values)
    tags |= absent
    metrics = [(name, value, _ONCE) for name, value in values.items()]
    revision = trials.revision + len(trials.members(arm=label))
    return RunContent(f"{uid}:{label}", label, tags, params, metrics, revision)


def trial_run(description: Mapping[str, Any], trial: Trial, rows: Sequence[Row], folder: str) -> RunContent:
    """One trial of either stage, over its seeds.

    Metrics: ``ks`` (mean over seeds at each snapshot step, and the score at the last step), ``ks_best_seed``,
    ``ks_worst_seed``, ``share_diverged``, ``share_failed``, ``share_pruned`` (of seeds; the last only if it is not 0);
    ``loss_d``, ``loss_g`` at each snapshot step and ``w1``, ``mean``, ``sd`` at the end, as means over the seeds that
    have one. A diverged or failed seed has ks = 1; a seed that was never trained counts in ``share_pruned`` alone.
    """
    uid, first = str(description["uid"]), rows[0]
    trained = [row for row in rows if is_trained(row)]
    # A trial that halving stopped ends there.
    steps = next((int(row["stopped_step"]) for row in trained if row["outcome"] == PRUNED), int(first["steps"]))
    ks = [ks for row in trained if (ks := counted_ks(row)) is not None]
    finals, absent = _finite(
        {
            "ks": trial_score(rows) if ks else math.nan,
            "ks_best_seed": min(ks, default=math.nan),
            "ks_worst_seed": max(ks, default=math.nan),
            **{name: _mean(row[name] for row in rows) for name in ("w1", "mean", "sd")},
            **_shares(rows),
        }
    )
    metrics = [point for point in _curves(trained) if point[2] < steps or point[0] not in finals]
    metrics += [(name, value, steps if name in _CURVES else _ONCE) for name, value in finals.items()]
    tags = {
        "harness.sweep": uid,
        "harness.stage": trial.stage,
        "harness.folder": folder,
        "arm": trial.arm,
        "variant": str(first["loss"]),
        "view": str(first["view"]),
        "engine": str(first["engine"]),
        "trial": str(trial.number),
        "outcome": _outcome(rows),
        **_member_tags([str(row["key"]) for row in rows]),
        **absent,
    }
    if reasons := dict.fromkeys(filter(None, map(_reason, rows))):
        tags["reason"] = "; ".join(reasons)[:_TEXT_CHARACTERS]
    return RunContent(trial.key(uid), trial.title, tags, _trial_params(first), metrics)


def tagged_members(tags: Mapping[str, str]) -> list[str]:
    """The member keys that ``trial_run`` put into a run's tags; empty where there are none."""
    parts = [tags["harness.members"]] if "harness.members" in tags else []
    while (name := f"harness.members.{len(parts)}") in tags:
        parts.append(tags[name])
    return " ".join(parts).split()


def _member_tags(keys: Sequence[str]) -> dict[str, str]:
    per_tag = max(1, _TAG_CHARACTERS // (max(map(len, keys)) + 1))
    chunks = [" ".join(keys[i : i + per_tag]) for i in range(0, len(keys), per_tag)]
    return {"harness.members" + (f".{i}" if i else ""): chunk for i, chunk in enumerate(chunks)}


def _sweep_params(spec: Mapping[str, Any]) -> dict[str, str]:
    search, target = spec["search"], spec.get("target", {})
    law = ", ".join(f"{k}={v:.12g}" for k, v in sorted(target.get("params", {}).items()))
    params = {k: _text(v) for k, v in spec.items() if _is_scalar(v) and k not in ("name", "question", "prediction")}
    params |= {k: _text(v) for k, v in search.items() if _is_scalar(v) and k != "trials"}  # sampler, seeds
    params |= {k: _text(", ".join(map(str, spec.get(k, [])))) for k in ("views", "variants")}
    params["target"] = f"{target.get('law', '')}({law})"
    if "confirm" in spec:
        params["confirm_seeds"] = _text(spec["confirm"]["seeds"])
    return params


def _trial_params(row: Row) -> dict[str, str]:
    values = {name: row[name] for name in HYPERPARAMETERS}
    for name, value in row["loss_params"].items() if row["loss_params"] else ():
        # After the learning rates in the alphabet: MLflow's parallel coordinates show the first three by default.
        values[f"param.{name}"] = value
    texts = {k: ", ".join(v) if isinstance(v, list) else str(v) for k, v in values.items() if _is_known(v)}
    return {"loss": str(row["loss"]), "view": str(row["view"]), **texts}


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _confirm_values(rows: Sequence[Row], success_ks: float) -> dict[str, float]:
    ks = np.array([WORST_KS if (value := counted_ks(row)) is None else value for row in rows])
    p05, median, p95 = (float(q) for q in np.quantile(ks, [0.05, 0.5, 0.95]))
    return {
        "ks": float(ks.mean()),
        "ks_median": median,
        "ks_p05": p05,
        "ks_p95": p95,
        "success": float(np.mean(ks < success_ks)),
        **_shares(rows),
        **{name: _mean(row[name] for row in rows) for name in ("w1", "mean", "sd")},
    }


def _curves(rows: Sequence[Row]) -> list[tuple[str, float, int]]:
    """Means over seeds at each snapshot step; in ``ks`` a seed that has stopped counts 1 from then on."""
    by_step = [
        {name: dict(zip(row["snapshot_step"] or (), row[f"snapshot_{name}"] or (), strict=False)) for name in _CURVES}
        for row in rows
    ]
    points = []
    for step in sorted({step for row in rows for step in row["snapshot_step"] or ()}):
        for name in _CURVES:
            values = [member[name].get(step) for member in by_step]
            mean = float(np.mean([ks_or_worst(value) for value in values])) if name == "ks" else _mean(values)
            if math.isfinite(mean):
                points.append((name, mean, int(step)))
    return points


def _outcome(rows: Sequence[Row]) -> str:
    """The first of ``pruned``, ``scored`` and ``failed`` that any seed has; else ``diverged``."""
    outcomes = {row["outcome"] for row in rows}
    return next((o for o in ("pruned", "scored", "failed") if o in outcomes), "diverged")


def _reason(row: Row) -> str | None:
    if row["outcome"] == "diverged":
        return f"{row['stopped_tensor']} not finite at step {row['stopped_step']}"
    if not is_trained(row):
        return "pruned before its other seeds were trained"
    if row["outcome"] == PRUNED:
        return f"pruned by halving at step {row['stopped_step']}"
    return None if row["failure"] is None else str(row["failure"])


def _shares(rows: Sequence[Row]) -> dict[str, float]:
    count = max(1, len(rows))
    # The names come after ``ks`` in the alphabet, by which MLflow orders charts.
    shares = {f"share_{name}": sum(row["outcome"] == name for row in rows) / count for name in (*LOST, PRUNED)}
    if not shares["share_pruned"]:
        del shares["share_pruned"]  # of interest only where trials are halved
    return shares


def _mean(values: Iterable[float | None]) -> float:
    finite = [v for v in values if v is not None and math.isfinite(v)]
    return float(np.mean(finite)) if finite else math.nan


def _finite(values: Mapping[str, float]) -> tuple[dict[str, float], dict[str, str]]:
    absent = [name for name, value in values.items() if not math.isfinite(value)]
    finite = {name: float(value) for name, value in values.items() if name not in absent}
    return finite, {"harness.absent": ", ".join(absent)} if absent else {}


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def _text(value: Any) -> str:
    return str(value)[:_TEXT_CHARACTERS]
