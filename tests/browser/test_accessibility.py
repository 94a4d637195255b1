"""Every page as axe-core judges it, in both schemes and on a phone; and the keyboard alone."""

import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tasador.settings import CHECKOUT
from tasador.warehouse.warehouse import Warehouse
from tests.browser import chromium
from tests.browser.page_links import links
from tests.browser.test_histories_pages import CHECKS, SCORES
from tests.browser.test_pages import place_of
from tests.kit.records import make_batch, make_decision, make_drift_record, make_prediction
from tests.kit.waiting import wait_for

sys.path.append(str(CHECKOUT / "web"))
from tasador_web.spanish import SPANISH

pytestmark = pytest.mark.skipif(
    chromium.find() is None,
    reason="there is no Chromium on this machine (apt install chromium, or set CHROMIUM)",
)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
HOME = "house_size=1800&bed=3&bath=2"


@pytest.fixture(scope="module")
def prediction(platform):
    """A prediction with a batch, a verdict and decisions behind it, so that every page has much."""
    with Warehouse(platform.database_url) as warehouse:
        correlation_id, now = uuid4().hex, datetime.now(UTC)
        batch = make_batch(
            batch_id=uuid4().hex,
            batch_number=81,
            correlation_id=correlation_id,
            rows_raw=1000,
            rows_clean=990,
            rows_quarantined=10,
            fetched_at=now,
        )
        warehouse.save_batch(batch)
        warehouse.save_batch(replace(batch, status="ready", ready_at=now))
        warehouse.record_drift(
            make_drift_record(
                batch_id=batch.batch_id,
                correlation_id=correlation_id,
                scores=SCORES,
                reasons=["prices are 24% above"],
                decided_at=now,
            )
        )
        for version, kind in ((970, "rejected"), (971, "waiting")):
            decision = warehouse.record_decision(
                make_decision(
                    version=version,
                    digest=f"d{version}-{uuid4().hex}",
                    decision=kind,
                    training_id=uuid4().hex,
                    champion_version=0,
                    champion_digest="",
                    correlation_id=correlation_id,
                    batch_ids=[batch.batch_id],
                    checks=CHECKS,
                    metrics={"r2": 0.8, "median_error": 0.15},
                    reasons=["RMSE is too large."],
                    decided_at=now,
                )
            )
        made = make_prediction(
            model_version=decision.version, model_digest=decision.digest, predicted_at=now
        )
        warehouse.log_predictions([made])
    return made


def faults(page):
    """What axe finds on the page that is serious or critical: (rule, elements)."""
    return {
        violation["id"]: [
            f"{node['html'][:160]} {node['failureSummary']}" for node in violation["nodes"][:5]
        ]
        for violation in page.axe({"runOnly": RULES, "resultTypes": ["violations"]})
        if violation["impact"] in ("serious", "critical")
    }


def settled(page):
    """Nothing on the page moves or fades any more; colours in between have no contrast."""
    page.js(
        "Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations === 1)"
        ".map(a => a.finished.catch(() => 0))).then(() => true)"
    )


def assert_accessible(page):
    for width, height, scheme in ((1280, 900, "light"), (1280, 900, "dark"), (390, 844, "dark")):
        page.size(width, height)
        page.scheme(scheme)
        settled(page)
        assert faults(page) == {}, (width, scheme)
        page.wait("document.documentElement.scrollWidth <= innerWidth")


PAGES = {
    f"/?{HOME}": "document.querySelector('#price')?.innerText",
    f"/es?{HOME}": "document.querySelector('#price')?.innerText",
    f"/compare?{HOME}": "document.querySelector('main[data-loaded=true]')",
    f"/es/compare?{HOME}": "document.querySelector('main[data-loaded=true]')",
    "/es/batch": "document.querySelector('[data-upload]')?.dataset.upload",
    "/batch": "document.querySelector('[data-upload]')?.dataset.upload",
    "/es/market": "document.querySelector('#distribution .chart')",
    "/market": "document.querySelector('#distribution .chart')",
    "/models?version=970": "document.querySelector('#version .gate')",
    "/es/models?version=970": "document.querySelector('#version .gate')",
    "/es/pipeline": "document.querySelector('#turn')",
    "/pipeline": "document.querySelector('#turn')",
    "/predictions?id={prediction}": "document.querySelector('#path')",
    "/es/predictions?id={prediction}": "document.querySelector('#path')",
    "/es/service": "[...document.querySelectorAll('dt')].some(e => e.textContent === 'Modelo')",
    "/es/activity": "document.querySelector('.nothing')",
    "/service": "[...document.querySelectorAll('dt')].some(e => e.textContent === 'Model')",
    "/activity": "document.querySelector('.nothing')",
    "/login?next=/es/batch": "document.querySelector('#name')",
    "/login": "document.querySelector('#name')",
}


@pytest.mark.parametrize("route", PAGES)
def test_axe_finds_no_serious_fault(page, web, model, prediction, route):
    page.open(f"{web}{route.format(prediction=prediction.prediction_id)}")
    page.wait(PAGES[route])
    if route.startswith("/es"):
        assert english_texts(page) == []
    page.js("document.querySelectorAll('details').forEach(d => { d.open = true }); true")
    assert_accessible(page)
    assert links(page, routed=True) == {}


@pytest.mark.parametrize(
    ("route", "names"),
    [
        (f"/?{HOME}", ["/report/"]),
        ("/predictions?id={prediction}", ["/report/"]),
        ("/models?version=970", ["/model-card/"]),
        ("/pipeline", ["/"]),
    ],
)
def test_links_to_what_is_no_page_open_by_a_click(page, web, model, prediction, route, names):
    page.open(f"{web}{route.format(prediction=prediction.prediction_id)}")
    page.wait(PAGES[route])
    found = wait_for(lambda: links(page))
    assert [n for n in names if not any(urlsplit(href).path.startswith(n) for href in found)] == []
    for href, selector in found.items():
        address, html = page.tab_of(selector)
        assert address.startswith(href.removesuffix("/")), "MLflow adds to its address"
        assert 'class="shell"' not in html, href
    assert page.js("location.pathname").rstrip("/") == urlsplit(route).path.rstrip("/")


def test_links_of_every_page_stay_in_its_language(page, web, model):
    page.open(f"{web}/es")
    page.wait("document.querySelector('.side nav a')")
    names = page.js("[...document.querySelectorAll('.side > nav a')].map(a => a.pathname)")
    assert len(names) == 8
    for name in [*names, "/es/activity"]:
        page.open(f"{web}{name}")
        page.wait("document.documentElement.lang === 'es' && document.querySelector('h1')")
        links = page.js("[...document.querySelectorAll('.side nav a')].map(a => a.pathname)")
        assert set(links) == set(names), name
        page.click("a[data-language]")
        english = name.removeprefix("/es") or "/"
        page.wait(f"location.pathname.replace(/(.)[/]$/, '$1') === '{english}'")
        page.wait("document.documentElement.lang === 'en' && document.querySelector('h1')")


def test_axe_finds_no_serious_fault_in_errors_and_suggestions(page, web, platform, model):
    city, _ = place_of(web, platform)
    page.open(f"{web}/")
    page.wait("document.querySelector('#listing[data-loaded=true]')")
    page.fill("bed", "three")
    page.fill("bath", "2")
    page.press("Enter")
    page.wait("document.querySelector('#bed-error')")
    # The focus moves last; it would close the list of places.
    page.wait("document.activeElement.id === 'bed'")
    page.fill("place", city[:4])
    page.wait("document.querySelectorAll('#places li').length > 0")
    page.press("ArrowDown")
    page.wait("document.querySelector('#places [aria-selected=true]')")
    assert_accessible(page)


def tab_to(page, condition):
    for _ in range(120):
        page.press("Tab")
        if page.js(f"(e => !!({condition}))(document.activeElement)"):
            return
    raise AssertionError(f"Tab never reached {condition}")


def test_estimate_is_made_and_varied_by_the_keyboard_alone(page, web, platform, model):
    city, _ = place_of(web, platform)
    page.open(f"{web}/")
    page.wait("document.querySelector('#listing[data-loaded=true]')")
    tab_to(page, "e.id === 'place'")
    page.type(city)
    page.wait("document.querySelectorAll('#places li').length > 0")
    page.press("ArrowDown")
    page.wait("document.querySelector('#places [aria-selected=true]')")
    page.press("Enter")
    page.wait("document.querySelector('#price')?.innerText")
    tab_to(page, "e.id === 'house_size'")
    page.type("1500")
    page.press("Enter")
    page.wait("document.querySelector('.slider-value')?.innerText === '1,500 sq ft'")
    before = page.text("#price")
    tab_to(page, "e.dataset.slider === 'house_size'")
    for _ in range(4):
        page.press("ArrowRight")
    page.wait(f"document.querySelector('#price').innerText !== '{before}'")
    tab_to(page, "e.matches('summary') && e.closest('#origin')")
    page.press("Enter")
    page.wait("document.querySelector('#origin').open")


def english_texts(page):
    """What a Spanish page still says in English."""
    shown = page.text()
    # "una persona" does not say "a person".
    known = [
        each
        for each in SPANISH
        if " " in each and "{" not in each and re.search(rf"(?<!\w){re.escape(each)}(?!\w)", shown)
    ]
    # Record says this of the rollouts.
    return [each for each in known if each not in ("waits for approval", "in service")]


def test_compare_page_is_in_spanish(page, web, model):
    page.open(f"{web}/es/compare?house_size=1850&bed=3")
    page.wait("document.querySelector('main[data-loaded=true]')")
    page.wait("document.getElementById('house_size').value === '1850'")
    page.fill("house_size", "2.100")
    page.press("Enter")
    page.shows("veces lo que cuesta en", "#sentence")
    page.shows("Precios en todos los estados.")
    assert english_texts(page) == []
    page.fill("house_size", "grande")
    page.press("Enter")
    page.shows("Superficie no es un número.", ".notice.red", exactly=True)


def test_page_changes_to_spanish_and_back_with_the_same_home(page, web, platform, model):
    city, state = place_of(web, platform)
    page.open(f"{web}/?city={city}&state={state}&house_size=1500&bed=3")
    page.wait("document.querySelector('.comparable')")
    english = page.wait("document.querySelector('#price')?.innerText")
    assert page.js("document.documentElement.lang") == "en"
    page.click("a[data-language]")
    # The server adds a slash to the address of a page's folder.
    page.wait("location.pathname.startsWith('/es') && location.search.includes('house_size=1500')")
    page.shows(english.replace(",", "."), "#price", exactly=True)
    page.wait("document.documentElement.lang === 'es'")
    page.wait("document.title === 'Valoración · Tasador'")
    page.shows("¿Cuánto vale esta vivienda?")
    page.shows("Respecto a una vivienda típica", "#sentence")
    page.shows("1.500 pies²", ".slider-value", exactly=True)
    page.wait("document.querySelector('.comparable')")
    page.js("document.querySelectorAll('details').forEach(d => { d.open = true }); true")
    assert english_texts(page) == []
    page.fill("bed", "tres")
    page.fill("acre_lot", "0,25")
    page.click("button[type=submit]")
    page.shows("no es un número", "#bed-error", exactly=True)
    page.wait("document.activeElement.id === 'bed'")
    page.fill("bed", "4")
    page.press("Enter")
    page.wait("location.search.includes('bed=4') && location.search.includes('acre_lot=0.25')")
    page.click("a[data-language]")
    page.wait("location.pathname === '/' && location.search.includes('bed=4')")
    page.shows("Compared with a typical home", "#sentence")
    page.wait("document.documentElement.lang === 'en'")
