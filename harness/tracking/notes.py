"""Descriptions of an experiment, a sweep and an arm on MLflow's pages, with links to charts that compare runs.

Links are relative to the address at which the pages are opened. Pure functions.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

#: Runs in a link at most; each takes 41 characters, and an experiment's description holds 5,000 and has two links.
COMPARED_RUNS = 40

_NOTE_CHARACTERS, _TEXT_CHARACTERS = 5000, 400

#: MLflow's pages for training; the other kind, its default, is for traces of language models.
_KIND = "workflowType=machine_learning"

_ARM_FACTS = (("Source", "citation"), ("Predicted", "prediction"))


def arm_note(arm: Mapping[str, Any]) -> str:
    """An arm in Markdown: both losses, their source, the prediction."""
    facts = [
        *(f"{player}: `{arm[key]}`" for player, key in (("D", "discriminator"), ("G", "generator")) if arm.get(key)),
        *(f"{title}: {_shown(arm[key])}" for title, key in _ARM_FACTS if arm.get(key)),
    ]
    return "\n\n".join(facts)[:_NOTE_CHARACTERS]


def sweep_note(spec: Mapping[str, Any], views: Sequence[str] = ()) -> str:
    """A sweep in Markdown: question, prediction, and links to ``views``."""
    texts = [_shown(spec[key])[:_TEXT_CHARACTERS] for key in ("question", "prediction") if spec.get(key)]
    return "\n\n".join((*texts, *views))


def view_links(experiment: str, uid: str, trials: Sequence[str], winners: Sequence[str]) -> list[str]:
    """Markdown links: curves of the confirm stage, arms as bars, ``trials`` and ``winners`` (run ids) side by side."""
    links = {
        "KS over training, one curve a variant (confirm seeds)": _charts(experiment, uid, "confirm"),
        "Result of each variant, as bars": _charts(experiment, uid, "arm"),
    }
    if len(trials) > 1:
        links[f"Hyper-parameters to KS, {len(trials)} trials in parallel coordinates"] = _compared(experiment, trials)
    if len(winners) > 1:
        links[f"{len(winners)} winners side by side"] = _compared(experiment, winners)
    return [f"[{title}]({link})" for title, link in links.items()]


def is_own_note(note: str) -> bool:
    """True if a description was written by this program: then it links to charts of its experiment."""
    return "](#/experiments/" in note


def runs_page(experiment: str) -> str:
    """Address of an experiment's runs."""
    return f"#/experiments/{experiment}/runs?{_KIND}"


def _charts(experiment: str, uid: str, stage: str) -> str:
    query = f"tags.`harness.sweep` = '{uid}' AND tags.`harness.stage` = '{stage}'"
    order = f"orderByKey={quote('metrics.`ks`')}&orderByAsc=true"
    return f"{runs_page(experiment)}&searchFilter={quote(query)}&{order}&compareRunsMode=CHART"


def _compared(experiment: str, runs: Sequence[str]) -> str:
    shown, within = (quote(json.dumps(ids, separators=(",", ":"))) for ids in (list(runs), [experiment]))
    return f"#/compare-runs?runs={shown}&experiments={within}"


def _shown(text: Any) -> str:
    """A user's text as Markdown; HTML in it is shown, not interpreted."""
    return html.escape(str(text), quote=False)
