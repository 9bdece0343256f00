"""MLflow's pages on a store, with the addresses of the runs: ``nox -s ui``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from harness.tracking.notes import runs_page


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the address of each experiment's runs, then become ``mlflow ui`` with the same arguments."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="nox -s ui --", description=main.__doc__, add_help=False)
    parser.add_argument("--backend-store-uri", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("-p", "--port", default="5000")
    options, _ = parser.parse_known_args(words)
    for line in addresses(options.backend_store_uri, f"http://{options.host}:{options.port}"):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *words])  # noqa: S606 - this interpreter


def addresses(uri: str, address: str) -> list[str]:
    """``NAME: URL of its runs`` for each experiment of the store, the newest first, for a server at ``address``."""
    from mlflow import MlflowClient

    experiments = MlflowClient(tracking_uri=uri).search_experiments()
    own = [experiment for experiment in experiments if experiment.name != "Default"]  # MLflow makes that one
    return [f"{each.name}: {address}/{runs_page(each.experiment_id)}" for each in own]


if __name__ == "__main__":
    main()
