"""The pages, used as a person uses them."""

import json

import httpx
import pytest

from tests.browser import chromium
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.skipif(
    chromium.find() is None,
    reason="there is no Chromium on this machine (apt install chromium, or set CHROMIUM)",
)

FORM = {
    "street": "1744",
    "house_size": "1850",
    "acre_lot": "0.25",
    "bed": "3",
    "bath": "2",
    "brokered_by": "88",
    "prev_sold_date": "2019-05-17",
}


@pytest.fixture
def without_model(services):
    services.serve(None)


def money(text):
    return float(text.replace("−", "-").replace("$", "").replace(",", "").replace("+", ""))


def opened(page, web, route="/"):
    page.open(f"{web}{route}")
    page.wait("document.querySelector('h1')")
    return page


def ready(page, web, query=""):
    """The Estimate page, once it answers to what is typed."""
    opened(page, web, f"/{query}")
    page.wait("document.querySelector('#listing[data-loaded=true]')")
    return page


def estimate(page):
    """Press Estimate; returns the price of the new prediction, not of the one on the page."""
    before = fact(page, "Prediction")
    page.click("button[type=submit]")
    wait_for(lambda: fact(page, "Prediction") not in (None, before), 30)
    return money(page.text("#price"))


def fact(page, name):
    """The value next to a name in a list of facts, also in a closed section."""
    return page.js(
        "[...document.querySelectorAll('dt')].find(e => e.textContent === "
        f"'{name}')?.nextElementSibling.textContent"
    )


def place_of(web, platform):
    """A city of the model in service."""
    cities = httpx.get(f"{platform.functions_url}/places", trust_env=False, timeout=60).json()[
        "cities"
    ]
    return cities["name"][0], cities["state"][0]


def recorded(platform, identity):
    """The recorded prediction, once it is there."""
    url = f"{platform.functions_url}/predictions/{identity}"

    def fetch():
        answer = httpx.get(url, trust_env=False, timeout=60)
        return answer.json() if answer.is_success else None

    return wait_for(fetch)


def test_empty_form_is_priced_explained_and_recorded(page, web, platform, model):
    ready(page, web)
    price = estimate(page)
    levels = wait_for(lambda: page.texts(".levels li"))
    assert [level[:9] for level in levels] == ["80 in 100", "90 in 100", "95 in 100"]
    low, high = (money(t) for t in page.texts("#range span"))
    assert low < price < high
    # The price stands within the narrowest band.
    mark, left, right = page.js(
        """(b => [document.querySelector('.pointer').getBoundingClientRect(), b].flatMap(
           (r, n) => n ? [r.left, r.right] : [(r.left + r.right) / 2]))(
           document.querySelector('.band.p80').getBoundingClientRect())"""
    )
    assert left < mark < right
    page.shows("lot size", "#missing")
    prediction = recorded(platform, fact(page, "Prediction"))
    assert round(prediction["price"]) == price
    assert fact(page, "Model") == "tasador-price, version 3"
    assert fact(page, "Revision") == prediction["revision"] == "predict-00003"
    assert fact(page, "Digest") == prediction["model_digest"]
    assert fact(page, "Correlation") == "c-3"
    # No id is in the buyer's face.
    assert fact(page, "Prediction") not in page.text("main")


def test_a_place_alone_is_said_to_be_priced_as_land(page, web, platform, model):
    city, state = place_of(web, platform)
    ready(page, web, f"?city={city}&state={state}")
    page.shows("Priced as land, since neither the size nor the bedrooms are given.", ".headline")
    page.shows("zip code", "#missing")
    page.shows("broker code", "#missing")
    page.shows(f"Centred on the middle of {city}, {state}.", "figcaption")
    assert "same zip code" not in page.text("main")
    page.js("document.querySelector('[data-slider=house_size]').focus()")
    page.press("ArrowRight")
    page.wait("!document.querySelector('.headline').innerText.includes('as land')")


def test_homes_sent_during_an_answer_are_priced_once_each(page, web, platform, model):
    ready(page, web)
    submit = "document.getElementById('listing').requestSubmit()"
    for size in ("1,201", "1,202"):
        page.fill("house_size", size)
        page.js(f"{submit}, {submit}")
    page.wait("location.search === '?house_size=1202'")
    recorded(platform, fact(page, "Prediction"))
    newest = httpx.get(
        f"{platform.functions_url}/predictions/history?limit=6", trust_env=False, timeout=60
    ).json()["predictions"]
    sizes = [prediction["listing"]["house_size"] for prediction in newest]
    assert (sizes.count(1201), sizes.count(1202)) == (1, 1)


def test_waterfall_adds_up_to_the_price(page, web, model):
    ready(page, web)
    page.fill("house_size", "3,200")
    price = estimate(page)
    page.wait(
        "document.querySelector('td.number.total')?.innerText === "
        "document.querySelector('#price').innerText"
    )
    steps = [money(t) for t in page.texts("td.number.base, td.number.up, td.number.down")]
    assert 0 not in steps
    # Each step is rounded to whole dollars.
    assert sum(steps) == pytest.approx(price, abs=len(steps))
    assert money(page.text("td.number.total")) == price
    page.shows("Compared with a typical home", "#sentence")


def test_example_shows_what_the_page_does(page, web, platform, model):
    ready(page, web)
    label = page.text("#example")
    page.click("#example")
    page.wait("document.querySelector('#price')?.innerText")
    page.wait("document.querySelector('.comparable')")
    page.wait("document.getElementById('house_size').value === '1800'")
    page.wait("location.search.includes('house_size=1800')")
    assert page.wait("document.getElementById('place').value") in label


def test_place_is_found_with_a_typo_and_taken_by_the_keyboard(page, web, platform, model):
    city, _ = place_of(web, platform)
    ready(page, web)
    page.fill("place", city[:3] + city[4:] if len(city) > 6 else city[:4])
    page.wait("document.querySelectorAll('#places li').length > 0")
    page.press("ArrowDown")
    page.wait("document.querySelector('#places [aria-selected=true]')")
    label = page.text("#places [aria-selected=true]").partition(" ·")[0]
    page.press("Enter")
    page.wait("document.querySelector('#price')?.innerText")
    page.wait(f"document.getElementById('place').value === {json.dumps(label)}")
    page.wait("!document.querySelector('#places li')")
    listing = recorded(platform, fact(page, "Prediction"))["listing"]
    assert listing["state"] in label
    page.wait("document.querySelectorAll('.comparable').length > 0")


def test_unknown_place_is_an_error_at_its_field(page, web, model):
    ready(page, web)
    page.fill("place", "qqqqq")
    page.click("button[type=submit]")
    page.wait("document.querySelector('#place-error')")
    page.shows("no such place", "#place-error")
    assert not page.text("#price")


def test_form_values_are_sent_to_predict(page, web, platform, model):
    city, state = place_of(web, platform)
    ready(page, web)
    page.click("#listing summary")
    page.choose("status", "sold")
    for name, value in FORM.items():
        page.fill(name, value)
    page.fill("place", f"{city}, {state}")
    estimate(page)
    listing = recorded(platform, fact(page, "Prediction"))["listing"]
    assert {k: v for k, v in listing.items() if isinstance(v, str)} == {
        **{k: FORM[k] for k in ("street", "brokered_by", "prev_sold_date")},
        "city": city,
        "state": state,
        "status": "sold",
    }
    numbers = ("house_size", "acre_lot", "bed", "bath")
    assert [listing[n] for n in numbers] == [float(FORM[n]) for n in numbers]
    # The address has become the link to this estimate.
    query = page.wait("location.search.includes('house_size=1850') && location.search")
    page.open(f"{web}/{query}")
    page.wait("document.querySelector('#price')?.innerText")
    page.wait("document.getElementById('house_size').value === '1850'")
    page.wait(f"document.getElementById('place').value === '{city}, {state}'")


def test_sliders_move_price_and_waterfall(page, web, platform, model):
    ready(page, web, "?house_size=1500&bed=3")
    page.wait("document.querySelector('#price')?.innerText")
    before, identity = page.text("#price"), fact(page, "Prediction")
    page.js("document.querySelector('[data-slider=house_size]').focus()")
    for _ in range(4):
        page.press("ArrowRight")
    page.wait(f"document.querySelector('#price').innerText !== '{before}'")
    page.wait("document.querySelector('.slider-value').innerText === '1,700 sq ft'")
    page.wait("document.querySelector('#difference')?.innerText")
    page.wait(
        "document.querySelector('td.number.total').innerText === "
        "document.querySelector('#price').innerText"
    )

    def difference_is_that_of_the_prices():
        price, difference = page.js(
            "['#price', '#difference'].map(s => document.querySelector(s).innerText)"
        )
        return abs(money(price) - money(before) - money(difference)) <= 1

    wait_for(difference_is_that_of_the_prices)
    # What a slider asks is no prediction: none is recorded.
    newest = httpx.get(
        f"{platform.functions_url}/predictions/history?limit=1", trust_env=False, timeout=60
    ).json()["predictions"][0]
    assert recorded(platform, identity)["predicted_at"] == newest["predicted_at"]
    page.click(".aside button")
    page.wait(f"document.querySelector('#price').innerText === '{before}'")
    page.wait("document.querySelector('.slider-value').innerText === '1,500 sq ft'")


def test_what_a_slider_shows_is_what_is_linked_reloaded_and_reported(page, web, platform, model):
    ready(page, web, "?house_size=1850&bed=3")
    page.wait("document.querySelector('#report')")
    entered = page.text("#price")
    page.js("document.querySelector('[data-slider=house_size]').focus()")
    for _ in range(10):
        page.press("ArrowRight")
    page.wait("document.querySelector('.slider-value').innerText === '2,350 sq ft'")
    page.wait("location.search === '?house_size=2350&bed=3'")
    # The report is that of a recorded price, and this one is not recorded.
    assert not page.js("document.querySelector('#report')")
    assert fact(page, "Prediction") == "not recorded"
    tried = page.text("#price")
    assert tried != entered
    # Who returns from another page finds the same.
    page.js("document.querySelector('nav a[href=\"/service\"]').click()")
    page.wait("document.querySelector('h1')?.innerText === 'Service'")
    page.js("document.querySelector('nav a[href=\"/\"]').click()")
    thumb = "document.querySelector('[data-slider=house_size]')?.value"
    page.wait(f"{thumb} === '2350'")
    page.wait("location.search === '?house_size=2350&bed=3'")
    page.shows(tried, "#price", exactly=True)
    page.click("#keep")
    address = page.wait("document.querySelector('#report')?.href")
    listing = recorded(platform, address.rpartition("/")[2])["listing"]
    assert listing["house_size"] == 2350
    page.wait("document.getElementById('house_size').value === '2350'")
    page.js("document.querySelector('[data-slider=house_size]').focus()")
    page.press("ArrowRight")
    page.wait("location.search === '?house_size=2400&bed=3'")
    ready(page, web, page.js("location.search"))
    page.wait("document.querySelector('#report')")
    page.wait(f"{thumb} === '2400' && document.getElementById('house_size').value === '2400'")
    page.wait("document.querySelector('.slider-value').innerText === '2,400 sq ft'")
    page.js("document.querySelector('[data-slider=house_size]').focus()")
    page.press("ArrowRight")
    page.wait("location.search === '?house_size=2450&bed=3'")
    page.click(".aside button")
    page.wait("location.search === '?house_size=2400&bed=3'")


def test_the_report_of_an_estimate_opens_at_the_address_of_the_app(page, web, platform, model):
    city, state = place_of(web, platform)
    ready(page, web, f"?city={city}&state={state}&house_size=1500")
    page.wait("document.querySelector('#price')?.innerText")
    page.shows(" confidence", "#confidence")
    page.shows("Asking price, about", "#amounts")
    page.shows("Per square foot", "#amounts")
    page.shows("remains to your estimate", ".adjustments")
    price, address = page.text("#price"), page.js("document.querySelector('#report').href")
    assert address.startswith(f"{web}/report/")
    recorded(platform, address.rpartition("/")[2])
    # Not in the tab: a browser asks for an icon, which a page that loads nothing has not.
    report = httpx.get(address, timeout=60, trust_env=False).text
    assert f'<p class="price">{price}</p>' in report
    assert "Comparables, adjusted to the home" in report


def test_a_spanish_page_leads_to_the_report_in_spanish(page, web, platform, model):
    city, state = place_of(web, platform)
    page.open(f"{web}/es?city={city}&state={state}&house_size=1500")
    page.wait("document.querySelector('#price')?.innerText")
    price, address = page.text("#price"), page.js("document.querySelector('#report').href")
    assert address.startswith(f"{web}/es/report/")
    recorded(platform, address.rpartition("/")[2])
    report = httpx.get(address, timeout=60, trust_env=False).text
    assert '<html lang="es">' in report
    assert f'<p class="price">{price}</p>' in report
    assert "Comparables, ajustadas a la vivienda" in report


def test_map_zooms_and_lights_the_card_of_a_pin(page, web, platform, model):
    city, state = place_of(web, platform)
    ready(page, web, f"?city={city}&state={state}&house_size=1500")
    page.wait("document.querySelector('.map .pin')")
    page.wait(
        "document.querySelectorAll('.comparable').length > 0 && "
        "document.querySelectorAll('.comparable').length === "
        "document.querySelectorAll('.map g[data-pin]').length"
    )
    whole = page.js("document.querySelector('.map').getAttribute('viewBox')")
    page.click("[data-zoom='0.7']")
    page.wait(f"document.querySelector('.map').getAttribute('viewBox') !== '{whole}'")
    page.click("[data-zoom='0']")
    page.wait(f"document.querySelector('.map').getAttribute('viewBox') === '{whole}'")


def test_field_errors_are_shown_at_their_fields(page, web, model):
    ready(page, web)
    page.fill("bed", "three")
    page.fill("house_size", "-5")
    page.click("button[type=submit]")
    page.wait("document.querySelector('#bed-error')")
    page.shows("is not a number", "#bed-error", exactly=True)
    page.shows("is negative", "#house_size-error", exactly=True)
    for name, wrong in (("bed", "true"), ("house_size", "true"), ("bath", "false")):
        page.wait(f"document.getElementById('{name}').ariaInvalid === '{wrong}'")
    page.wait("document.querySelector('#bed').getAttribute('aria-describedby') === 'bed-error'")
    assert not page.text("#price")
    page.wait("document.activeElement.id === 'house_size'")
    page.fill("bed", "3")
    page.fill("house_size", "")
    assert estimate(page) > 0
    page.wait("!document.querySelector('.error')")


def test_errors_of_a_link_do_not_outlive_it(page, web, model):
    ready(page, web, "?house_size=1700")
    page.wait("document.querySelector('#price')?.innerText")
    ready(page, web, "?house_size=abc")
    page.shows("is not a number", "#house_size-error", exactly=True)
    # The address stays that of the link, not that of the home before it.
    assert page.js("location.search") == "?house_size=abc"
    ready(page, web, "?house_size=1800&bed=3&bath=2")
    page.wait("document.querySelector('#price')?.innerText")
    page.wait("location.search === '?house_size=1800&bed=3&bath=2'")
    page.wait("!document.querySelector('.error')")
    page.wait("document.getElementById('house_size').ariaInvalid === 'false'")
    page.open(f"{web}/models")
    page.wait("document.querySelector('.who, [data-return]') || document.querySelector('tbody')")
    assert page.js("location.search") == ""


def test_numbers_of_a_link_are_read_like_those_of_the_form(page, web, model):
    ready(page, web, "?house_size=1,850&bed=3")
    page.wait("document.querySelector('#price')?.innerText")
    page.wait("location.search === '?house_size=1850&bed=3'")
    assert page.js("document.getElementById('house_size').value") == "1850"


def test_error_below_more_details_is_seen(page, web, model):
    ready(page, web, "?status=xyz")
    page.wait("document.getElementById('status-error')?.checkVisibility()")
    page.wait("document.activeElement.id === 'status'")
    assert not page.text("#price")


def test_warnings_are_shown_with_the_price(page, web, model):
    ready(page, web)
    page.fill("house_size", "90000")
    assert estimate(page) > 0
    page.wait(
        "[...document.querySelectorAll('.notice')]"
        ".some(e => e.innerText.includes('90,000 square feet is unusual'))"
    )
    assert "house_size" not in page.text("main")
    # No probability is promised above the warning.
    page.shows("outside what the model knows", "#trust")
    assert "8 in 10" not in page.text("#answer")


def test_clear_button_empties_form_and_answer(page, web, model):
    ready(page, web)
    page.fill("bed", "4")
    estimate(page)
    page.click("#listing button[type=button]")
    page.wait("!document.querySelector('#price')")
    page.wait("document.getElementById('bed').value === ''")


def test_pages_without_a_model_in_service(page, web, without_model):
    for route in ("/", "/service"):
        opened(page, web, route)
        page.wait("document.body.innerText.includes('No model is in service yet')")
        assert page.js("document.querySelectorAll('[role=alert]').length") == 0
    opened(page, web)
    page.wait("document.body.innerText.includes('No model is in service yet')")
    page.js(
        """new MutationObserver(() => { window.wasBusy = true }).observe(
           document.querySelector('button[type=submit]'), {attributeFilter: ['aria-busy']}), 0"""
    )
    page.click("button[type=submit]")
    page.wait(
        "window.wasBusy && document.querySelector('button[type=submit]').ariaBusy === 'false'"
    )
    page.shows("No model is in service yet")
    assert not page.text("#price")


def test_prediction_is_found_in_the_history_and_counted(page, web, platform, model):
    ready(page, web)
    price = estimate(page)
    identity = fact(page, "Prediction")
    recorded(platform, identity)
    page.js("document.querySelector('nav a[href=\"/predictions\"]').click()")
    page.wait("document.querySelector('h1')?.innerText === 'Predictions'")
    row = f"document.querySelector('[data-prediction=\"{identity}\"]')?.closest('tr')"
    page.wait(row)
    page.fill("version", "v3")
    page.press("Enter")
    page.wait("location.search === '?version=v3'")
    page.wait(row)
    page.wait(f"{row}?.innerText.includes('${price:,.0f}')")
    page.click(f'[data-prediction="{identity}"]')
    page.wait("document.querySelector('#path')")
    page.shows(f"${price:,.0f}", "#path")
    page.shows("no decision on that version is recorded", "#prediction")
    page.wait(f"location.search === '?version=v3&id={identity}'")
    page.js("document.querySelector('nav a[href=\"/service\"]').click()")
    page.wait("document.querySelector('h1')?.innerText === 'Service'")
    page.wait("[...document.querySelectorAll('dt')].some(e => e.textContent === 'Model')")
    assert fact(page, "Model") == "tasador-price@3"
    assert int(fact(page, "Predictions").replace(",", "")) >= 1
    page.wait("document.title === 'Service · Tasador'")


def test_unknown_address_has_a_page_with_the_way_back(tab, web, model):
    page = tab()
    page.open(f"{web}/nothing-here")
    page.shows("There is no page at this address.")
    page.click("main a.button")
    page.wait("document.querySelector('h1')?.innerText === 'Estimate'")
    page.close()


def test_form_works_with_the_keyboard_alone(page, web, model):
    ready(page, web)
    page.press("Tab")
    wait_for(lambda: page.focused() == "Skip to the content")
    for _ in range(30):
        if page.focused() == "house_size":
            break
        page.press("Tab")
    page.type("2100")
    page.press("Enter")
    page.wait("document.querySelector('#price')?.innerText")
    page.wait("!(document.querySelector('#missing')?.innerText ?? '').includes('house size')")


def test_accessible_names_of_all_controls(page, web, model):
    ready(page, web)
    estimate(page)
    nodes = page.accessible()
    controls = [name for role, name in nodes if role in ("textbox", "combobox", "Date", "button")]
    assert len(controls) >= 9
    assert all(controls)
    assert {"main", "navigation", "banner"} <= {role for role, _ in nodes}
    assert {"Where is it?", "House size sq ft", "Bedrooms"} <= {name for _, name in nodes}


def test_color_mode_button_switches_light_and_dark(page, web, model):
    def colours():
        return page.js("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")

    seen = {}
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        ready(page, web)
        seen[scheme] = colours()
    assert seen["light"] != seen["dark"]
    page.click("button[aria-label='Switch between light and dark']")
    page.wait(f"getComputedStyle(document.body).color !== '{seen['dark'][1]}'")
    wait_for(lambda: colours() == seen["light"])
