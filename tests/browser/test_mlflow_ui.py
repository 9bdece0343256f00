"""MLflow's own pages on a real mirrored sweep: runs, charts, comparison, figures and the report, in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.mlflow_store import mirrored_now, runs_by_key, served

from analysis.report import write_report
from analysis.winner_figure import draw_winners
from harness.store import Store
from harness.tracking.ui import addresses

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from support.browser import Tab

pytestmark = [
    pytest.mark.browser,
    # MLflow's own tables use a loader that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"),
]

HOSTILE = "<img src=x onerror=document.title='owned'>"

#: MLflow's pages ask for the user, whom a server without accounts does not know, and resize charts while they draw.
KNOWN = re.compile(r"/mlflow/users/current|ResizeObserver loop")


@dataclass(frozen=True)
class Served:
    """A server's address, its experiment's id and the runs by ``harness.key``."""

    address: str
    uri: str
    experiment: str
    uid: str
    runs: dict[str, Any]


@pytest.fixture(scope="module")
def pages(finished_sweep: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """``finished_sweep`` with winners' figures and a report, mirrored, beside a run with a hostile name, and served."""
    from mlflow import MlflowClient

    base = tmp_path_factory.mktemp("ui")
    store = Store(Path(shutil.copytree(finished_sweep.folder, base / "small")))
    draw_winners(store)
    write_report(store.folder)
    uri = f"sqlite:///{base}/mlflow.db"
    assert mirrored_now(store.folder, uri).complete
    runs, uid = runs_by_key(uri, "small"), store.describe()["uid"]
    client, experiment = MlflowClient(tracking_uri=uri), runs[uid].info.experiment_id
    tags = {"harness.sweep": uid, "harness.stage": "confirm"}
    hostile = client.create_run(experiment, run_name=HOSTILE, tags=tags)
    client.log_metric(hostile.info.run_id, "ks", 0.5, step=20)
    with served(base, uri) as (address, _):
        yield Served(address, uri, experiment, uid, runs)


@pytest.fixture
def opened(tab: Tab, pages: Served) -> Iterator[Tab]:
    """The tab, allowed to ask this server, wide enough for MLflow's panels; what MLflow always says is no problem."""
    tab.allow(pages.address)
    tab.page.set_viewport_size({"width": 1600, "height": 1000})
    yield tab
    tab.problems[:] = [problem for problem in tab.problems if not KNOWN.search(problem)]


def links(page: Page, pages: Served) -> dict[str, str]:
    """The links in the description of the sweep's run, by their words."""
    page.goto(f"{pages.address}/#/experiments/{pages.experiment}/runs/{pages.runs[pages.uid].info.run_id}")
    page.get_by_text("KS over training").wait_for(state="attached")
    found = page.locator("a[href*='compare']").all()
    return {link.text_content() or "": f"{pages.address}/{link.get_attribute('href')}" for link in found}


def go(page: Page, address: str) -> None:
    """Load a page anew: to MLflow, a link behind the # is the same page."""
    page.goto("about:blank")
    page.goto(address)


def test_descriptions_lead_to_charts_and_comparison(opened: Tab, pages: Served) -> None:
    """From the sweep's run: KS over training, a curve a variant; bars; parallel coordinates from rates to KS."""
    page = opened.page
    found = links(page, pages)
    curves, bars, trials, winners = found
    assert curves.startswith("KS over training")
    assert trials == "Hyper-parameters to KS, 8 trials in parallel coordinates"

    go(page, found[curves])
    page.get_by_text("3 matching runs").wait_for()
    page.locator(".js-plotly-plot .scatterlayer .trace").nth(2).wait_for(state="attached")
    assert "minimax / variances confirm" in page.inner_text("body")
    assert page.get_by_text(HOSTILE).count() > 0
    opened.picture("curves", whole=False)

    go(page, found[bars])
    page.locator(".js-plotly-plot .barlayer .trace").first.wait_for(state="attached")
    opened.picture("bars", whole=False)

    go(page, found[trials])
    page.get_by_role("heading", name="Comparing 8 Runs from 1 Experiment").wait_for()
    page.locator(".parcoords .axis-title").first.wait_for(state="attached")
    axes = set(page.locator(".parcoords .axis-title").all_text_contents())
    assert {"loss", "lr_d", "lr_g", "ks"} <= axes
    opened.picture("trials", whole=False)

    go(page, found[winners])
    page.get_by_role("heading", name="Comparing 2 Runs from 1 Experiment").wait_for()


def test_figures_and_the_report_are_shown(opened: Tab, pages: Served) -> None:
    """A winner's density as a picture, and the sweep's report as a page, in MLflow's viewer of artifacts."""
    page = opened.page
    arm = next(run for run in pages.runs.values() if run.data.tags.get("harness.stage") == "arm")
    runs = f"{pages.address}/#/experiments/{pages.experiment}/runs"
    go(page, f"{runs}/{arm.info.run_id}/artifacts/density.png")
    page.wait_for_function("[...document.images].some(image => image.naturalWidth >= 400)")
    opened.picture("density", whole=False)

    go(page, f"{runs}/{pages.runs[pages.uid].info.run_id}/artifacts/report/report.html")
    page.frame_locator("iframe").get_by_role("heading", name="small").first.wait_for()
    opened.picture("report", whole=False)


def test_a_hostile_name_is_text(opened: Tab, pages: Served) -> None:
    """In the list of runs, on its own page and in a comparison the name stands as it is, and nothing runs."""
    from mlflow import MlflowClient

    page = opened.page
    query = "tags.`harness.stage` = 'confirm'"
    confirmed = MlflowClient(tracking_uri=pages.uri).search_runs([pages.experiment], query)
    (hostile,) = [run for run in confirmed if run.info.run_name == HOSTILE]
    ids = ",".join(f'"{run.info.run_id}"' for run in confirmed)
    for place in (
        f"experiments/{pages.experiment}/runs/{hostile.info.run_id}",
        f'compare-runs?runs=[{ids}]&experiments=["{pages.experiment}"]',
    ):
        go(page, f"{pages.address}/#/{place}")
        page.get_by_text(HOSTILE).first.wait_for()
        assert page.locator("img[src='x']").count() == 0
        assert page.title() != "owned"


def test_the_addresses_of_the_runs_are_told(opened: Tab, pages: Served) -> None:
    """The address that ``nox -s ui`` prints before the server starts leads to the list of the sweep's runs."""
    (told,) = addresses(pages.uri, pages.address)
    name, _, address = told.partition(": ")
    assert name == "small"
    go(opened.page, address)
    opened.page.get_by_text(f"{len(pages.runs) + 1} matching runs").wait_for()
    opened.picture("runs", whole=False)
