"""Where MLflow's pages show the runs of a store; for ``nox -s ui``, with the arguments of ``mlflow ui``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from harness.tracking.pages import runs_page


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the address of each experiment's runs, as soon as ``mlflow ui`` is called with the same arguments."""
    parser = argparse.ArgumentParser(prog="python -m harness.tracking.opening", description=main.__doc__)
    parser.add_argument("--backend-store-uri", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True)
    options, _ = parser.parse_known_args(arguments)

    from mlflow import MlflowClient

    found = MlflowClient(tracking_uri=options.backend_store_uri).search_experiments()
    address = f"http://{options.host}:{options.port}"
    for experiment in reversed(found):
        if experiment.name != "Default":  # MLflow's own, in which nothing is mirrored
            sys.stdout.write(f"{experiment.name}: {address}/{runs_page(experiment.experiment_id)}\n")
    sys.stdout.write(f"all: {address}/ (Control-C ends the pages)\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
