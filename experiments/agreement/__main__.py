"""Study whether all engines train the same GANs: the law of the final KS distance from the same seeds.

    python experiments/agreement train ENGINE [--members 256] [--steps 10000]    (nox -s agreement)
    python experiments/agreement report

Question    Engines agree step by step for some fifty steps; then rounding is amplified. Are they still the same GANs?
Prediction  After 10,000 steps a member's KS differs from engine to engine, its distribution over seeds does not:
            neither two-sample tests nor paired ones tell two engines apart.
Cost        2.56 million GAN-steps an engine: on two cores one minute (cpu), four (batched), sixteen (the CUDA kernel's
            host build, on one core). The float64 reference would take hours; tests hold it to the others step by step.

``train`` writes docs/figures/agreement/ENGINE.csv, a row a member; ``report`` reads those files and writes
docs/agreement.md and its figure.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from report import write_report
from study import MAKERS, MEMBERS, STEPS, train_members

FOLDER = Path("docs/figures/agreement")


def main() -> None:
    """Run the command that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="train with one engine and write where its members ended")
    training.add_argument("engine", choices=list(MAKERS))
    training.add_argument("--members", type=int, default=MEMBERS)
    training.add_argument("--steps", type=int, default=STEPS)
    commands.add_parser("report", help="compare the files of all engines")
    arguments = parser.parse_args()
    if arguments.command == "report":
        print(write_report(FOLDER, Path("docs")))
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    members = train_members(MAKERS[arguments.engine](), arguments.members, arguments.steps)
    members.to_csv(FOLDER / f"{arguments.engine}.csv", index=False, float_format="%.9g", lineterminator="\n")


if __name__ == "__main__":
    main()
