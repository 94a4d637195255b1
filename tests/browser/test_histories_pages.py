"""The Market and Models pages: what they show, and that they follow the platform."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tasador.warehouse.warehouse import Warehouse
from tests.browser import chromium
from tests.kit.records import make_batch, make_decision, make_drift_record, make_prediction
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.skipif(
    chromium.find() is None,
    reason="there is no Chromium on this machine (apt install chromium, or set CHROMIUM)",
)
SCORES = {
    "moved": True,
    "hurts": True,
    "univariate": {
        "price": {"value": 0.21, "limit": 0.1, "exceeded": True, "method": "kolmogorov_smirnov"},
        "bed": {"value": 0.02, "limit": 0.1, "exceeded": False, "method": "kolmogorov_smirnov"},
    },
    "performance": {
        "realised_error": 0.32,
        "estimated_error": 0.2,
        "realised_error_reference": 0.2,
    },
}
CHECKS = [
    {"name": "r2", "passed": True, "value": 0.8, "limit": 0.35, "says": "R² is fine."},
    {"name": "rmse", "passed": False, "value": 9e5, "limit": 7e5, "says": "RMSE is too large."},
]


@pytest.fixture(scope="module")
def warehouse(platform):
    with Warehouse(platform.database_url) as warehouse:
        yield warehouse


def decide(warehouse, version, kind="promoted", **changes):
    """Record a decision that the pages have not seen."""
    return warehouse.record_decision(
        make_decision(
            version=version,
            digest=f"d{version}-{uuid4().hex}",
            decision=kind,
            training_id=uuid4().hex,
            champion_version=0,
            champion_digest="",
            checks=CHECKS,
            metrics={"r2": 0.8, "median_error": 0.15},
            decided_at=datetime.now(UTC),
            **changes,
        )
    )


def opened(page, web, route):
    page.open(f"{web}{route}")
    page.wait("document.querySelector('h1')")
    return page


def test_models_page_follows_promotion_and_rejection(page, web, warehouse):
    opened(page, web, "/models")
    decide(warehouse, 901, reasons=["Better than the champion."])
    page.wait("document.body.innerText.includes('Version 901')", 20)
    decide(warehouse, 902, "rejected", reasons=["RMSE is too large."])
    page.wait("document.body.innerText.includes('Version 902')", 20)
    page.wait(row_with("Version 902", "rejected", "RMSE is too large."))
    # The same page, without a reload, shows a version that is chosen.
    page.js(
        "[...document.querySelectorAll('button')].find(b => b.innerText === 'Version 902').click()"
    )
    page.wait("document.querySelector('#version h2')?.innerText === 'Version 902'")
    page.shows("1 of 2 checks passed", "#version")
    page.shows("RMSE is too large.", "#version .gate tbody tr")
    page.wait("location.search === '?version=902'")
    opened(page, web, "/models?version=901")
    page.wait("document.querySelector('#version h2')?.innerText === 'Version 901'")
    page.shows("Better than the champion.", "#version")


def test_market_page_follows_a_drift_alarm(page, web, warehouse):
    points = "document.querySelectorAll('.halves > .card .chart .point').length"
    opened(page, web, "/market")
    batch_id, correlation_id = uuid4().hex, uuid4().hex
    batch = make_batch(
        batch_id=batch_id,
        batch_number=77,
        correlation_id=correlation_id,
        rows_raw=1000,
        rows_quarantined=10,
        fetched_at=datetime.now(UTC),
    )
    warehouse.save_batch(batch)
    page.wait("document.body.innerText.includes('Batch 77')", 20)
    page.shows("not judged yet")
    # Other tests' batches.
    before = page.js(points)
    warehouse.record_drift(
        make_drift_record(batch_id=batch_id, scores=SCORES, reasons=["prices are 24% above"])
    )
    page.wait("document.querySelector('#batch').innerText.includes('prices are 24% above')", 20)
    page.wait(row_with("Price", "2.1×", rows=".heat-map tbody tr"))
    page.wait(f"{points} >= {before + 3}")
    page.wait("document.querySelector('#distribution .chart .point')")
    page.choose("feature", "state")
    page.wait("document.querySelector('#distribution p.hint').innerText.startsWith('Without a')")
    decide(warehouse, 903, correlation_id=correlation_id)
    page.wait("document.body.innerText.includes('version 903 promoted')", 20)


def row_with(*texts, rows="tbody tr"):
    """JavaScript that says whether a row of a table has all the texts."""
    has = " && ".join(f"r.innerText.includes({json.dumps(text)})" for text in texts)
    return f"[...document.querySelectorAll('{rows}')].some(r => {has})"


def test_open_pages_show_what_happens_without_a_reload(page, web, warehouse):
    """How soon, prints `./taskw bench:web`."""
    opened(page, web, "/models")
    page.wait("document.querySelector('main').innerText.includes('Version')")
    for version, kind, text in (
        (905, "promoted", "promoted"),
        (906, "rejected", "rejected"),
        (905, "rolled_back", "rolled back"),
    ):
        decide(warehouse, version, kind)
        page.wait(row_with(f"Version {version}", text))
    opened(page, web, "/market")
    for number, (verdict, text) in enumerate(
        {"drift": "drift", "broken_feed": "broken feed"}.items(), 85
    ):
        batch = make_batch(
            batch_id=uuid4().hex,
            batch_number=number,
            correlation_id=uuid4().hex,
            fetched_at=datetime.now(UTC),
        )
        warehouse.save_batch(batch)
        page.wait(f"document.querySelector('#batch h2')?.innerText === 'Batch {number}'")
        warehouse.record_drift(
            make_drift_record(
                batch_id=batch.batch_id, correlation_id=batch.correlation_id, verdict=verdict
            )
        )
        page.shows(text, "#batch .badge", exactly=True)


def test_pipeline_page_follows_a_turn_of_the_loop(page, web, warehouse):
    def stages():
        names = page.texts("#turn .stage .over")
        return list(zip(names, page.texts("#turn .stage .badge"), strict=False))

    # The page lists an earlier batch, too.
    warehouse.save_batch(make_batch(batch_id=uuid4().hex, correlation_id=uuid4().hex))
    opened(page, web, "/pipeline")
    batch_id, correlation_id = uuid4().hex, uuid4().hex
    began = datetime.now(UTC)
    batch = make_batch(
        batch_id=batch_id,
        batch_number=79,
        correlation_id=correlation_id,
        rows_raw=1000,
        rows_clean=990,
        fetched_at=began,
    )
    warehouse.save_batch(batch)
    page.wait("document.querySelector('#turn h2')?.innerText === 'Batch 79'", 20)
    wait_for(lambda: stages()[:1] == [("Ingest", "running")])
    ready = replace(batch, status="ready", ready_at=began + timedelta(seconds=3))
    warehouse.save_batch(ready)
    page.wait("document.querySelector('#turn').innerText.includes('took 3.0 s')", 20)
    warehouse.record_drift(
        make_drift_record(
            batch_id=batch_id,
            correlation_id=correlation_id,
            reasons=["prices are 24% above"],
            decided_at=began + timedelta(seconds=5),
        )
    )
    page.wait("document.querySelector('#turn .stage.running .over')?.innerText === 'Train'", 20)
    decide(warehouse, 904, "rejected", correlation_id=correlation_id, reasons=["RMSE is worse."])
    page.wait("document.querySelector('#turn .stage.failed')", 20)
    done = ["990 listings", "drift", "version 904", "rejected", "not needed"]
    wait_for(lambda: [label for _, label in stages()] == done, what="the stages of the turn")
    page.shows(correlation_id, "#turn")
    page.click("tbody tr:nth-child(2) button")
    page.wait("document.querySelector('#turn h2').innerText !== 'Batch 79'")
    page.wait("location.search.startsWith('?correlation=')")


def test_pipeline_page_embeds_log_and_card_of_a_run(page, web, card_server, warehouse):
    correlation_id = uuid4().hex
    warehouse.save_batch(
        make_batch(batch_id=uuid4().hex, batch_number=77, correlation_id=correlation_id)
    )
    opened(page, web, f"/pipeline?correlation={correlation_id}")
    for what in ("log", "card"):
        page.wait(f"document.querySelector('[data-{what}=ingest]')")
        page.click(f"[data-{what}=ingest]")
        address = f"{card_server}/turn/{correlation_id}/{what}"
        page.wait(f"document.querySelector('#embedded iframe')?.src === '{address}'")
        page.shows(f"{what.capitalize()} of ingest", "#embedded figcaption")
        wait_for(lambda address=address: address in page.frames(), 30, what=f"{address} in a frame")
    page.click("#embedded button")
    page.wait("!document.querySelector('#embedded')")


def test_predictions_are_filtered_paged_and_traced(page, web, warehouse):
    correlation_id, batch_id = uuid4().hex, uuid4().hex
    warehouse.save_batch(
        make_batch(batch_id=batch_id, batch_number=78, correlation_id=correlation_id)
    )
    warehouse.record_drift(
        make_drift_record(
            batch_id=batch_id, correlation_id=correlation_id, reasons=["prices are 24% above"]
        )
    )
    decision = decide(warehouse, 950, correlation_id=correlation_id, batch_ids=[batch_id])
    start = datetime.now(UTC) - timedelta(hours=1)
    predictions = [
        make_prediction(
            model_version=950,
            model_digest=decision.digest,
            predicted_at=start + timedelta(seconds=n),
            price=100_000.0 + n,
            listing={"state": "Ohio", "bed": 3.0},
            missing=["bath"],
        )
        for n in range(50)
    ]
    warehouse.log_predictions(predictions)
    opened(page, web, "/predictions?version=950&state=Ohio")
    page.wait("document.querySelectorAll('[data-prediction]').length === 25")
    page.shows("$100,049", "tbody tr td.number", exactly=True)
    page.click(".turn:nth-child(2)")
    page.wait("document.querySelector('tbody tr td.number')?.innerText === '$100,024'")
    # The last page is full, and no empty one follows it.
    page.wait("document.querySelectorAll('[data-prediction]').length === 25")
    page.wait("document.querySelector('.turn:nth-child(2)').disabled")
    page.click(f'[data-prediction="{predictions[0].prediction_id}"]')
    page.wait("document.querySelector('#path')")
    path = wait_for(lambda: page.texts("#path li"))
    assert [step.partition("\n")[0] for step in path] == [
        "Ingest",
        "Drift",
        "Training and gate",
        "Prediction",
    ]
    assert "prices are 24% above" in path[1]
    identity = predictions[0].prediction_id
    page.wait(f"document.querySelector('#report')?.href === '{web}/report/{identity}'")
    row = f"document.querySelector('[data-prediction=\"{identity}\"]').closest('tr').innerText"
    page.wait(f"{row}.includes('medium')")
    page.click(".turn:nth-child(1)")
    page.wait("document.querySelectorAll('[data-prediction]').length === 25")
    page.choose("state", "Texas")
    page.click("#filters button")
    page.wait("document.body.innerText.includes('No such prediction is recorded')")


# Keeps what a page sends, until ``release`` is called.
HOLD = """
(() => { const send = WebSocket.prototype.send, held = []; let open = false;
WebSocket.prototype.send = function (data) {
  if (open) send.call(this, data); else held.push([this, data]);
};
window.held = held;
window.release = () => { open = true; held.forEach(([s, d]) => send.call(s, d)); return true; };
})()
"""


def test_filter_typed_before_the_server_answers_is_kept(page, web, warehouse):
    made = make_prediction(model_version=951, predicted_at=datetime.now(UTC))
    warehouse.log_predictions([made])
    page.prepare(HOLD)
    page.open(f"{web}/predictions")
    page.wait("window.held.length && document.getElementById('version')")
    page.fill("version", "951")
    page.js("window.release()")
    page.wait("document.querySelectorAll('[data-prediction]').length > 0")
    page.wait("document.getElementById('version').value === '951'")
    page.click("#filters button")
    page.wait("location.search === '?version=951'")
    page.wait("document.querySelectorAll('[data-prediction]').length === 1")


def test_menu_of_a_phone_opens_names_the_page_and_leads_to_another(page, web, warehouse):
    page.size(390, 844)
    opened(page, web, "/models")
    page.shows("Models", ".menu summary")
    page.js("document.querySelector('.menu summary').focus()")
    page.press("Enter")
    page.wait("document.querySelector('.menu').open")
    # What the page's script presses, to ask for news, does not close it.
    page.js("document.querySelector('[data-tick]').click()")
    assert page.js("document.querySelector('.menu').open")
    page.press("Escape")
    page.wait("!document.querySelector('.menu').open")
    page.click(".menu summary")
    page.wait("document.querySelector('.menu').open")
    assert page.text(".menu [aria-current=page]").strip() == "Models"
    page.click(".menu a[href='/market']")
    page.wait("document.querySelector('h1')?.innerText === 'Market'")
    page.wait("!document.querySelector('.menu').open")


def test_tables_name_their_columns_on_a_phone(page, web, warehouse):
    decide(warehouse, 907, reasons=["Better than the champion: by far."])
    page.size(390, 844)
    opened(page, web, "/models?version=907")
    page.wait(row_with("Version 907", "Better than the champion"))
    said = page.js(
        "[...document.querySelectorAll('.stacked tbody tr:first-child td')]"
        ".map(e => getComputedStyle(e, '::before').content)"
    )
    assert said[:3] == ['"Decision"', '"Median error"', '"R²"']


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "route",
    ["/", "/compare", "/batch", "/market", "/models", "/pipeline", "/predictions", "/service"],
)
def test_pages_fit_a_phone(page, web, model, route, scheme):
    page.size(390, 844)
    page.scheme(scheme)
    opened(page, web, route)
    page.wait("document.querySelector('.card')")
    page.wait("document.documentElement.scrollWidth <= innerWidth")


def test_list_of_versions_grows_by_a_press(page, web, warehouse):
    for version in range(20_001, 20_071):
        decide(warehouse, version)
    opened(page, web, "/models")
    names = "[...document.querySelectorAll('tbody button.linked')].map(b => b.innerText)"
    page.wait(f"{names}.length === 60 && {names}[0] === 'Version 20070'")
    page.click("#older")
    page.wait(f"{names}.includes('Version 20001')")
    assert page.js("document.querySelector('#older')") is None
