"""The verdict of a campaign, as data and as the table that is printed."""

from __future__ import annotations

import datetime
import os
import platform
from typing import Any

from checks import NOT_MIRRORED
from kills import Campaign

from harness.sweep.provenance import processor, versions

PHASES = {
    "loading": "while the program loads",
    "search": "while it searches",
    "confirm": "in the confirm stage",
    "report": "after the last commit: winners, report, last runs",
}


def document(campaign: Campaign, seed: int) -> dict[str, Any]:
    """Numbers of kills, comparisons and faults, with the machine and the date."""
    return {
        "format": 1,
        "command": f"python experiments/faults --kills {campaign.wanted} --seed {seed}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "versions": versions(),
        },
        "seconds": round(campaign.seconds),
        "kills": {phase: campaign.kills[phase] for phase in PHASES},
        "kills_before_the_mirror_had_all": campaign.kills[NOT_MIRRORED],
        "kills_with_the_mirror": campaign.with_mirror,
        "sweeps": campaign.sweeps,
        "rows_compared": campaign.rows,
        "runs_counted": campaign.counted["runs"],
        "exported_trials_counted": campaign.counted["studies"],
        "faults": campaign.faults,
    }


def table(document: dict[str, Any]) -> str:
    """The table that ends the session."""
    kills = sum(document["kills"].values())
    counted = [*((PHASES[phase], n) for phase, n in document["kills"].items())]
    counted += [("of all: with trials committed and not yet mirrored", document["kills_before_the_mirror_had_all"])]
    counted += [("of all: the mirror's process killed too", document["kills_with_the_mirror"])]
    lines = [f"{kills} kills of {document['sweeps']} sweeps in {document['seconds']} s"]
    lines += [f"  {n:4d}  {what}" for what, n in counted]
    lines += [
        f"{document['rows_compared']} rows compared bit for bit with uninterrupted sweeps, "
        f"{document['runs_counted']} runs of MLflow and {document['exported_trials_counted']} trials of Optuna counted"
    ]
    for check, faults in document["faults"].items():
        lines += [f"  {check}: {'none' if not faults else f'{len(faults)} faults'}", *(f"    {f}" for f in faults[:20])]
    good = not any(document["faults"].values())
    return "\n".join([*lines, "nothing lost, nothing doubled, no bit other" if good else "FAULTS FOUND"])
