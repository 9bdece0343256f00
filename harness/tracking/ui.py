"""Open MLflow's pages on a store and say where in them the runs are: ``nox -s ui``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from harness.tracking.notes import runs_page


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the address of each experiment's runs, then become ``mlflow ui`` with the same arguments."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="nox -s ui --", description=main.__doc__, add_help=False)
    parser.add_argument("--backend-store-uri", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("-p", "--port", default="5000")
    options, _ = parser.parse_known_args(given)
    for line in addresses(options.backend_store_uri, f"http://{options.host}:{options.port}"):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *given])  # noqa: S606 - this interpreter


def addresses(uri: str, address: str) -> list[str]:
    """``NAME: URL of its runs`` for each experiment of the store, the newest first, for a server at ``address``."""
    from mlflow import MlflowClient

    found = [e for e in MlflowClient(tracking_uri=uri).search_experiments() if e.name != "Default"]  # MLflow's own
    return [f"{e.name}: {address}/{runs_page(e.experiment_id)}" for e in found]


if __name__ == "__main__":
    main()
