"""Pages while a part of the platform is down or asleep: they say which, keep the rest, recover."""

import os
import signal
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from uuid import uuid4

import psutil
import pytest

from tasador.local.platform import Platform
from tasador.local.process import Daemons
from tasador.warehouse.warehouse import Warehouse
from tests.browser import chromium
from tests.kit.network import free_port
from tests.kit.records import make_batch, make_decision, make_drift_record, make_prediction
from tests.kit.waiting import wait_for
from tests.kit.web_app import serving

pytestmark = pytest.mark.skipif(
    chromium.find() is None,
    reason="there is no Chromium on this machine (apt install chromium, or set CHROMIUM)",
)


def pid_of(platform, part):
    return Daemons(platform.home).running(part).pid


@contextmanager
def killed(platform, part):
    """The platform without a part, which is started again at the end."""
    process = psutil.Process(pid_of(platform, part))
    # Postgres's processes end with it, but not at once.
    family = [process, *process.children(recursive=True)] if part == "postgres" else [process]
    process.kill()
    psutil.wait_procs(family, timeout=20)
    try:
        yield
    finally:
        Platform(platform.home).up(web=False)


@pytest.fixture(scope="module")
def history(platform):
    """A turn of the loop and a prediction, which pages keep while a part is down."""
    correlation_id, now = uuid4().hex, datetime.now(UTC)
    batch = make_batch(
        batch_id=uuid4().hex, batch_number=83, correlation_id=correlation_id, fetched_at=now
    )
    with Warehouse(platform.database_url) as warehouse:
        warehouse.save_batch(batch)
        warehouse.record_drift(
            make_drift_record(batch_id=batch.batch_id, correlation_id=correlation_id)
        )
        warehouse.record_decision(
            make_decision(
                version=983,
                digest=uuid4().hex,
                decision="rejected",
                training_id=uuid4().hex,
                correlation_id=correlation_id,
                decided_at=now,
            )
        )
        warehouse.log_predictions([make_prediction(predicted_at=now)])


# Page: what it shows, and keeps.
FOLLOWING = {
    "/market": "Batch 83",
    "/models": "Version 983",
    "/pipeline": "Batch 83",
}


@pytest.mark.parametrize("part", ["gateway", "postgres"])
def test_open_pages_say_what_is_down_keep_what_they_show_and_recover(
    tab, web, platform, model, history, part
):
    pages = {route: tab() for route in FOLLOWING}
    for route, text in FOLLOWING.items():
        pages[route].open(f"{web}{route}")
        pages[route].wait(f"document.body.innerText.includes('{text}')")
    with killed(platform, part):
        for route, text in FOLLOWING.items():
            pages[route].wait("document.querySelector('main [role=alert]')")
            down = "record at" if part == "gateway" else "database"
            pages[route].shows(down, "main [role=alert]")
            pages[route].shows(text, "main")
    for page in pages.values():
        page.wait("!document.querySelector('main [role=alert]')")
        page.close()


@pytest.mark.parametrize("part", ["mlflow", "objects"])
def test_histories_need_neither_registry_nor_object_store(page, web, platform, history, part):
    with killed(platform, part):
        for route, text in FOLLOWING.items():
            page.open(f"{web}{route}")
            page.shows(text, "main")
            assert not page.js("document.querySelector('main > [role=alert]')")


def test_server_ends_though_its_worker_does_not(web_folder, platform):
    with serving(web_folder, platform.functions_url) as (_, process):
        (worker,) = psutil.Process(process.pid).children()
        worker.suspend()
        process.terminate()
        assert process.wait(20) == 0
    assert not worker.is_running()


def test_open_page_says_that_its_server_is_down_and_follows_the_next_one(
    tab, web_folder, platform, history
):
    port, page = free_port(), tab()
    with serving(web_folder, platform.functions_url, port) as (address, process):
        page.open(f"{address}/models")
        page.shows("Version 983", "main")
        family = [*psutil.Process(process.pid).children(recursive=True), process]
        process.kill()
        psutil.wait_procs(family[:-1], timeout=10)
    page.shows("Cannot connect to server")
    page.shows("Version 983", "main")
    with serving(web_folder, platform.functions_url, port):
        with Warehouse(platform.database_url) as warehouse:
            warehouse.record_decision(
                make_decision(
                    version=984,
                    digest=uuid4().hex,
                    decision="rejected",
                    training_id=uuid4().hex,
                    decided_at=datetime.now(UTC),
                )
            )
        page.shows("Version 984", "main")
        page.wait("!document.body.innerText.includes('Cannot connect to server')")
        page.close()


@pytest.mark.parametrize("part", ["gateway", "postgres", "objects"])
def test_prices_while_a_part_is_down(page, web, platform, model, part):
    page.open(f"{web}/")
    page.wait("document.querySelector('#listing[data-loaded=true]')")
    with killed(platform, part):
        page.click("button[type=submit]")
        if part == "gateway":
            page.wait("document.querySelector('main [role=alert]')")
            page.shows("predict at", "main [role=alert]")
        else:
            # Neither the database nor the object store is needed for a price.
            page.wait("document.querySelector('#price')?.innerText")
    page.wait("document.querySelector('button[type=submit]').ariaBusy === 'false'")
    page.click("button[type=submit]")
    page.wait("document.querySelector('#price')?.innerText")
    page.wait("!document.querySelector('main [role=alert]')")


def functions_of(platform, name):
    """The processes of a function."""
    for process in psutil.Process(pid_of(platform, "gateway")).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if f"functions/{name}" in " ".join(process.cmdline()):
                yield process


def test_sleeping_model_wakes_up_while_the_page_says_so(page, web, platform, model):
    page.open(f"{web}/")
    page.wait("document.querySelector('#listing[data-loaded=true]')")
    asleep = list(functions_of(platform, "predict"))
    for process in asleep:
        process.kill()
    psutil.wait_procs(asleep, timeout=10)
    page.click("button[type=submit]")
    (waking,) = wait_for(lambda: list(functions_of(platform, "predict")))
    # As on a slow machine: the page has time to say what it waits for.
    os.kill(waking.pid, signal.SIGSTOP)
    try:
        waits = "getComputedStyle(document.querySelector('.waking')).visibility === 'visible'"
        page.wait(f"document.querySelector('.waking') && {waits}")
        page.shows("waking up", "#answer")
    finally:
        os.kill(waking.pid, signal.SIGCONT)
    page.wait("document.querySelector('#price')?.innerText")
