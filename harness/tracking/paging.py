"""Reading many runs of a store, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

# A page of a search must be answered within the request timeout; 200 runs take about 0.3 s.
_PAGE = 200


def runs_found(
    client: MlflowClient, experiments: list[str], query: str, progress: Callable[[], None], *, deleted: bool = False
) -> Iterator[Any]:
    """The runs that a query finds, those that a user has deleted too where asked; ``progress`` hears of every page."""
    from mlflow.entities import ViewType

    view, token = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY, None
    while True:
        page = client.search_runs(experiments, query, view, _PAGE, page_token=token)
        yield from page
        progress()
        token = page.token
        if not token:
            return
