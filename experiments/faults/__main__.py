"""Study: a sweep that is killed a hundred times ends as one that nobody touched.

    python experiments/faults [--kills 100] [--seed 0] [--json FILE]    (nox -s faults)

Question    SIGKILL at random moments, the mirror's process sometimes with it, and every time the same command again: is
            a row lost, doubled or other than it would have been, or a run of MLflow missing or there twice?
Prediction  None: every row has the bits of the uninterrupted sweep, and every trial exactly one finished run.
Cost        About ten seconds a kill on two busy cores, most of them imports: eighteen minutes for a hundred.

tests/faults/test_kill.py and tests/faults/test_kill_every_write.py are the quick version of this study.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from kills import Campaign
from verdict import document, table


def main() -> int:
    """Run the campaign; the exit status is 1 where a fault was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the verdict, with machine and date")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        campaign = Campaign(Path(folder), arguments.kills, arguments.seed)
        campaign.run()
        verdict = document(campaign, arguments.seed)
    print(table(verdict))
    if arguments.json:
        arguments.json.write_text(json.dumps(verdict, indent=1, allow_nan=False) + "\n")
    return 1 if any(verdict["faults"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
